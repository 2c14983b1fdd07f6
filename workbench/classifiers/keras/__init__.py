"""Keras HDF5 files as torch modules, by h5py alone: nothing is unpickled, no TensorFlow is needed."""

from workbench.classifiers.keras.reading import read_keras

__all__ = ["read_keras"]
