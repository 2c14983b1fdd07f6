"""The scores of a map against a mask: overlap of regions, intensity, ranking, distance."""
