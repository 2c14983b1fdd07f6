"""Where a peer's map is wrong: ours against an independent occlusion probe, which sees inputs and scores alone."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.explainers.peers import ClassifierOutputTarget, grad_cam, own, pgc, tc, torchcam
from workbench.classifiers import load_classifier
from workbench.classifiers.classifier import Classifier, Head, Preprocessing
from workbench.errors import UsageError
from workbench.explainers import run

LABELS = ("anger", "happiness", "fear")
PATCH = 16


def classifier_of(module, layer, size):
    return Classifier("probed", module.eval(), {"expression": Head(LABELS)}, Preprocessing(size, 3), layer)


def probe(classifier, crops, targets, patch=PATCH):
    """Fall of the target's score when one patch of the input is set to zero: (N, rows, columns)."""
    inputs = classifier.inputs(crops)
    rows, columns = (side // patch for side in inputs.shape[2:])
    index = range(len(crops))
    full = classifier.logits(inputs)[index, targets]
    fall = np.zeros((len(crops), rows, columns))
    for row in range(rows):
        for column in range(columns):
            hidden = inputs.clone()
            hidden[:, :, patch * row : patch * (row + 1), patch * column : patch * (column + 1)] = 0
            fall[:, row, column] = (full - classifier.logits(hidden)[index, targets]).numpy()
    return fall


def patches(rows, columns, patch=PATCH, count=4):
    """Pictures of flat patches of random colours."""
    stream = np.random.default_rng(8)
    return np.kron(stream.integers(0, 255, (count, rows, columns, 3)), np.ones((1, patch, patch, 1))).astype(np.uint8)


SMALL = 4  # pixels of a patch of the transformer, on a grid of 6 × 10
GRIDDED = patches(6, 10, SMALL)


def correlation(map_, fall):
    """Between a map, brought to the probe's grid, and the probe."""
    resized = F.interpolate(torch.tensor(np.array(map_))[None, None].double(), fall.shape, mode="area")[0, 0].numpy()
    return np.corrcoef(resized.ravel(), fall.ravel())[0, 1]


class Absence(nn.Module):
    """Dark is what the layer answers to, and class 0 is its absence; the ReLU behind the layer works in place."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 1, PATCH, stride=PATCH)
        nn.init.constant_(self.layer.weight, -4 / (3 * PATCH**2))
        nn.init.constant_(self.layer.bias, 0.5)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        dark = self.relu(self.layer(x)).mean((1, 2, 3))
        return torch.stack([-dark, dark, 0 * dark], 1)


class TestInPlace:
    def test_a_relu_behind_the_layer(self):
        """One bright patch keeps the layer below zero, and class 0 up: hiding it is all that lowers the score. The
        peers read the layer after the ReLU has overwritten it, where that patch is as empty as nothing."""
        crops = np.zeros((1, 64, 64, 3), np.uint8)
        crops[:, 16:32, 32:48] = 200
        classifier = classifier_of(Absence(), "layer", (64, 64))
        fall = probe(classifier, crops, [0])
        assert np.argwhere(fall[0] > 1e-6).tolist() == [[1, 2]]
        found = run(classifier, crops, "grad_cam", [0], progress=False)["grad_cam"].values
        assert np.argwhere(found[0] > 0).tolist() == [[1, 2]]
        for theirs in (
            pgc(grad_cam.GradCAM, classifier, crops, [0]),
            tc(torchcam.GradCAM, classifier, crops, [0]),
        ):
            assert theirs[0, 1, 2] == 0
            assert (theirs <= 0).all()  # blank after their ReLU

    def test_a_branch_that_is_added_in_place(self):
        """The layer's own share of the score is what is lost when its places are set to zero, one by one."""

        class Residual(nn.Module):
            def __init__(self):
                super().__init__()
                self.stem = nn.Conv2d(3, 4, PATCH, stride=PATCH)
                self.branch = nn.Conv2d(4, 4, 1)
                self.head = nn.Linear(4, 3)

            def forward(self, x, hide=None):
                shortcut = self.stem(x)
                found = self.branch(torch.relu(shortcut))
                if hide is not None:
                    found[:, :, hide[0], hide[1]] = 0
                found += 5 * shortcut
                return self.head(found.mean((2, 3)))

        with torch.random.fork_rng():
            torch.manual_seed(1)
            module = Residual()
        classifier, crops, targets = classifier_of(module, "branch", (64, 64)), patches(4, 4), [0, 1, 2, 1]
        inputs = classifier.inputs(crops)
        with torch.no_grad():
            full = module(inputs)[range(4), targets]
            fall = np.array(
                [[(full - module(inputs, (i, j))[range(4), targets]).numpy() for j in range(4)] for i in range(4)]
            ).transpose(2, 0, 1)
        found = run(classifier, crops, "hires_cam", targets, progress=False)["hires_cam"].values
        assert np.allclose(found, fall, atol=1e-5 * np.abs(fall).max())
        theirs = pgc(grad_cam.HiResCAM, classifier, crops, targets)
        assert np.abs(theirs - fall).max() > 0.5 * np.abs(fall).max()


@pytest.fixture(scope="module")
def transformer():
    """timm's vision transformer with four registers on a 6 × 10 grid, its weights such that class 0 is the mean
    brightness of the places: no norms, even attention, values passed on by the last block alone."""
    from workbench.classifiers._torchvision import import_timm

    import_timm()
    from timm.models.vision_transformer import VisionTransformer

    with torch.random.fork_rng():
        torch.manual_seed(6)
        net = VisionTransformer(
            img_size=(24, 40),
            patch_size=SMALL,
            embed_dim=12,
            depth=3,
            num_heads=2,
            num_classes=3,
            reg_tokens=4,
            norm_layer=nn.Identity,
        )
        with torch.no_grad():
            for name in ("cls_token", "reg_token", "pos_embed"):
                getattr(net, name).zero_()
            nn.init.constant_(net.patch_embed.proj.bias, 0)
            for depth, block in enumerate(net.blocks):
                block.attn.qkv.weight.zero_()
                block.attn.qkv.bias.zero_()
                block.attn.proj.bias.zero_()
                block.mlp.fc2.bias.zero_()
                nn.init.eye_(block.attn.proj.weight)
                if depth < 2:
                    block.mlp.fc2.weight.zero_()
                else:
                    nn.init.eye_(block.attn.qkv.weight[24:])
                    block.mlp.fc1.weight.mul_(0.1)
            nn.init.normal_(net.head.weight)
    return load_classifier(net, labels=LABELS, size=(24, 40), name="registers")


class TestTokens:
    def test_registers_are_no_places(self, transformer):
        """Dropping one token and folding the other sixty-four into a square, as the peers' documentation does, gives a
        plausible map of nothing."""
        fall = probe(transformer, GRIDDED, [0, 1, 2, 0], SMALL)
        found = run(transformer, GRIDDED, "hires_cam", [0, 1, 2, 0], progress=False)["hires_cam"]
        assert found.values.shape == (4, 6, 10)

        def square(tokens):
            return tokens[:, 1:].reshape(len(tokens), 8, 8, -1).movedim(-1, 1)

        theirs = pgc(grad_cam.HiResCAM, transformer, GRIDDED, [0, 1, 2, 0], layer=found.layer, reshape=square)
        for one, other, truth in zip(found.values, theirs, fall, strict=True):
            assert correlation(one, truth) > 0.99
            assert abs(correlation(other, truth)) < 0.4

    def test_behind_the_last_read_out_there_is_no_gradient(self, transformer):
        """The class token is read from the last block, so that its other tokens move nothing: the peers' map is zero
        without a word. Ours says so, and the layer that is chosen by itself is right."""
        layer = "blocks.2.norm2"

        def places(tokens):
            return tokens[:, 5:].reshape(len(tokens), 6, 10, -1).movedim(-1, 1)

        for call, peer in ((pgc, grad_cam.GradCAM), (tc, torchcam.GradCAM)):
            assert (call(peer, transformer, GRIDDED, [0] * 4, layer=layer, reshape=places) == 0).all()
        silent = run(transformer, GRIDDED, "grad_cam", [0] * 4, options={"grad_cam": {"layer": layer}}, progress=False)
        assert silent["grad_cam"].status == ["zero-gradient"] * 4
        found = run(transformer, GRIDDED, "grad_cam", [0] * 4, progress=False)["grad_cam"]
        assert found.status == ["ok"] * 4
        for one, truth in zip(found.values, probe(transformer, GRIDDED, [0] * 4, SMALL), strict=True):
            assert correlation(one, truth) > 0.99

    @pytest.mark.parametrize("name", ["GradCAM", "HiResCAM", "LayerCAM", "XGradCAM"])
    def test_with_the_right_fold_the_peers_agree(self, transformer, name):
        """Within 1e-5: the fold is theirs to be told, the mathematics is the same."""
        ours = {"GradCAM": "grad_cam", "HiResCAM": "hires_cam", "LayerCAM": "layer_cam", "XGradCAM": "x_grad_cam"}[name]

        def places(tokens):
            return tokens[:, 5:].reshape(len(tokens), 6, 10, -1).movedim(-1, 1)

        found = run(transformer, GRIDDED, ours, [2, 1, 0, 1], progress=False)[ours]
        theirs = pgc(getattr(grad_cam, name), transformer, GRIDDED, [2, 1, 0, 1], layer=found.layer, reshape=places)
        assert np.allclose(found.values, theirs, atol=1e-4 * np.abs(theirs).max())


class TestQuietly:
    def test_one_target_for_four_pictures(self, networks, crops):
        """pytorch-grad-cam leaves three maps blank; ours asks for the other three targets."""
        classifier = networks["branched"]
        theirs = pgc(grad_cam.LayerCAM, classifier, crops, [1])
        assert [bool(np.abs(one).max()) for one in theirs] == [True, False, False, False]
        with pytest.raises(UsageError, match="give one class index a crop"):
            run(classifier, crops, "layer_cam", [1], progress=False)

    def test_a_frozen_network(self, networks, crops):
        """Both peers need parameters that require gradients; ours does not."""
        classifier = networks["branched"]
        net = own(classifier).requires_grad_(False)
        with pytest.raises(RuntimeError), grad_cam.GradCAM(net, [net.branch]) as cam:
            cam(classifier.inputs(crops), [ClassifierOutputTarget(0)] * 4)
        frozen = load_classifier(net, labels=classifier.labels, size=12, mean=0.5, std=0.5, layer="branch")
        found = run(frozen, crops, "grad_cam", [0] * 4, progress=False)["grad_cam"].values
        assert np.allclose(found, pgc(grad_cam.GradCAM, classifier, crops, [0] * 4), atol=1e-6)

    def test_scale_and_sign_survive(self, networks, crops):
        """Scores a million times smaller give maps a million times smaller; the peer stretches both to [0, 1]."""
        classifier = networks["branched"]
        found = run(classifier, crops, "hires_cam", [0] * 4, progress=False)["hires_cam"].values
        net = own(classifier)
        with torch.no_grad():
            for parameter in net.head[-1].parameters():
                parameter *= 1e-6
        small = Classifier("small", net, classifier.heads, classifier.preprocessing, classifier.cam_layer)
        faint = run(small, crops, "hires_cam", [0] * 4, progress=False)["hires_cam"].values
        assert np.allclose(faint, found * 1e-6, atol=1e-11 * np.abs(found).max())
        assert (found < 0).any()
