"""The sessions: contestants of several rows that are timed together, in turn, on one network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from harness import floor, networks, ours, peers
from harness.clock import Clock
from harness.memory import measured
from harness.table import Row
from workbench.classifiers import Classifier

CHANNELS = 32  # of AblationCAM's peer, at most; its time is scaled to all channels
WORK = 2500.0  # milliseconds that a streamed job should take on the floor; decides the number of samples
K = 3


@dataclass(frozen=True)
class Bench:
    """One network on one device: the peers' module, our classifier, pictures, clock, repetitions."""

    network: str
    net: torch.nn.Module
    classifier: Classifier
    clock: Clock
    repetitions: int

    @classmethod
    def of(cls, network: str, clock: Clock, repetitions: int) -> Bench:
        """Load a network for both sides."""
        net = networks.module(network, clock.device)
        return cls(network, net, networks.classifier(network, net, clock.device), clock, repetitions)

    def inputs(self, count: int = 1) -> torch.Tensor:
        """The peers' input."""
        return networks.tensor(networks.pictures(count), self.clock.device)

    def bare(self, inputs: torch.Tensor) -> Callable[[], None]:
        """A forward of the network as its user has it: inference mode, channels-first."""

        def call() -> None:
            with torch.inference_mode():
                self.net(inputs)

        return call

    def quiet(self, work: Callable[[], Any]) -> Callable[[], Any]:
        """A peer's call, its gradients thrown away."""
        return peers.quiet(work, self.net)

    @property
    def layer(self) -> str:
        """The layer that both sides look at: the one that the workbench chose."""
        return self.classifier.cam_layer


def cams(bench: Bench) -> Iterator[Row]:
    """Ten CAMs of one picture and of sixteen; seven classes; the peers in turn."""
    one, many, change = bench.inputs(), bench.inputs(16), peers.reshape(bench.network)
    image, images = networks.pictures(1), networks.pictures(16)
    classes = [index % 7 for index in range(16)]
    times = bench.clock.interleaved(
        {
            "bare": bench.bare(one),
            "ten": lambda: ours.cams(bench.classifier, image, [K]),
            "seven": lambda: ours.cams_of_all_classes(bench.classifier, image),
            "torchcam": bench.quiet(lambda: peers.torchcam_maps(bench.net, bench.layer, one, [K], change)),
            "pgc": bench.quiet(lambda: peers.grad_cam_maps(bench.net, bench.layer, one, [K], change)),
            "bare-16": bench.bare(many),
            "ten-16": lambda: ours.cams(bench.classifier, images, classes),
        },
        bench.repetitions,
    )
    name, kind = bench.network, "vit" if bench.network in networks.TOKENS else "cnn"
    yield Row.timed("pgc", name, times["ten"], times["pgc"])
    yield Row.timed("cams", name, times["ten"], times["bare"])
    yield Row.timed("cams-16", name, times["ten-16"], times["bare-16"])
    yield Row.timed(f"seven-{kind}", name, times["seven"], times["bare"])
    yield Row.timed("torchcam", name, times["ten"], times["torchcam"])


def ablation(bench: Bench) -> Iterator[Row]:
    """AblationCAM: ours over all channels, the peer over some of them and scaled."""
    one, image, change = bench.inputs(), networks.pictures(1), peers.reshape(bench.network)
    total = bench.classifier.spatial_layers()[bench.layer][0]
    some, inner = min(CHANNELS, total), peers.innermost(bench.net, bench.layer)
    times = bench.clock.interleaved(
        {
            "bare": bench.bare(one),
            "ours": lambda: ours.one(bench.classifier, image, "ablation_cam", [K]),
            "pgc": bench.quiet(lambda: peers.ablation(bench.net, inner, one, K, change, some)),
        },
        bench.repetitions,
    )
    fixed = 2 * times["bare"]  # the peer passes the whole picture twice before it ablates
    scaled = fixed + (times["pgc"] - fixed) * total / some
    yield Row.timed("ablation", bench.network, times["ours"], scaled, f"peer: {some} of {total} channels, scaled")


def perturbation(bench: Bench) -> Iterator[Row]:
    """LIME, KernelSHAP, RISE and ScoreCAM against the bare network's best; captum and the lime package beside them."""
    one, image = bench.inputs(), networks.pictures(1)
    bare = floor.best(bench.net, one, bench.clock)
    each = min(bench.clock(bare.stream(bare.length)) for _ in range(2)) / bare.length
    samples = int(np.clip(2 ** np.round(np.log2(WORK / each)), 64, 1024))
    layer = narrow(bench.classifier)
    channels = bench.classifier.spatial_layers()[layer][0]
    regions = superpixels(image[0])
    mask = torch.from_numpy(regions)[None, None].to(bench.clock.device)
    few = max(32, samples // 8)

    def masked(name: str, precision: str) -> Callable[[], Any]:
        return lambda: ours.perturbation(bench.classifier, image, name, samples, precision)

    def score(precision: str) -> Callable[[], Any]:
        return lambda: ours.one(bench.classifier, image, "score_cam", [K], precision, layer=layer)

    work: dict[str, Callable[[], Any]] = {"floor": bare.stream(samples), "score": score("float32")}
    names = {"lime": "lime", "kernel_shap": "shap", "rise": "rise"}
    for name, key in names.items():
        work[key] = masked(name, "float32")
        work[f"{key}-bf16"] = masked(name, "bfloat16")
    work["score-bf16"] = score("bfloat16")
    work["both"] = lambda: ours.lime_and_shap(bench.classifier, image, few, "kernel")
    work["bank"] = lambda: ours.lime_and_shap(bench.classifier, image, few, "uniform")
    work["captum"] = bench.quiet(lambda: peers.captum_lime_and_shap(bench.net, one, mask, [K], few))
    work["lime-package"] = lambda: peers.lime_package(bench.net, image[0], regions, few)
    work["lime-few"] = lambda: ours.perturbation(bench.classifier, image, "lime", few)
    times = bench.clock.interleaved(work, bench.repetitions)
    per = times["floor"] / bare.passed(samples)
    told = f"P = {samples}; floor {bare.text}"
    for key in names.values():
        for suffix in ("", "-bf16"):
            yield Row.timed(f"{key}{suffix}", bench.network, times[f"{key}{suffix}"], per * samples, told)
    for suffix in ("", "-bf16"):
        note = f"N = {channels} channels of {layer}"
        yield Row.timed(f"score{suffix}", bench.network, times[f"score{suffix}"], per * channels, note)
    told = f"P = {few}; peer: one class timed, × 7"
    yield Row.timed("captum", bench.network, times["bank"], 7 * times["captum"], f"one bank of samples; {told}")
    yield Row.timed("captum-own", bench.network, times["both"], 7 * times["captum"], f"two banks; {told}")
    yield Row.timed("lime-package", bench.network, times["lime-few"], times["lime-package"], f"P = {few}")


def gradients(bench: Bench) -> Iterator[Row]:
    """Integrated gradients of fifty steps, captum with its default settings."""
    one, image = bench.inputs(), networks.pictures(1)
    times = bench.clock.interleaved(
        {
            "ours": lambda: ours.one(bench.classifier, image, "integrated_gradients", [K], steps=50),
            "captum": bench.quiet(lambda: peers.captum_ig(bench.net, one, K, 50)),
        },
        bench.repetitions,
        warm=False,
    )
    yield Row.timed("ig", bench.network, times["ours"], times["captum"])


def memory(bench: Bench) -> Iterator[Row]:
    """Peak memory, one process a job, twice."""
    name, device = bench.network, bench.clock.device

    def row(key: str, upper: str, lower: str, mine: str) -> Row:
        value, middle = found[upper].min() / found[lower].min(), float(np.median(found[upper] / found[lower]))
        other = lower if mine == upper else upper
        return Row(key, name, float(found[mine].min()), float(found[other].min()), float(value), middle, "MiB")

    jobs = ["ours", "pgc", "torchcam", "bare"]
    streamed = ["rise-1024", "rise-2048"] if name in ("mobilenetv3",) else []
    found = {job: np.array([max(measured(name, job, device), 0.1) for _ in range(2)]) for job in [*jobs, *streamed]}
    yield row("memory-pgc", "pgc", "ours", "ours")
    yield row("memory-torchcam", "torchcam", "ours", "ours")
    yield row("memory-bare", "ours", "bare", "ours")
    if streamed:
        yield row("memory-samples", "rise-2048", "rise-1024", "rise-2048")


def accuracy(bench: Bench) -> Iterator[Row]:
    """Our raw maps against pytorch-grad-cam's, before its ReLU and min–max."""
    net = networks.loud(bench.net)
    classifier = networks.classifier(bench.network, net, bench.clock.device)
    images, inputs, classes = networks.pictures(4), bench.inputs(4), [0, 2, 4, 6]
    theirs, lowest = peers.raw_maps(net, bench.layer, inputs, classes, peers.reshape(bench.network))
    left_out = {"fem": "another formula"}
    if lowest < 0:
        left_out |= dict.fromkeys(("grad_cam_pp", "x_grad_cam"), "its denominators cancel in a signed layer")
    worst = {}
    for name in (name for name in ours.TEN if name not in left_out):
        options = {"centred": True} if name == "eigen_cam" else {}
        values = ours.one(classifier, images, name, classes, **options).values
        if name in UNSIGNED:
            values = values * np.sign((values * theirs[name]).sum((1, 2)))[:, None, None]
        scale = np.abs(theirs[name]).max((1, 2))
        worst[name] = float((np.abs(values - theirs[name]).max((1, 2)) / scale).max())
    name = max(worst, key=lambda name: worst[name])
    note = f"worst: {name}; left out: {', '.join(f'{other} ({why})' for other, why in left_out.items())}"
    yield Row("accuracy", bench.network, np.nan, np.nan, worst[name], np.nan, "", note)


def precision(bench: Bench) -> Iterator[Row]:
    """bf16 against fp32, the ranking of pixels."""
    from scipy.stats import spearmanr

    samples = 256
    for name in ("rise", "lime", "kernel_shap"):
        full, half = (
            ours.one(bench.classifier, networks.pictures(1), name, [K], kind, samples=samples).values.ravel()
            for kind in ("float32", "bfloat16")
        )
        value = float(spearmanr(full, half).statistic)
        yield Row("spearman", bench.network, np.nan, np.nan, value, np.nan, "", f"{name}, P = {samples}")


UNSIGNED = ("eigen_cam", "eigen_grad_cam", "kpca_cam")  # components have whatever sign the decomposition gives


def narrow(classifier: Classifier) -> str:
    """A layer with few channels for ScoreCAM, whose time per channel does not depend on the layer."""
    layers = classifier.spatial_layers()
    fitting = [name for name, (channels, height, _) in layers.items() if 16 <= channels <= 128 and height <= 56]
    return fitting[-1] if fitting else classifier.cam_layer


def superpixels(image: np.ndarray) -> np.ndarray:
    """SLIC as the workbench's LIME takes it, for the peers; its time is not counted for them."""
    from skimage.segmentation import slic

    found = slic(image, n_segments=30, compactness=20.0, start_label=0, channel_axis=-1)
    return np.unique(found, return_inverse=True)[1].reshape(found.shape)


SESSIONS: dict[str, tuple[Callable[[Bench], Iterator[Row]], tuple[str, ...]]] = {
    "cams": (cams, tuple(networks.NETWORKS)),
    "ablation": (ablation, tuple(networks.NETWORKS)),
    "perturbation": (perturbation, ("resnet18", "mobilenetv3", "vit_small")),
    "gradients": (gradients, ("resnet18", "mobilenetv3", "efficientnet_b0")),
    "memory": (memory, ("resnet18", "mobilenetv3", "vit_small")),
    "accuracy": (accuracy, tuple(networks.NETWORKS)),
    "precision": (precision, ("resnet18", "mobilenetv3", "vit_small")),
}
