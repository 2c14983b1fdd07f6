"""Null models of a map: what its scores are worth where only chance has laid it over the masks."""

from workbench.scores.nulls.registry import NULLS, NullResult, Scored, null

__all__ = ["NULLS", "NullResult", "Scored", "null"]
