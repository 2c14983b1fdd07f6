"""Everything about a network that must be as it was after an explainer has borrowed it."""

import torch


def state(module):
    return {
        "modes": [part.training for part in module.modules()],
        "flags": [p.requires_grad for p in module.parameters()],
        "grads": [None if p.grad is None else p.grad.clone() for p in module.parameters()],
        "values": [value.clone() for value in module.state_dict().values()],
        "hooks": [
            len(part._forward_hooks) + len(part._forward_pre_hooks) + len(part._backward_hooks)
            for part in module.modules()
        ],
        "own": [sorted(key for key in vars(part) if not key.startswith("_")) for part in module.modules()],
        "inplace": [getattr(part, "inplace", None) for part in module.modules()],
        "fused": [getattr(part, "fused_attn", None) for part in module.modules()],
        "attention": torch.nn.functional.scaled_dot_product_attention,
        "random": torch.get_rng_state(),
    }


def assert_same(before, after):
    for key in ("modes", "flags", "hooks", "own", "inplace", "fused"):
        assert before[key] == after[key], key
    assert before["attention"] is after["attention"]
    for key in ("grads", "values"):
        for one, other in zip(before[key], after[key], strict=True):
            assert (one is None and other is None) or torch.equal(one, other), key
    assert torch.equal(before["random"], after["random"])
