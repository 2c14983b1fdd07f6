"""Expert masks, AU maps and region schemas are one type; codebooks turn AUs into expressions."""

from workbench.masks.codebooks import Codebook, codebook_names, load_codebook
from workbench.masks.folder import save_masks
from workbench.masks.library import MASKS, add_masks, by_expression, load_masks, masks_on_face
from workbench.masks.maskset import MaskSet
from workbench.masks.painted import masks_from_arrays
from workbench.masks.polygons import masks_from_polygons
from workbench.masks.sides import by_class, by_side

__all__ = [
    "MASKS",
    "Codebook",
    "MaskSet",
    "add_masks",
    "by_class",
    "by_expression",
    "by_side",
    "codebook_names",
    "load_codebook",
    "load_masks",
    "masks_from_arrays",
    "masks_from_polygons",
    "masks_on_face",
    "save_masks",
]
