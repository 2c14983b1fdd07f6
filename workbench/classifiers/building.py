"""From a module and what is known about it to a Classifier that has been tried out."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Literal

import torch
from torch import nn

from workbench import vocabulary
from workbench.classifiers.classifier import Classifier, Head, Preprocessing
from workbench.classifiers.layers import check_layer, default_layer, probe
from workbench.errors import ClassifierError, UsageError

Labels = str | Iterable[str] | Mapping[str, int] | Mapping[int, str]


def read_labels(labels: Labels) -> tuple[str, ...]:
    """Labels in output order: a list, a text with commas, or a mapping between name and column.

    Names of expressions are put into the workbench's vocabulary ("Happy" → "happiness"), others ("other", "AU12")
    stay as they are. Raises UsageError for a mapping whose columns are not 0, 1, 2, …
    """
    if isinstance(labels, str):
        labels = labels.split(",")
    if isinstance(labels, Mapping):
        pairs = [(value, key) if isinstance(value, int) else (int(key), value) for key, value in labels.items()]
        if sorted(column for column, _ in pairs) != list(range(len(pairs))):
            raise UsageError(
                f"the columns of labels must be 0 to {len(pairs) - 1}, each once, not "
                + ", ".join(str(column) for column, _ in pairs)
            )
        labels = [str(name) for _, name in sorted(pairs)]
    if not isinstance(labels, Iterable):
        raise UsageError(f"labels must name every output of the network, in order; {labels!r} was given")
    names = ["" if label is None else str(label).strip() for label in labels]
    if not names or not all(names):
        raise UsageError("labels must name every output of the network, in order; an empty name was given")
    return tuple(vocabulary.expression(name) if vocabulary.is_expression(name) else name for name in names)


def private_copy(module: nn.Module) -> nn.Module:
    """A copy of a user's module, so that ours can be put into evaluation mode, frozen and moved.

    Wrappers are taken off first (DataParallel, DistributedDataParallel, torch.compile). Later changes to the user's
    module do not reach the copy. Raises ClassifierError for TorchScript, and for what cannot be copied.
    """
    while True:
        if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
            module = module.module
        elif isinstance(getattr(module, "_orig_mod", None), nn.Module):
            module = module._orig_mod  # type: ignore[assignment]
        else:
            break
    if isinstance(module, torch.jit.ScriptModule):
        raise ClassifierError("a TorchScript module cannot be listened to; give the Python module it was made from")
    try:
        return copy.deepcopy(module)
    except (RuntimeError, TypeError, ValueError) as error:
        line = (str(error).splitlines() or [""])[0]
        raise ClassifierError(f"the module cannot be copied ({line}); build it anew and load its weights") from None


def build(
    name: str,
    module: nn.Module,
    labels: tuple[str, ...],
    preprocessing: Preprocessing,
    *,
    kind: Literal["softmax", "sigmoid", "linear"] = "softmax",
    layer: str | None = None,
    device: str | torch.device | None = None,
    provenance: Mapping[str, str] | None = None,
) -> Classifier:
    """A Classifier around `module`, which is put into evaluation mode, frozen and moved to `device` (default: CPU).

    Raises ClassifierError where the output does not match the labels or holds NaN; LayerError for a bad `layer`.
    """
    target = choose_device(device)
    module = module.eval().requires_grad_(False).to(target)
    head = Head(labels, kind)
    try:
        found = probe(module, preprocessing)
    except ClassifierError as error:
        raise ClassifierError(f"{name}: {error}") from None
    if found.output.shape[1] != len(labels):
        raise ClassifierError(
            f"{name}: the module gives {found.output.shape[1]} outputs, {len(labels)} labels were "
            f"given ({', '.join(labels)})"
        )
    if not torch.isfinite(found.output).all():
        raise ClassifierError(f"{name}: the module gives NaN or infinity on a noise image; its weights are damaged")
    if layer is not None:
        check_layer(layer, module, found.shapes, name)
    chosen = layer if layer is not None else default_layer(found)
    return Classifier(name, module, {"expression": head}, preprocessing, chosen, dict(provenance or {}))


def choose_device(device: str | torch.device | None) -> torch.device:
    """The device of that name, CPU for None; UsageError where there is none such."""
    try:
        target = torch.device(device or "cpu")
        torch.empty(0, device=target)
    except (RuntimeError, AssertionError) as error:
        line = (str(error).splitlines() or [""])[0]
        raise UsageError(f"the device {str(device)!r} cannot be used ({line}); try 'cpu'") from None
    return target
