"""Networks of timm: which names it knows, and how one is made with the right number of outputs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from workbench.assets import sha256_of
from workbench.classifiers._torchvision import import_timm
from workbench.classifiers.checkpoints import load_weights, read_weights
from workbench.errors import ClassifierError


@cache
def names() -> tuple[str, ...]:
    """All architectures that timm knows, without the tags of weights."""
    return tuple(import_timm().list_models())


def knows(name: str) -> bool:
    """Whether timm has this architecture, with or without a tag, or the name points to a hub."""
    return name.startswith(("hf-hub:", "hf_hub:")) or bool(import_timm().is_model(name))


def create(
    name: str, labels: tuple[str, ...], channels: int, *, checkpoint: str | Path | None, pretrained: bool
) -> tuple[nn.Module, dict[str, Any], dict[str, str]]:
    """(module, size/mean/std as timm states them, provenance) of the network `name` with one output per label.

    Without `checkpoint` and `pretrained` the weights are random, seed 0; torch's random state is left as it was.
    Raises ClassifierError where weights cannot be had or do not fit.
    """
    timm = import_timm()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            if pretrained:
                module = timm.create_model(name, pretrained=True, in_chans=channels)
            else:
                module = timm.create_model(name, pretrained=False, in_chans=channels, num_classes=len(labels))
        except Exception as error:  # timm, hub and network libraries raise what they like
            line = (str(error).splitlines() or [""])[0]
            what = "its weights cannot be fetched" if pretrained else "it cannot be made"
            raise ClassifierError(f"the timm network {name!r}: {what} ({type(error).__name__}: {line})") from None
        fresh_head = pretrained and module.num_classes != len(labels)
        if fresh_head:
            module.reset_classifier(len(labels))
    config = timm.data.resolve_model_data_config(module)
    defaults: dict[str, Any] = {"size": tuple(config["input_size"][1:])}
    for key in ("mean", "std"):
        values = tuple(config[key])
        defaults[key] = values if len(values) == channels else (sum(values) / len(values),)
    stated = getattr(module, "pretrained_cfg", None) or {}
    provenance = {"source": f"timm {timm.__version__}, {name}"}
    if checkpoint is not None:
        path = Path(checkpoint)
        load_weights(module, read_weights(path), labels, path.name)
        provenance |= {"checkpoint": path.name, "sha256": sha256_of(path)}
    elif pretrained:
        provenance |= {"licence": str(stated.get("license") or ""), "weights": str(stated.get("tag") or "pretrained")}
        if fresh_head:
            provenance["caveat"] = (
                "The last layer is new and untrained: the predictions mean nothing until it is trained."
            )
    else:
        provenance |= {"weights": "random, seed 0", "caveat": "Random weights: a control, no trained network."}
    return module, defaults, provenance
