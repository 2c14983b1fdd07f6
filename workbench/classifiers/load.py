"""`load_classifier`: the one way in, from a zoo name, a timm name, a module, or a Keras file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from workbench.classifiers.classifier import Classifier, Preprocessing
from workbench.classifiers.heads import Head, Kind, Labels, read_heads, read_labels
from workbench.classifiers.zoo import CLASSIFIERS
from workbench.errors import ClassifierError, UnknownNameError, UsageError

if TYPE_CHECKING:
    import torch

_KERAS = (".h5", ".hdf5")
_WEIGHTS = (".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".keras", ".onnx", ".tflite", ".pkl")


def load_classifier(
    name_or_module_or_path: str | Path | torch.nn.Module,
    *,
    checkpoint: str | Path | None = None,
    labels: Labels | None = None,
    size: int | tuple[int, int] | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    channels: Literal[1, 3] | None = None,
    layer: str | None = None,
    device: str | torch.device | None = None,
    name: str | None = None,
    pretrained: bool = False,
    random_weights: bool = False,
    heads: Mapping[str, Labels | Head | Mapping[str, Any]] | None = None,
    tokens: tuple[int, int, int] | None = None,
) -> Classifier:
    """A network ready to be explained.

    Takes the name of a registered classifier (only `layer`, `device` and `name` apply); a timm name with `labels`
    and one of `checkpoint`, `pretrained`, `random_weights`; a `torch.nn.Module` that returns logits, with `labels`
    and `size` (a private copy is used, the module itself is not touched); or a Keras `.h5`/`.hdf5` file with
    `labels`. `size` is in pixels, one number or (height, width); `mean` and `std` refer to values in [0, 1] (default:
    the ones timm states for a timm network, else 0 and 1, that is [0, 1] as it is). `labels` may be a list, a
    text with commas or a mapping between name and column. `heads` takes its place where a network answers more than
    one question or another one: name → labels for `expression` (softmax), `au` (sigmoid; "AU12", 12 and "au_12" are
    one) and `affect` (linear), name → `Head` for others, in the order of the module's columns. `layer` defaults to
    the last layer with features on a grid, for token models to the last block with a gradient at the places;
    `tokens=(prefix, height, width)` states the grid of a token model where it cannot be found. The provenance says
    what was stated, what was assumed and how the layer was chosen.

    Raises UnknownNameError with the nearest names, UsageError for arguments that are missing or do not apply,
    ClassifierError for a network that does not fit its labels or weights, LayerError for a layer that is not spatial.
    """
    given = {
        "checkpoint": checkpoint,
        "labels": labels,
        "size": size,
        "mean": mean,
        "std": std,
        "channels": channels,
        "pretrained": pretrained or None,
        "random_weights": random_weights or None,
        "heads": heads,
        "tokens": tokens,
    }
    given = {key: value for key, value in given.items() if value is not None}
    common = {"layer": layer, "device": device, "name": name}
    what = name_or_module_or_path
    if not isinstance(what, str | Path):
        return _from_module(what, given, common)
    suffix = Path(what).suffix.lower()
    if not str(what).strip() or str(what) == ".":
        raise UsageError("the classifier has no name; see `workbench list classifiers`, or give a timm name or a file")
    if isinstance(what, str) and what in CLASSIFIERS:
        return _from_registry(what, given, common)
    if suffix in _KERAS:
        return _from_keras(Path(what), given, common)
    if suffix in _WEIGHTS:
        raise UsageError(
            f"{what} names weights, or a graph that cannot be read; give the architecture's name, and the "
            f"weights as checkpoint: load_classifier('resnet18', checkpoint='{Path(what).name}', …)"
        )
    if isinstance(what, Path):
        raise UsageError(f"{what} is no Keras file (.h5, .hdf5); a path must lead to one")
    return _from_timm(str(what), given, common)


def _from_registry(name: str, given: Mapping[str, Any], common: Mapping[str, Any]) -> Classifier:
    if given:
        raise UsageError(f"the classifier {name!r} has {', '.join(given)} of its own; leave out {', '.join(given)}")
    classifier = CLASSIFIERS[name].value()
    if common["name"]:
        classifier = replace(classifier, name=common["name"])
    if common["layer"]:
        classifier = classifier.with_layer(common["layer"])
    if common["device"]:
        from workbench.classifiers.building import choose_device

        classifier.module.to(choose_device(common["device"]))
    return classifier


def _from_keras(path: Path, given: dict[str, Any], common: Mapping[str, Any]) -> Classifier:
    from workbench.assets import sha256_of
    from workbench.classifiers.building import build
    from workbench.classifiers.keras.reading import read_keras

    _refuse(given, ("checkpoint", "pretrained", "random_weights"), f"a Keras file ({path.name}) holds its own weights")
    model = read_keras(path)
    heads = _heads(given, path.name, model.kind)
    channels, height, width = model.input_shape
    if given.get("channels", channels) != channels:
        raise UsageError(f"{path.name} takes {channels} channels, not {given['channels']}; leave out channels")
    if height and width:
        given.setdefault("size", (height, width))
    preprocessing, said = _preprocessing(given, path.name, channels=channels)
    provenance = {
        "source": str(path.name),
        "sha256": sha256_of(path),
        "preprocessing": said,
        "reader": f"Keras {model.keras_version}; left out: {model.stripped or 'nothing'}",
    }
    return build(
        common["name"] or path.stem,
        model.module,
        heads,
        preprocessing,
        layer=common["layer"],
        device=common["device"],
        provenance=provenance,
        tokens=_tokens(given),
    )


def _from_module(module: Any, given: dict[str, Any], common: Mapping[str, Any]) -> Classifier:
    from torch import nn

    from workbench.assets import sha256_of
    from workbench.classifiers.building import build
    from workbench.classifiers.checkpoints import load_weights, read_weights
    from workbench.classifiers.copying import private_copy

    if not isinstance(module, nn.Module):
        raise UsageError(f"a name, a path or a torch.nn.Module is needed, not {type(module).__name__}")
    owner = common["name"] or type(module).__name__
    _refuse(given, ("pretrained", "random_weights"), "a module has its own weights")
    heads = _heads(given, owner)
    preprocessing, said = _preprocessing(given, owner)
    copied, changed = private_copy(module)
    provenance = {"source": f"module {type(module).__module__}.{type(module).__qualname__}", "preprocessing": said}
    if changed:
        provenance["precision"] = changed
    if "checkpoint" in given:
        path = Path(given["checkpoint"])
        load_weights(copied, read_weights(path), _flat(heads), path.name)
        provenance |= {"checkpoint": path.name, "sha256": sha256_of(path)}
    return build(
        owner,
        copied,
        heads,
        preprocessing,
        layer=common["layer"],
        device=common["device"],
        provenance=provenance,
        tokens=_tokens(given),
    )


def _from_timm(what: str, given: dict[str, Any], common: Mapping[str, Any]) -> Classifier:
    from workbench.classifiers import timm_models
    from workbench.classifiers.building import build

    if not timm_models.knows(what):
        if Path(what).exists():
            raise UsageError(f"{what} is no Keras file (.h5, .hdf5); a path must lead to one")
        known = [*CLASSIFIERS.names(), *timm_models.names()]
        if not difflib.get_close_matches(what.lower(), known, n=1, cutoff=0.5):
            known = CLASSIFIERS.names()
        raise UnknownNameError("classifier", what, known, "(or any name of timm's, a module, or a Keras .h5 file)")
    heads = _heads(given, what)
    ways = [way for way in ("checkpoint", "pretrained", "random_weights") if way in given]
    if len(ways) != 1:
        said = f"not {' and '.join(ways)}" if ways else "none was given, and an untrained network explains nothing"
        raise UsageError(
            f"the timm network {what!r} needs one of checkpoint='….pt', pretrained=True, random_weights=True; {said}"
        )
    channels = given.get("channels", 3)
    module, defaults, provenance = timm_models.create(
        what, _flat(heads), channels, checkpoint=given.get("checkpoint"), pretrained="pretrained" in given
    )
    preprocessing, said = _preprocessing(given, what, channels=channels, **defaults)
    stem = f"-{Path(given['checkpoint']).stem}" if "checkpoint" in given else ""
    return build(
        common["name"] or what + stem,
        module,
        heads,
        preprocessing,
        layer=common["layer"],
        device=common["device"],
        provenance={**provenance, "preprocessing": said},
        tokens=_tokens(given),
    )


def _refuse(given: Mapping[str, Any], keys: Sequence[str], reason: str) -> None:
    named = [key for key in keys if key in given]
    if named:
        raise UsageError(f"{' and '.join(named)} cannot be given here: {reason}")


def _heads(given: Mapping[str, Any], owner: str, kind: Kind = "softmax") -> dict[str, Head]:
    """Heads as stated, or one expression head with the labels and `kind`."""
    if "heads" in given:
        if "labels" in given:
            raise UsageError(
                f"the network {owner!r}: labels= is short for heads={{'expression': labels}}; give one of the two"
            )
        return read_heads(given["heads"])
    if "labels" not in given:
        raise UsageError(
            f"the network {owner!r} needs labels= in the order of its outputs, "
            "for example 'anger,disgust,fear,happiness,sadness,surprise,neutral' (or heads=)"
        )
    return {"expression": Head(read_labels(given["labels"]), kind)}


def _flat(heads: Mapping[str, Head]) -> tuple[str, ...]:
    """All labels in the order of the columns."""
    return tuple(label for head in heads.values() for label in head.labels)


def _tokens(given: Mapping[str, Any]) -> tuple[int, int, int] | None:
    """(prefix, height, width) as stated; UsageError for what is none."""
    if "tokens" not in given:
        return None
    stated = given["tokens"]
    numbers = list(stated) if isinstance(stated, Sequence) and not isinstance(stated, str) else []
    if len(numbers) != 3 or not all(isinstance(n, int) for n in numbers) or numbers[0] < 0 or min(numbers[1:]) < 1:
        raise UsageError(f"tokens must be (prefix, height, width), for example (1, 14, 14), not {stated!r}")
    return (numbers[0], numbers[1], numbers[2])


def _preprocessing(given: Mapping[str, Any], owner: str, **defaults: Any) -> tuple[Preprocessing, str]:
    """What was stated, else `defaults`, else [0, 1] RGB; and a sentence on which was which."""
    standard = {"channels": 3, "mean": 0.0, "std": 1.0, **defaults}
    stated = [key for key in ("size", "channels", "mean", "std") if key in given]
    values = {**standard, **{key: given[key] for key in stated}}
    if "size" not in values:
        raise UsageError(f"the network {owner!r} needs size= in pixels, for example size=112 or size=(112, 96)")
    try:
        size = tuple(int(one) for one in np.broadcast_to(values["size"], 2))
        if any(one != whole for one, whole in zip(np.broadcast_to(values["size"], 2), size, strict=True)):
            raise UsageError(f"size is in whole pixels, not {values['size']!r}")
        mean, std = (tuple(float(one) for one in np.ravel(values[key])) for key in ("mean", "std"))
    except UsageError:
        raise
    except (TypeError, ValueError):
        raise UsageError(
            f"size, mean and std must be numbers, not size={values['size']!r}, mean={values['mean']!r}, "
            f"std={values['std']!r}"
        ) from None
    assumed = [key for key in ("size", "channels", "mean", "std") if key not in stated]
    said = "; ".join(
        part
        for part in (
            f"stated: {', '.join(stated)}" if stated else "",
            f"assumed: {', '.join(assumed)}" if assumed else "",
        )
        if part
    )
    return Preprocessing(size, values["channels"], mean, std), said  # type: ignore[arg-type]


__all__ = ["ClassifierError", "load_classifier"]
