"""Expressions that are compiled when they are first used.

A command that looks at one stored string imports 110 expressions that it has no use for: compiling them
took an eighth of its start.  What is there afterwards is as fast as the compiled expression, whose it is.
"""

import re
from typing import TYPE_CHECKING, Any, AnyStr


class Expression:
    """Stands for a compiled expression: its methods come with the first one that is asked for."""

    def __init__(self, pattern: str | bytes, flags: int = 0) -> None:
        self.pattern, self.flags = pattern, flags

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked by whoever looks at objects of any kind
            raise AttributeError(name)
        compiled: re.Pattern[Any] = re.compile(self.pattern, self.flags)
        self.__dict__.update({one: getattr(compiled, one) for one in _METHODS})
        return getattr(compiled, name)


_METHODS = ("match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer", "groups")

if TYPE_CHECKING:

    def expression(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
        """As ``re.compile``; an expression that is none raises re.error where it is first used."""

else:
    expression = Expression
