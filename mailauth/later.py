"""Libraries that are slow to import, or that are extras: each is imported when it is first used.

A module that needs one sometimes names it at its top, for the type checker as an import:

    if TYPE_CHECKING:
        import psycopg
    else:
        psycopg = later("psycopg")
"""

import importlib
from typing import Any


class Later:
    """Stands for a library; what is asked of it is asked of the library, and of its modules."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __str__(self) -> str:
        return self._name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked by whoever looks at objects of any kind
            raise AttributeError(name)
        library = importlib.import_module(self._name)
        if hasattr(library, name):
            return getattr(library, name)
        return importlib.import_module(f"{self._name}.{name}")


def later(name: str) -> Any:
    """The library of that name.  Raises ImportError at its first use where it is not installed."""
    return Later(name)


def import_now(*libraries: Any) -> None:
    """Before a child is made that may open no file."""
    for one in libraries:
        importlib.import_module(str(one))
