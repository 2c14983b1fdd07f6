"""The weights inside a Keras HDF5 file, handed out layer by layer and checked for shape before they are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from workbench.errors import ClassifierError

# Kept by Keras beside the weights, and no part of what the network computes.
_BOOKKEEPING = re.compile(r"seed_generator|^count$|^iterations$")


class LayerWeights:
    """The arrays of one layer by their last name (`kernel`, `gamma`, …)."""

    def __init__(self, layer: str, where: str, arrays: Mapping[str, h5py.Dataset]) -> None:
        self.layer, self.where = layer, where
        self._left = {leaf: data for leaf, data in arrays.items() if not _BOOKKEEPING.search(leaf)}

    def take(self, leaf: str, *shape: int | None, otherwise: str = "") -> np.ndarray:
        """The array `leaf` (or `otherwise`, an older spelling) as float32; None in `shape` matches any size.

        Raises ClassifierError where the file lacks it or its shape is another one.
        """
        found = leaf if leaf in self._left else otherwise
        if found not in self._left:
            held = ", ".join(self._left) or "nothing"
            raise ClassifierError(f"{self.where}: layer {self.layer!r} has no weight {leaf!r} (the file holds {held})")
        data = self._left.pop(found)
        if len(shape) != len(data.shape) or any(
            w is not None and w != h for w, h in zip(shape, data.shape, strict=True)
        ):
            wanted = "×".join("any" if size is None else str(size) for size in shape)
            held = "×".join(map(str, data.shape))
            raise ClassifierError(
                f"{self.where}: weight {leaf!r} of layer {self.layer!r} is {held}, its settings ask for {wanted}"
            )
        if data.dtype.kind not in "fiu":
            raise ClassifierError(
                f"{self.where}: weight {leaf!r} of layer {self.layer!r} is of type {data.dtype}, not numbers"
            )
        return np.asarray(data[()], dtype=np.float32)

    def finish(self) -> None:
        """Raise ClassifierError if an array of the layer was not used."""
        if self._left:
            raise ClassifierError(
                f"{self.where}: layer {self.layer!r} holds weights that its class does not use: "
                + ", ".join(self._left)
            )


class WeightStore:
    """All weights of a file: path of the layer (names of the models it sits in, then its own) → LayerWeights."""

    def __init__(self, file: h5py.File, where: str) -> None:
        self.where = where
        group = file.get("model_weights", file)
        self._groups: dict[str, dict[str, dict[str, h5py.Dataset]]] = {}
        for layer in _names(group.attrs, "layer_names"):
            by_prefix: dict[str, dict[str, h5py.Dataset]] = {}
            for name in _names(group[layer].attrs, "weight_names"):
                prefix, _, leaf = name.rpartition("/")
                data = self._dataset(group[layer], name)
                by_prefix.setdefault(prefix, {})[leaf.split(":")[0]] = data
            self._groups[layer] = by_prefix

    def _dataset(self, group: h5py.Group, name: str) -> h5py.Dataset:
        data = group.get(name)
        if not isinstance(data, h5py.Dataset):
            raise ClassifierError(f"{self.where}: the weight {name!r} is missing from the file")
        if data.is_virtual or data.external or data.file.filename != group.file.filename:
            raise ClassifierError(f"{self.where}: the weight {name!r} lies in another file, which is not followed")
        return data

    def layer(self, path: tuple[str, ...]) -> LayerWeights:
        """The weights of the layer at `path`; a layer without any gives an empty LayerWeights.

        A layer of the outermost model owns its whole group. In a nested model the group is the outermost one, and a
        layer owns the arrays whose prefix is its name: exactly, else after the names of the models around it, else
        with the number that TensorFlow appended to make the name unique.
        """
        groups = self._groups.get(path[0], {})
        name = path[-1]
        if len(path) == 1:
            merged: dict[str, h5py.Dataset] = {}
            for prefix, arrays in groups.items():
                for leaf, data in arrays.items():
                    if leaf in merged:
                        raise ClassifierError(
                            f"{self.where}: layer {name!r} holds {leaf!r} twice ({prefix!r} and "
                            "another); only plain layers can be read"
                        )
                    merged[leaf] = data
            return LayerWeights(name, self.where, merged)
        inner = "/".join(path[1:])
        exact = [prefix for prefix in groups if prefix in (name, inner, "/".join(path))]
        ends = [prefix for prefix in groups if prefix.endswith("/" + name)]
        numbered = [prefix for prefix in groups if re.fullmatch(rf"(.*/)?{re.escape(name)}_\d+", prefix)]
        for candidates in (exact, ends, numbered):
            if len(candidates) == 1:
                return LayerWeights(name, self.where, groups[candidates[0]])
            if candidates:
                raise ClassifierError(
                    f"{self.where}: the weights of layer {inner!r} are ambiguous ({', '.join(candidates)})"
                )
        return LayerWeights(name, self.where, {})


def _names(attributes: Any, key: str) -> list[str]:
    """A list of names from HDF5 attributes; Keras cuts long lists into `key0`, `key1`, …"""
    if key in attributes:
        parts = [attributes[key]]
    else:
        parts = []
        while f"{key}{len(parts)}" in attributes:
            parts.append(attributes[f"{key}{len(parts)}"])
    return [name.decode() if isinstance(name, bytes) else str(name) for part in parts for name in part]
