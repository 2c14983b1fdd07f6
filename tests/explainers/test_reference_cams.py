"""CAMs against pytorch-grad-cam and torch-cam: raw maps, before either's ReLU, min–max and resize."""

import numpy as np
import pytest
import torch
from families import FAMILIES, SIZE, load_family
from torch import nn

from tests.explainers.peers import ClassifierOutputTarget, close, grad_cam, own, pgc, raw, signed_alike, tc, torchcam
from workbench.classifiers import load_classifier
from workbench.classifiers.classifier import Classifier, Head, Preprocessing
from workbench.errors import UnsuitedError
from workbench.explainers import EXPLAINERS, run
from workbench.explainers.explainer import Job

TARGETS = [0, 3, 1, 2]
SCALE = 1000.0  # of the scores: gradients far above the 1e-6 that pytorch-grad-cam adds to squares of them


class Trunk(nn.Module):
    """64 × 64 colour pixels → 12 channels on 16 × 16, after a ReLU or, signed, after tanh."""

    def __init__(self, signed=False):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 5, stride=2, padding=2)
        self.second = nn.Conv2d(8, 12, 5, stride=2, padding=2)
        self.last = nn.Tanh() if signed else nn.ReLU()

    def forward(self, x):
        return self.last(3 * self.second(torch.relu(self.first(x))))


class Curved(nn.Module):
    """The gradient differs from place to place, and the second derivative is not zero."""

    def __init__(self, signed=False):
        super().__init__()
        self.trunk = Trunk(signed)
        self.head = nn.Sequential(
            nn.AvgPool2d(4), nn.Flatten(), nn.Linear(12 * 16, 16), nn.Tanh(), nn.Linear(16, 4, bias=False)
        )

    def forward(self, x):
        return SCALE * self.head(self.trunk(x))


class Pooled(nn.Module):
    """Average pooling and a linear read-out, or, curved, two layers with a tanh between them."""

    def __init__(self, curved=False):
        super().__init__()
        self.trunk = Trunk()
        self.fc = nn.Sequential(nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 4)) if curved else nn.Linear(12, 4)

    def forward(self, x):
        return SCALE * self.fc(self.trunk(x).mean((2, 3)))


class Fine(nn.Module):
    """A layer at the input's own resolution, or at a third of it."""

    def __init__(self, stride=1):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 10, 5, stride, padding=2), nn.ReLU())
        self.head = nn.Sequential(nn.Conv2d(10, 6, 3, 3 // stride), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten())
        self.read = nn.LazyLinear(4)

    def forward(self, x):
        return 20 * self.read(self.head(self.trunk(x)))


@pytest.fixture(scope="module")
def nets():
    made = {
        "curved": lambda: Curved(),
        "signed": lambda: Curved(signed=True),
        "pooled": lambda: Pooled(),
        "pooled-curved": lambda: Pooled(curved=True),
        "full": lambda: Fine(),
        "third": lambda: Fine(stride=3),
    }
    found = {}
    with torch.random.fork_rng():
        for name, make in made.items():
            torch.manual_seed(11)
            module = make()
            side = (30, 30) if name in ("full", "third") else (64, 64)
            module(torch.zeros(1, 3, *side))
            head, prepared = Head(("anger", "happiness", "fear", "sadness")), Preprocessing(side, 3)  # black is 0
            found[name] = Classifier(name, module.eval(), {"expression": head}, prepared, "trunk")
    return found


def ours(classifier, crops, name, targets=TARGETS, **options):
    found = run(classifier, crops, name, targets, options={name: options}, progress=False)[name]
    assert found.status == ["ok"] * len(crops)
    return found.values


GRADIENT = {
    "grad_cam": (grad_cam.GradCAM, torchcam.GradCAM),
    "hires_cam": (grad_cam.HiResCAM, None),
    "grad_cam_elementwise": (grad_cam.GradCAMElementWise, None),
    "layer_cam": (grad_cam.LayerCAM, torchcam.LayerCAM),
    "x_grad_cam": (grad_cam.XGradCAM, torchcam.XGradCAM),
}


@pytest.mark.parametrize(
    ("name", "net"),
    [
        (name, net)
        for name in GRADIENT
        for net in ("curved", "signed", "pooled", "pooled-curved", "full")
        if (name, net) != ("x_grad_cam", "signed")  # there the peers give rounding errors: see the next test
    ],
)
def test_gradient_weighted(nets, crops, name, net):
    """Within 1e-5 of the largest value; x_grad_cam within 1e-4, for both peers add an epsilon to its denominator."""
    found = ours(nets[net], crops, name)
    for peer, call in zip(GRADIENT[name], (pgc, tc), strict=True):
        if peer is not None:
            close(found, call(peer, nets[net], crops, TARGETS), 1e-4 if name == "x_grad_cam" else 1e-5)


def test_x_grad_cam_of_the_peers_is_rounding_error_where_a_channel_cancels():
    """A change of the layer by one millionth turns their maps over, and ours by no more than that."""
    stream = torch.Generator().manual_seed(4)
    activation = torch.randn(1, 5, 8, 8, generator=stream)
    activation[0, 2] -= activation[0, 2].mean()  # a channel that sums to nothing but rounding
    gradient = torch.randn(1, 5, 8, 8, generator=stream)
    nearby = activation * (1 + 1e-6 * torch.randn(activation.shape, generator=stream))

    def peer(values):
        weights = grad_cam.XGradCAM.get_cam_weights(None, None, None, None, values.numpy(), gradient.numpy())
        return (weights[:, :, None, None] * values.numpy()).sum(1)

    def mine(values):
        return EXPLAINERS["x_grad_cam"].value.method(values, gradient, None)

    close(mine(nearby), mine(activation), 1e-4)
    with pytest.raises(AssertionError, match="differs by"):
        close(peer(nearby), peer(activation), 0.5)


@pytest.mark.parametrize("net", ["curved", "pooled", "pooled-curved"])
def test_grad_cam_pp_is_pytorch_grad_cams(nets, crops, net):
    """Within 1e-3: the peer adds 1e-6 to squares of gradients, ours adds nothing."""
    close(ours(nets[net], crops, "grad_cam_pp"), pgc(grad_cam.GradCAMPlusPlus, nets[net], crops, TARGETS), 1e-3)


def test_layer_cam_fused_over_layers_is_torch_cams(nets, crops):
    """Within 1e-4, each map divided by its maximum; the peer's own min–max would lift those that never reach zero."""
    classifier, layers = nets["curved"], ["trunk.first", "trunk.second"]
    found = ours(classifier, crops, "layer_cam", layer=layers[0], fuse=layers[1])
    net = own(classifier)
    with torchcam.LayerCAM(net, layers) as extractor:
        maps = extractor(class_idx=TARGETS, scores=net(classifier.inputs(crops)), normalized=False)
        theirs = extractor.fuse_cams([one / one.amax((1, 2), keepdim=True) for one in maps])
    assert found.shape == (4, 32, 32)
    close(found, theirs.detach().numpy(), 1e-4)


def _view(classifier, crops, targets):
    net = own(classifier)
    kept = []
    handle = net.get_submodule(classifier.cam_layer).register_forward_hook(lambda *args: kept.append(args[2]))
    scores = net(classifier.inputs(crops)).gather(1, torch.tensor(targets)[:, None]).sum()
    handle.remove()
    (gradient,) = torch.autograd.grad(scores, kept[0])
    return kept[0].detach().double(), gradient.double()


def test_grad_cam_pp_of_torch_cam_leaves_its_division_out(nets, crops):
    """torch-cam 0.5.0 divides a copy that boolean indexing made, so that its α is G² and not G² / (2 G² + …)."""
    classifier = nets["pooled"]
    activation, gradient = _view(classifier, crops, TARGETS)
    undivided = ((gradient**2 * gradient.relu()).sum((2, 3), keepdim=True) * activation).sum(1)
    total = activation.sum((2, 3), keepdim=True)
    alpha = gradient**2 / (2 * gradient**2 + total * gradient**3)
    paper = ((alpha * gradient.relu()).sum((2, 3), keepdim=True) * activation).sum(1)
    theirs = tc(torchcam.GradCAMpp, classifier, crops, TARGETS)
    close(theirs, undivided, 1e-4)
    close(ours(classifier, crops, "grad_cam_pp"), paper, 1e-4)
    with pytest.raises(AssertionError, match="differs by"):
        close(theirs, paper, 0.1)


def test_cam_is_torch_cams(nets, crops):
    """Within 1e-5; their weights are those of the linear layer, without the scale behind it."""
    classifier = nets["pooled"]
    theirs = tc(torchcam.CAM, classifier, crops, TARGETS, fc_layer="fc")
    close(ours(classifier, crops, "cam") / SCALE, theirs)


@pytest.mark.parametrize("net", ["curved", "signed", "pooled"])
class TestComponents:
    """The peer centres before it decomposes, and leaves the sign open."""

    def test_eigen_cam(self, nets, crops, net):
        found = ours(nets[net], crops, "eigen_cam", centred=True)
        theirs = pgc(grad_cam.EigenCAM, nets[net], crops, TARGETS)
        close(found, signed_alike(found, theirs), 1e-4)

    def test_eigen_cam_of_the_paper_is_not_centred(self, nets, crops, net):
        found = ours(nets[net], crops, "eigen_cam")
        activation, _ = _view(nets[net], crops, TARGETS)
        left, values, _ = np.linalg.svd(activation.flatten(2).movedim(1, 2).numpy(), full_matrices=False)
        close(found, signed_alike(found, (left[:, :, 0] * values[:, :1]).reshape(found.shape)), 1e-4)

    def test_eigen_grad_cam(self, nets, crops, net):
        found = ours(nets[net], crops, "eigen_grad_cam")
        theirs = pgc(grad_cam.EigenGradCAM, nets[net], crops, TARGETS)
        close(found, signed_alike(found, theirs), 1e-4)

    @pytest.mark.parametrize("kernel", ["sigmoid", "rbf"])
    def test_kpca_cam(self, nets, crops, net, kernel):
        """The peer's decomposition is scikit-learn's, in the activations' float32."""
        found = ours(nets[net], crops, "kpca_cam", kernel=kernel)
        theirs = pgc(grad_cam.KPCA_CAM, nets[net], crops, TARGETS, kernel=kernel)
        close(found, signed_alike(found, theirs), 1e-3)


def test_fem_weighs_by_the_channels_mean_as_the_paper_does(nets, crops):
    """Fuad et al. 2020: the binary map of a channel times the channel's mean. The peer has the two exchanged: the
    activation times the share of its strong places."""
    classifier = nets["curved"]
    activation = _view(classifier, crops, TARGETS)[0].numpy()
    bound = activation.mean((2, 3), keepdims=True) + 2 * activation.std((2, 3), keepdims=True)
    strong = activation > bound
    close(pgc(grad_cam.FEM, classifier, crops, TARGETS), (strong.mean((2, 3), keepdims=True) * activation).sum(1))
    close(ours(classifier, crops, "fem"), (strong * activation.mean((2, 3), keepdims=True)).sum(1))


class TestAblation:
    def test_after_a_relu_it_is_pytorch_grad_cams(self, nets, crops):
        """Within 1e-4; the peer divides by the score."""
        classifier = nets["curved"]
        scores = classifier.logits(classifier.inputs(crops))[range(4), TARGETS].numpy()
        theirs = pgc(grad_cam.AblationCAM, classifier, crops, TARGETS)
        close(ours(classifier, crops, "ablation_cam"), theirs * scores[:, None, None], 1e-4)

    def test_in_a_signed_layer_the_peer_does_not_take_a_channel_away(self, nets, crops):
        """It sets the channel ten million below the layer's minimum; ours sets it to zero, as the paper does."""
        classifier, k = nets["signed"], 2
        net = own(classifier)
        with torch.no_grad():
            activation = net.trunk(classifier.inputs(crops))
            score = SCALE * net.head(activation)[:, k]
            expected = torch.zeros(4, 16, 16)
            for channel in range(12):
                without = activation.clone()
                without[:, channel] = 0
                weight = score - SCALE * net.head(without)[:, k]
                expected += weight[:, None, None] * activation[:, channel]
        close(ours(classifier, crops, "ablation_cam", [k] * 4), expected, 1e-4)
        theirs = pgc(grad_cam.AblationCAM, classifier, crops, [k] * 4) * score[:, None, None].numpy()
        with pytest.raises(AssertionError, match="differs by"):
            close(theirs, expected, 0.1)


class TestMaskedByChannels:
    def test_score_cam_without_enlarging_is_both_peers(self, nets, crops):
        """Within 1e-4, where the layer has the input's resolution."""
        classifier = nets["full"]
        found = ours(classifier, crops, "score_cam", fill="black")
        close(found, tc(torchcam.ScoreCAM, classifier, crops, TARGETS), 1e-4)
        close(found, pgc(grad_cam.ScoreCAM, classifier, crops, TARGETS), 1e-4)

    def test_score_cam_enlarged_threefold_is_torch_cams(self, nets, crops):
        """Within 1e-4. An odd factor keeps every cell's own value in the enlarged mask; ours scales to [0, 1] after
        the enlarging, as the paper does, torch-cam before."""
        found = ours(nets["third"], crops, "score_cam", fill="black")
        close(found, tc(torchcam.ScoreCAM, nets["third"], crops, TARGETS), 1e-4)

    def test_ss_cam_with_our_noise_is_torch_cams(self, nets, crops):
        """Within 1e-4, each picture by itself, for torch-cam draws its noise for a batch at a time."""
        classifier, n = nets["third"], 5
        channels = classifier.layout("trunk").channels
        found = ours(classifier, crops, "ss_cam", fill="black", n=n, sigma=0.5)
        for row in range(len(crops)):
            crop, target = crops[row : row + 1], TARGETS[row : row + 1]
            stream = Job(classifier, crop, np.eye(4, dtype=np.float32)[None, target]).stream(0, "noisy_channels")
            drawn = [
                np.random.default_rng(seed).standard_normal((30, 30), np.float32)
                for seed in stream.integers(0, 2**63, channels * n)
            ]
            noise = iter(torch.tensor(np.array(drawn)).reshape(channels, n, 30, 30).movedim(1, 0) * 0.5)

            class Drawn:
                def sample(self, size, noise=noise):
                    return next(noise).reshape(size)

            def change(extractor, drawn=Drawn):
                extractor._distrib = drawn()

            theirs = tc(torchcam.SSCAM, classifier, crop, target, change=change, num_samples=n, std=0.5)
            close(found[row : row + 1], theirs, 1e-4)

    def test_is_cam_of_one_step_is_torch_cams(self, nets, crops):
        found = ours(nets["third"], crops, "is_cam", fill="black", n=1)
        close(found, tc(torchcam.ISCAM, nets["third"], crops, TARGETS, num_samples=1), 1e-4)

    def test_is_cam_shows_at_most_the_picture_where_torch_cam_shows_five_of_it(self, nets, crops):
        """Naidu et al. 2020 integrate from nothing to the mask; torch-cam 0.5.0 adds the steps up, to 5.5 masks."""
        classifier, n = nets["third"], 10
        net = own(classifier)
        inputs = classifier.inputs(crops)
        with torch.no_grad():
            activation = net.trunk(inputs)
            large = nn.functional.interpolate(activation, (30, 30), mode="bilinear", align_corners=False)
            low, high = large.amin((2, 3), keepdim=True), large.amax((2, 3), keepdim=True)
            masks = (large - low) / torch.where(high > low, high - low, 1)  # a channel without structure shows nothing

            def weighted(steps):
                score = torch.zeros(4, masks.shape[1])
                for channel in range(masks.shape[1]):
                    for step in steps:
                        answer = net(inputs * masks[:, channel : channel + 1] * step)
                        score[:, channel] += answer[range(4), TARGETS] / len(steps)
                return (score.softmax(1)[:, :, None, None] * activation).sum(1)

            path = torch.arange(1, n + 1) / n
            close(ours(classifier, crops, "is_cam", fill="black", n=n), weighted(path), 1e-4)
            close(tc(torchcam.ISCAM, classifier, crops, TARGETS, num_samples=n), weighted(path.cumsum(0)), 1e-4)
            assert path.cumsum(0)[-1] == pytest.approx(5.5)


def test_smooth_grad_cam_pp_has_torch_cams_weights(nets, crops):
    """Within 1e-4, for one noisy copy with our noise, on a head whose gradient is the same at all places.

    Elsewhere torch-cam 0.5.0 is wrong: it sums A G³ where the paper has G³ ΣA, takes the last copy's gradient for the
    mean one, and lays the weights on the last noisy copy's activation, which its own hook has put in place of the
    picture's.
    """
    classifier, sigma = nets["pooled-curved"], 0.1
    found = ours(classifier, crops, "smooth_grad_cam_pp", n=1, sigma=sigma)
    inputs = classifier.inputs(crops)
    job = Job(classifier, crops, np.eye(4, dtype=np.float32)[TARGETS][:, None])
    noise = np.stack([job.stream(i, "smooth_grad_cam_pp").standard_normal((3, 64, 64), "float32") for i in range(4)])
    spread = sigma * (inputs.amax((1, 2, 3)) - inputs.amin((1, 2, 3)))

    class Drawn:
        def sample(self, size):
            return torch.from_numpy(noise).reshape(size) * spread[:, None, None, None]

    net = own(classifier)
    with torchcam.SmoothGradCAMpp(net, "trunk", num_samples=1) as extractor:
        extractor._distrib = Drawn()
        net(inputs)
        clean = extractor.hook_a[0].clone()
        (weights,) = extractor._get_weights(TARGETS)
        assert not torch.allclose(clean, extractor.hook_a[0], rtol=0.01)
    close(found, (weights[:, :, None, None] * clean).sum(1), 1e-4)


@pytest.mark.parametrize("net", ["curved", "signed", "pooled-curved"])
def test_shapley_cam_is_pytorch_grad_cams(nets, crops, net):
    """Within 1e-4; the second derivative behind these heads is not zero."""
    found = ours(nets[net], crops, "shapley_cam")
    close(found, pgc(grad_cam.ShapleyCAM, nets[net], crops, TARGETS), 1e-4)
    with pytest.raises(AssertionError, match="differs by"):
        close(found, ours(nets[net], crops, "grad_cam"), 1e-3)


class TestFiner:
    @pytest.mark.parametrize("similar", [1, 2, 3])
    def test_is_torch_cams(self, nets, crops, similar):
        found = ours(nets["curved"], crops, "finer_cam", gamma=0.6, similar=similar)
        theirs = tc(torchcam.FinerCAM, nets["curved"], crops, TARGETS, gamma=0.6, num_references=similar)
        close(found, theirs, 1e-4)

    def test_against_one_class_is_pytorch_grad_cams(self, nets, crops):
        """Within 1e-4: with one class to compare, the peer's weight by its probability cancels."""
        classifier = nets["third"]
        scores = classifier.logits(classifier.inputs(crops))
        best = scores.argmax(1).tolist()
        found = ours(classifier, crops, "finer_cam", best, gamma=1.0, similar=1)
        net = own(classifier)
        finer = grad_cam.FinerCAM(net, [net.trunk], base_method=raw(grad_cam.GradCAM))
        theirs = finer(input_tensor=classifier.inputs(crops), targets=None, alpha=1.0, comparison_categories=[1])
        close(found, theirs, 1e-4)


def test_full_grad_is_what_pytorch_grad_cam_adds_up_before_it_normalises(crops):
    """All layers at the input's resolution: input × gradient and bias × gradient of every layer, signed, within 1e-5.
    The peer takes absolute values and stretches every channel to [0, 1], so that its sum says nothing of the score."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        module = nn.Sequential(
            nn.Conv2d(3, 6, 5, padding=2),
            nn.ReLU(),
            nn.Conv2d(6, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 4, bias=False),
        )
        nn.init.normal_(module[3].bias)
        nn.init.normal_(module[3].running_mean)
    head, prepared = Head(("anger", "happiness", "fear", "sadness")), Preprocessing((32, 32), 3)
    classifier = Classifier("level", module.eval(), {"expression": head}, prepared, "4")

    class Plain(grad_cam.FullGrad):
        def compute_cam_per_layer(self, inputs, targets, eigen_smooth):
            found = (inputs.grad * inputs.detach()).sum(1)
            for bias, gradient in zip(self.bias_data, self.activations_and_grads.gradients, strict=True):
                found = found + (torch.from_numpy(bias)[None, :, None, None] * gradient).sum(1)
            return found.numpy()

        def aggregate_multi_layers(self, found):
            return found

    theirs = Plain(own(classifier), [])(classifier.inputs(crops), [ClassifierOutputTarget(k) for k in TARGETS])
    found = ours(classifier, crops, "full_grad")
    close(found, theirs)
    scores = classifier.logits(classifier.inputs(crops))[range(4), TARGETS].numpy()
    assert found.sum((1, 2)) == pytest.approx(scores, rel=1e-4, abs=1e-5)


def test_le_grad_is_torch_cams(crops):
    """Within 1e-4 on torchvision's own vision transformer: with the class token read out behind every block, and with
    the mean of all tokens, which torch-cam reads there by default."""
    from torchvision.models import VisionTransformer

    with torch.random.fork_rng():
        torch.manual_seed(2)
        module = VisionTransformer(32, 8, num_layers=3, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=4)
        nn.init.normal_(module.heads.head.weight)
    classifier = load_classifier(module, labels=("anger", "happiness", "fear", "sadness"), size=32, name="vit")
    found = ours(classifier, crops, "le_grad")
    net = own(classifier)
    with torchcam.LeGrad(
        net, list(net.encoder.layers), score_projection=lambda tokens: net.heads(net.encoder.ln(tokens)[:, 0])
    ) as extractor:
        net(classifier.inputs(crops))
        theirs = extractor(TARGETS, normalized=False)[0].detach().numpy()
    close(found, theirs, 1e-4)
    with torchcam.LeGrad(net, list(net.encoder.layers)) as extractor:
        net(classifier.inputs(crops))
        theirs = extractor(TARGETS, normalized=False)[0].detach().numpy()
    close(ours(classifier, crops, "le_grad", pooled="mean"), theirs, 1e-4)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "two_heads"])  # the peers want one tensor
@pytest.mark.parametrize("name", ["grad_cam", "hires_cam", "layer_cam"])
def test_every_family_told_its_fold_by_our_layout(family, name):
    """Within 1e-4, at the layer that is chosen by itself; hires_cam of the sum of its absolute terms, which may
    cancel. A ReLU that works in place behind torchvision's DenseNet overwrites what the peer has read, so that only its
    gradients are right."""
    classifier = load_family(family)
    crops = np.random.default_rng(1).integers(0, 255, (2, SIZE, SIZE, 3)).astype(np.uint8)
    found = ours(classifier, crops, name, [5, 2])
    layout = classifier.layout(classifier.cam_layer)
    theirs = pgc(GRADIENT[name][0], classifier, crops, [5, 2], reshape=layout.to_grid)
    if family == "torchvision_densenet" and name == "grad_cam":
        with pytest.raises(AssertionError, match="differs by"):
            close(found, theirs, 1e-2)
    elif name == "hires_cam":
        terms = 2 * ours(classifier, crops, "grad_cam_elementwise", [5, 2]) - found
        assert np.abs(found - theirs).max() <= 1e-5 * terms.max()
    else:
        close(found, theirs, 1e-4)


@pytest.mark.parametrize("family", ["vit", "vit_registers", "deit", "deit_distilled"])
def test_hires_cam_of_the_peer_is_rounding_error_where_only_a_layer_norm_reads_the_layer(family):
    """At the last block but one a class token's network sees no place's scale: the map is nothing, and refused."""
    classifier = load_family(family)
    crops = np.random.default_rng(1).integers(0, 255, (2, SIZE, SIZE, 3)).astype(np.uint8)
    layer = "blocks.1"
    theirs = pgc(grad_cam.HiResCAM, classifier, crops, [5, 2], layer=layer, reshape=classifier.layout(layer).to_grid)
    terms = ours(classifier, crops, "grad_cam_elementwise", [5, 2], layer=layer)
    assert 0 < np.abs(theirs).max() < 1e-5 * terms.max()
    with pytest.raises(UnsuitedError, match="hires_cam is empty at this layer"):
        ours(classifier, crops, "hires_cam", [5, 2], layer=layer)
