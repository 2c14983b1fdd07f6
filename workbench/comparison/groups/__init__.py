"""Groups of people, conditions or pictures compared map by map: where, how much, and what may be said of it."""

from workbench.comparison.groups.comparison import LICENCE, compare_groups

__all__ = ["LICENCE", "compare_groups"]
