"""The version of this program, as it is installed."""

import importlib.metadata
from functools import cache


@cache
def version() -> str:
    """Read once, because it is in a file."""
    return importlib.metadata.version("gmail-sync")
