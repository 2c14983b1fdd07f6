"""Face images with landmarks, labels, groups and action units; readers of data sets as they lie on disk."""

from workbench.faces.blendshapes import BLENDSHAPES, au_estimates, coded_aus
from workbench.faces.demo import demo_faces
from workbench.faces.faceset import FaceSet, Failure
from workbench.faces.images import read_image
from workbench.faces.layouts import LAYOUTS, Notes, layout
from workbench.faces.load import load_faces
from workbench.faces.sources import Item
from workbench.faces.store import save_faces

__all__ = [
    "BLENDSHAPES",
    "LAYOUTS",
    "FaceSet",
    "Failure",
    "Item",
    "Notes",
    "au_estimates",
    "coded_aus",
    "demo_faces",
    "layout",
    "load_faces",
    "read_image",
    "save_faces",
]
