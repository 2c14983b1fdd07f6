"""Explainers beside pytorch-grad-cam, torch-cam, captum and the lime package: one table of ratios.

    OMP_NUM_THREADS=1 python benchmarks/explainers.py [--quick] [--rows cams,memory] [--networks resnet18]
                                                      [--device cuda] [--out FILE.md|FILE.json]

Ours and theirs are called in turn in one process, 224 × 224 pixels, seven outputs, random weights. Processor time of
one thread on a CPU; wall time between synchronisations on a GPU. The ratio is that of the minima; the median is over
the repetitions.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TQDM_DISABLE", "1")  # pytorch-grad-cam and lime draw bars

import torch
from harness import networks, table
from harness.clock import Clock
from harness.sessions import SESSIONS, Bench

NOTES = [
    "Ours takes uint8 crops and includes their preprocessing; the peers are given tensors.",
    "Ours gives maps at the layer's own resolution, the peers' CAMs are min–max normalised (pytorch-grad-cam: and "
    "enlarged to 224 × 224).",
    "Bare forward: the network as its user has it (channels-first, inference mode). Floor: the same network in the "
    "fastest of two memory formats and several batch sizes, fp32.",
    "P and N are chosen so that a job takes some seconds: the ratio does not depend on them.",
]


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one CNN, one ViT, three repetitions")
    parser.add_argument("--rows", default=",".join(SESSIONS), help=f"some of {', '.join(SESSIONS)}")
    parser.add_argument("--networks", default="", help=f"some of {', '.join(networks.NETWORKS)}")
    parser.add_argument("--repetitions", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def main() -> int:
    """Run the sessions and print the table."""
    asked = arguments()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    repetitions = asked.repetitions or (3 if asked.quick else 5)
    wanted = [name for name in asked.networks.split(",") if name]
    wanted = wanted or (["resnet18", "vit_small"] if asked.quick else list(networks.NETWORKS))
    clock = Clock("cpu" if asked.device == "cpu" else "cuda")
    about = {**table.machine(clock.device), "repetitions": str(repetitions)}
    rows: list[table.Row] = []
    benches: dict[str, Bench] = {}
    for name in asked.rows.split(","):
        session, fitting = SESSIONS[name]
        for network in wanted if asked.networks else [one for one in wanted if one in fitting]:
            if network not in benches:
                benches[network] = Bench.of(network, clock, repetitions)
            bench = benches[network]
            start = time.perf_counter()
            rows += session(bench)
            print(f"{name}: {network} in {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
            if asked.out:
                table.save(asked.out, rows, about, NOTES)
    print(table.markdown(rows, about, NOTES))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
