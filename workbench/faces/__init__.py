"""Face images with landmarks, labels and groups."""

from workbench.faces.demo import demo_faces
from workbench.faces.faceset import FaceSet, Failure
from workbench.faces.images import read_image
from workbench.faces.load import load_faces
from workbench.faces.store import save_faces

__all__ = ["FaceSet", "Failure", "demo_faces", "load_faces", "read_image", "save_faces"]
