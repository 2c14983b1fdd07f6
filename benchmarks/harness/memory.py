"""Peak memory of one job above the loaded network, each in a process of its own.

    python benchmarks/harness/memory.py resnet18 ours cpu

Prints MiB. On a CPU it is the peak of the resident set (reset after loading; Linux), on a GPU the peak of torch's
allocator.
"""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

BATCH = 16
JOBS = ("bare", "ours", "pgc", "torchcam", "rise-1024", "rise-2048")


def measured(network: str, job: str, device: str) -> float:
    """MiB of a job on a network, from a child process."""
    script = [sys.executable, str(Path(__file__).resolve()), network, job, device]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1", "TQDM_DISABLE": "1"}
    done = subprocess.run(script, capture_output=True, text=True, env=environment, check=True)
    return float(done.stdout.split()[-1])


def _status(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise OSError(f"/proc/self/status has no {field}")


def _peak(work: Callable[[], object], device: str) -> float:
    gc.collect()
    if device != "cpu":
        import torch

        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    try:
        Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
    except OSError:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        work()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before
    before = _status("VmRSS")
    work()
    return _status("VmHWM") - before


def child(network: str, job: str, device: str) -> float:
    """Load, warm up with one bare forward of one picture, then run the job once."""
    import torch

    from harness import networks, ours, peers

    torch.set_num_threads(1)
    net = networks.module(network, device)
    images = networks.pictures(1 if job.startswith("rise") else BATCH)
    classes = [index % len(networks.LABELS) for index in range(len(images))]
    inputs = networks.tensor(images, device)
    with torch.inference_mode():
        net(inputs[:1])
    if job in ("ours", "pgc", "torchcam") or job.startswith("rise"):
        classifier = networks.classifier(network, net, device)
        layer, change = classifier.cam_layer, peers.reshape(network)
        if job == "ours" or job.startswith("rise"):
            del net  # the classifier has its own copy
    work: dict[str, Callable[[], object]] = {
        "bare": lambda: _bare(net, inputs),
        "ours": lambda: ours.cams(classifier, images, classes),
        "pgc": lambda: peers.grad_cam_maps(net, layer, inputs, classes, change),
        "torchcam": lambda: peers.torchcam_maps(net, layer, inputs, classes, change),
        "rise-1024": lambda: ours.perturbation(classifier, images, "rise", 1024),
        "rise-2048": lambda: ours.perturbation(classifier, images, "rise", 2048),
    }
    return _peak(work[job], device)


def _bare(net: object, inputs: object) -> None:
    import torch

    with torch.inference_mode():
        net(inputs)  # type: ignore[operator]


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    print(child(*sys.argv[1:4]))
