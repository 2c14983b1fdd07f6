"""Weights from a file into a module: safetensors or torch's weights-only format, never a pickle with code."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from workbench.errors import ClassifierError, UnreadableFileError

_WRAPPING_KEYS = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "params")
_WRAPPING_PREFIXES = ("module.", "_orig_mod.", "model.", "net.")


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Names and tensors of a `.safetensors` file or of one saved by `torch.save(module.state_dict(), …)`.

    What training scripts wrap around them (`{"state_dict": …}`, `{"model": …}`) is taken off. Raises
    UnreadableFileError for a missing or damaged file, ClassifierError for one that holds Python objects.
    """
    path = Path(path)
    if not path.is_file():
        raise UnreadableFileError(f"the checkpoint {path} does not exist")
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return dict(load_file(path))
        except SafetensorError as error:
            raise UnreadableFileError(f"{path} is no readable safetensors file ({error})") from None
    try:
        with warnings.catch_warnings():  # torch warns of a foreign pickle protocol before it refuses it
            warnings.simplefilter("ignore")
            held: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "weights_only" in str(error).lower() or "unsupported" in str(error).lower():
            raise ClassifierError(
                f"{path.name} holds Python objects besides weights, which are never run; save "
                "module.state_dict() with torch.save, or a .safetensors file"
            ) from None
        raise UnreadableFileError(f"{path} is no checkpoint: it is neither torch's format nor safetensors") from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        line = (str(error).splitlines() or [""])[0]
        why = line.split(". ")[0] if isinstance(error, RuntimeError | OSError) and line else type(error).__name__
        raise UnreadableFileError(
            f"{path} is empty, cut short or no checkpoint ({why}); save it again: torch.save(module.state_dict(), …)"
        ) from None
    return _unwrap(held, path)


def _unwrap(held: Any, path: Path) -> dict[str, Tensor]:
    while isinstance(held, Mapping):
        if held and all(isinstance(value, Tensor) for value in held.values()):
            return {str(name): value for name, value in held.items()}
        inner = next((held[key] for key in _WRAPPING_KEYS if isinstance(held.get(key), Mapping)), None)
        if inner is None:
            tensors = {str(name): value for name, value in held.items() if isinstance(value, Tensor)}
            if tensors:
                return tensors
            break
        held = inner
    shown = ", ".join(map(str, list(held)[:5])) if isinstance(held, Mapping) else type(held).__name__
    raise ClassifierError(f"{path.name} holds no weights by name (found: {shown}); save module.state_dict()")


def load_weights(module: nn.Module, weights: Mapping[str, Tensor], labels: tuple[str, ...], where: str) -> None:
    """Copy `weights` into `module`, every name and shape matching.

    Prefixes that wrappers add to every name (`module.`, …) are taken off. Raises ClassifierError that says how
    many names are missing or surplus and shows the first three, or that the number of classes differs.
    """
    wanted = module.state_dict()
    given = dict(weights)
    for _ in range(3):
        prefix = next(
            (
                p
                for p in _WRAPPING_PREFIXES
                if given
                and all(name.startswith(p) for name in given)
                and not any(name.startswith(p) for name in wanted)
            ),
            None,
        )
        if prefix is None:
            break
        given = {name.removeprefix(prefix): value for name, value in given.items()}
    missing = [name for name in wanted if name not in given and not name.endswith("num_batches_tracked")]
    surplus = [name for name in given if name not in wanted]
    if missing or surplus:
        parts = [
            f"{len(names)} {what} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
            for what, names in (("missing", missing), ("surplus", surplus))
            if names
        ]
        raise ClassifierError(
            f"{where}: the weights are of another architecture: {', '.join(parts)} of {len(wanted)} names"
        )
    unlike = [name for name in given if given[name].shape != wanted[name].shape]
    if unlike:
        name = unlike[-1]
        theirs, ours = given[name].shape, wanted[name].shape
        if len(unlike) <= 2 and len(theirs) == len(ours) > 0 and ours[0] == len(labels) and theirs[1:] == ours[1:]:
            raise ClassifierError(
                f"{where}: the checkpoint has {theirs[0]} classes, {len(labels)} labels were given "
                f"({', '.join(labels)})"
            )
        raise ClassifierError(
            f"{where}: {len(unlike)} weights have another shape, first {unlike[0]!r}: "
            f"{tuple(given[unlike[0]].shape)} in the file, {tuple(wanted[unlike[0]].shape)} in "
            "the network"
        )
    module.load_state_dict(given, strict=False)
