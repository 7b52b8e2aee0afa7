"""Expressions that are compiled late are those that were written, and each is one."""

import importlib
import pkgutil
import re
from collections.abc import Iterator

import mailauth.hashes
from mailauth.expressions import Expression, expression


def _in(value: object) -> Iterator[Expression]:
    if type(value) is Expression:
        yield value
    elif type(value) is tuple:
        for one in value:
            yield from _in(one)


def test_each_expression_of_a_hash_compiles() -> None:
    modules = pkgutil.iter_modules(mailauth.hashes.__path__, "mailauth.hashes.")
    values = [value for one in modules for value in vars(importlib.import_module(one.name)).values()]
    found = [one for value in values for one in _in(value)]
    assert len(found) > 50
    for one in found:
        re.compile(one.pattern, one.flags)


def test_it_does_what_the_compiled_one_does() -> None:
    late, compiled = (made(r"(a)|(?P<b>B)", re.IGNORECASE) for made in (expression, re.compile))
    for name in ("match", "fullmatch", "search"):
        first, second = (getattr(one, name)("b") for one in (late, compiled))
        assert (first.span(), first.groupdict()) == (second.span(), second.groupdict())
    for name, given in (("findall", ("xaxB",)), ("sub", ("-", "xaxB")), ("split", ("xaxB",))):
        assert getattr(late, name)(*given) == getattr(compiled, name)(*given)
    assert (late.pattern, late.groups) == (compiled.pattern, compiled.groups)
