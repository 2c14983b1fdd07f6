"""The command line: one verb a job, one module a verb, nothing computed here.

A verb module has `NAME`, `HELP`, `add_arguments(parser)` and `run(args) -> int`, and imports its rooms inside `run`.
"""

from workbench.cli.main import main

__all__ = ["main"]
