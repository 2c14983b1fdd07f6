"""Expert masks, AU maps and region schemas are one type; codebooks turn AUs into expressions."""

from workbench.masks.codebooks import Codebook, load_codebook
from workbench.masks.folder import save_masks
from workbench.masks.library import MASKS, add_masks, load_masks
from workbench.masks.maskset import MaskSet

__all__ = ["MASKS", "Codebook", "MaskSet", "add_masks", "load_codebook", "load_masks", "save_masks"]
