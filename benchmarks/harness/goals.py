"""What is to be reached: one entry a row of the table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """`sense` is "≥" (so many times better than the peer), "≤" (so many times the floor) or "" (no goal)."""

    text: str
    sense: str = ""
    must: float | None = None
    stretch: float | None = None

    def reached(self, value: float) -> str:
        """ "stretch", "must", "no", or "" where there is no goal."""
        if not self.sense:
            return ""

        def good(bound: float | None) -> bool:
            return bound is not None and (value >= bound if self.sense == "≥" else value <= bound)

        return "stretch" if good(self.stretch) else "must" if good(self.must) else "no"


GOALS = {
    "pgc": Goal("ten CAMs: pytorch-grad-cam ÷ ours", "≥", 18, 30),
    "cams": Goal("ten CAMs ÷ bare forward", "≤", 1.35, 0.9),
    "cams-16": Goal("ten CAMs ÷ bare forward, both at batch 16", "≤", 1.35, 0.9),
    "seven-cnn": Goal("ten CAMs × seven classes ÷ bare forward", "≤", 1.6, 1.2),
    "seven-vit": Goal("ten CAMs × seven classes ÷ bare forward", "≤", 2.2, 1.5),
    "torchcam": Goal("torch-cam's four in turn ÷ our ten", "≥", 3.3, 5),
    "ablation": Goal("AblationCAM: pytorch-grad-cam ÷ ours", "≥", 50, 200),
    "score": Goal("ScoreCAM ÷ (N × floor), fp32", "≤", 1.2),
    "score-bf16": Goal("ScoreCAM ÷ (N × floor), bf16", "≤", None, 0.7),
    "lime": Goal("LIME, seven classes ÷ (P × floor), fp32", "≤", 1.2, 1.1),
    "shap": Goal("KernelSHAP, seven classes ÷ (P × floor), fp32", "≤", 1.2, 1.1),
    "rise": Goal("RISE, seven classes ÷ (P × floor), fp32", "≤", 1.2, 1.1),
    "lime-bf16": Goal("LIME, seven classes ÷ (P × floor), bf16", "≤", 0.7, 0.6),
    "shap-bf16": Goal("KernelSHAP, seven classes ÷ (P × floor), bf16", "≤", 0.7, 0.6),
    "rise-bf16": Goal("RISE, seven classes ÷ (P × floor), bf16", "≤", 0.7, 0.6),
    "captum": Goal("LIME + KernelSHAP × seven classes: captum ÷ ours", "≥", 14, 30),
    "captum-own": Goal("the same, KernelSHAP with its own samples (its default)"),
    "lime-package": Goal("LIME, seven classes: lime package ÷ ours"),
    "ig": Goal("integrated gradients, 50 steps: captum ÷ ours", "≥", 1.5, 2.5),
    "memory-pgc": Goal("memory above the model, batch 16: pytorch-grad-cam ÷ ours", "≥", 5),
    "memory-torchcam": Goal("memory above the model, batch 16: torch-cam ÷ ours", "≥", 2.5),
    "memory-bare": Goal("memory above the model, batch 16: ours ÷ bare forward", "≤", None, 1.2),
    "memory-samples": Goal("memory of RISE: 2,048 samples ÷ 1,024 samples", "≤", 1.1),
    "accuracy": Goal("ten CAMs: largest difference from pytorch-grad-cam, share of the largest value", "≤", 2e-3),
    "spearman": Goal("bf16 against fp32, Spearman of pixels", "≥", 0.995),
    "warp-68": Goal("warp, one 224 × 224 map a face, 68 points: scikit-image ÷ ours", "≥", 50),
    "warp-468": Goal("warp, one 224 × 224 map a face, 468 points: scikit-image ÷ ours", "≥", 300),
    "warp-68-many": Goal("warp, 70 maps share a face, 68 points: scikit-image ÷ ours", "≥", 150),
    "warp-468-many": Goal("warp, 70 maps share a face, 468 points: scikit-image ÷ ours", "≥", 900),
    "warp-estimated": Goal("warp, 70 maps share a face, transform given: scikit-image ÷ ours"),
    "warp-7-many": Goal("warp, 7 × 7 → 56 × 56, 70 maps share a face: ms a map", "≤", 0.01),
    "warp-7-one": Goal("warp, 7 × 7 → 56 × 56, one map a face: ms a map"),
    "warp-accuracy": Goal("warp: largest difference from scikit-image with our triangles", "≤", 1e-3),
    "warp-device": Goal("warp of tensors on a GPU: NumPy on one thread ÷ ours"),
}
