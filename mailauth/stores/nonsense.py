"""A server whose answers are of its protocol, and not of what was asked: another one listens there."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Concatenate, ParamSpec, TypeVar

from mailauth.bounded import TOO_MUCH
from mailauth.errors import CannotObserve

_OF_READING = (ValueError, LookupError, TypeError, AttributeError)
_STORES = __name__.rpartition(".")[0]
_P = ParamSpec("_P")
_T = TypeVar("_T")


@contextmanager
def named(place: str) -> Iterator[None]:
    """Name it where it sends too much, or not the rows, columns or values that every such server answers.

    What else raises such an error, and not where answers are read, is a bug of ours, and stays one.
    """
    try:
        yield
    except MemoryError:
        raise CannotObserve(f"{place}: {TOO_MUCH}.") from None
    except _OF_READING as why:
        last = why.__traceback__
        while last and last.tb_next:
            last = last.tb_next
        if not last or not str(last.tb_frame.f_globals.get("__name__")).startswith(_STORES):
            raise
        raise CannotObserve(f"what {place} answers is not what was asked; see what listens there.") from None


def naming(method: Callable[Concatenate[Any, _P], _T]) -> Callable[Concatenate[Any, _P], _T]:
    """The same for a method of what has a place."""

    @functools.wraps(method)
    def call(self: Any, /, *values: _P.args, **more: _P.kwargs) -> _T:
        with named(self.place):
            return method(self, *values, **more)

    return call
