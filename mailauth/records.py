"""Dataclasses whose methods are written when they are first used.

The standard library's decorator writes and compiles six functions for each class: 0.3 ms, and a third of the
start of a command, which has some 300 classes and makes objects of few.  This one leaves the fields and the
slots to it, and writes a method when it is first looked for: docs/decisions/771-records-are-written-late.md.

It takes what mailauth's records use, ``frozen`` and ``slots``; ``tests/test_records.py`` compares each class
with what the standard library makes of it.
"""

import dataclasses
import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, FrozenInstanceError, InitVar
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]


class _Written:
    """Stands for a method until somebody looks for it; then the method takes its place."""

    def __init__(self, owner: type, name: str, write: Callable[[type], Callable[..., Any]]) -> None:
        self._owner, self._name, self._write = owner, name, write

    def __get__(self, instance: object, asked: type | None = None) -> Any:
        method = self._write(self._owner)
        method.__name__ = self._name
        method.__qualname__ = f"{self._owner.__qualname__}.{self._name}"
        method.__module__ = self._owner.__module__
        setattr(self._owner, self._name, method)
        return method if instance is None else method.__get__(instance, asked)


if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(
        cls: type | None = None, /, *, frozen: bool = False, slots: bool = False, eq: bool = True
    ) -> Any:
        """As ``dataclasses.dataclass``; what it does not take raises TypeError."""

        def made(one: type) -> Any:
            return _record(one, frozen=frozen, slots=slots, eq=eq)

        return made if cls is None else made(cls)


def _record(cls: type, *, frozen: bool, slots: bool, eq: bool) -> Any:
    own = vars(cls)
    shown, compared = "__repr__" in own, "__eq__" in own
    hashed = "__hash__" in own and not (own["__hash__"] is None and compared)
    if not cls.__doc__:
        cls.__doc__ = cls.__name__  # else one is made of the signature
    late = frozen and not any(map(dataclasses.is_dataclass, cls.__mro__[1:]))
    # What it derives from says already that it is frozen: the standard library compares the two.
    record: Any = dataclasses.dataclass(
        init=False, repr=False, eq=False, frozen=frozen and not late, slots=slots
    )(cls)
    if any(isinstance(one.type, InitVar) for one in record.__dataclass_fields__.values()):
        raise TypeError(f"{cls.__name__}: a record has no InitVar")
    if late:
        _freeze(record, slots=slots)
    record.__init__ = _Written(record, "__init__", _init)
    if not shown:
        record.__repr__ = _Written(record, "__repr__", _repr)
    if eq and not compared:
        record.__eq__ = _Written(record, "__eq__", _eq)
    if eq and not hashed:
        record.__hash__ = _Written(record, "__hash__", _hash) if frozen else None
    return record


@dataclasses.dataclass(frozen=True, slots=True)
class _Frozen:
    """Whose parameters say that it is frozen, and which can be copied and pickled all the same."""


def _freeze(record: Any, *, slots: bool) -> None:
    record.__dataclass_params__ = _Frozen.__dataclass_params__  # type: ignore[attr-defined]
    record.__setattr__, record.__delattr__ = _no_set, _no_delete
    if slots:
        for name in ("__getstate__", "__setstate__"):
            if name not in vars(record):
                setattr(record, name, getattr(_Frozen, name))


def _no_set(_record: object, name: str, _value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _no_delete(_record: object, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _init(cls: Any) -> Callable[..., Any]:
    """Its parameters, defaults and annotations are those of the standard library's."""
    frozen: bool = cls.__setattr__ is not object.__setattr__
    names: dict[str, object] = {"_set": object.__setattr__, "_missing": MISSING}
    plain: list[str] = []
    named: list[str] = []
    body: list[str] = []
    for each in dataclasses.fields(cls):
        value = each.name
        if each.default_factory is not MISSING:
            names[f"_of_{each.name}"] = each.default_factory
            made = f"_of_{each.name}()"
            value, default = f"{made} if {each.name} is _missing else {each.name}", "=_missing"
            value = value if each.init else made
        elif each.default is not MISSING:
            names[f"_of_{each.name}"] = each.default
            value, default = value if each.init else f"_of_{each.name}", f"=_of_{each.name}"
        elif each.init:
            default = ""
        else:
            continue
        if each.init:
            (named if each.kw_only else plain).append(each.name + default)
        body.append(f"_set(self, {each.name!r}, {value})" if frozen else f"self.{each.name} = {value}")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    taken = ", ".join(["self", *plain, *(["*", *named] if named else [])])
    method = _function(cls, taken, body, names)
    method.__annotations__ = {each.name: each.type for each in dataclasses.fields(cls) if each.init}
    method.__annotations__["return"] = None
    return method


def _repr(cls: Any) -> Callable[..., Any]:
    shown = ", ".join(f"{each.name}={{self.{each.name}!r}}" for each in dataclasses.fields(cls) if each.repr)
    body = [f'return f"{{self.__class__.__qualname__}}({shown})"']
    return recursive_repr()(_function(cls, "self", body))


def _eq(cls: Any) -> Callable[..., Any]:
    compared = [each.name for each in dataclasses.fields(cls) if each.compare]
    mine, theirs = (_together(compared, of) for of in ("self", "other"))
    return _function(
        cls,
        "self, other",
        [f"return {mine} == {theirs} if other.__class__ is self.__class__ else NotImplemented"],
    )


def _hash(cls: Any) -> Callable[..., Any]:
    used = [one.name for one in dataclasses.fields(cls) if (one.compare if one.hash is None else one.hash)]
    return _function(cls, "self", [f"return hash({_together(used, 'self')})"])


def _together(names: list[str], of: str) -> str:
    return f"({''.join(f'{of}.{name}, ' for name in names)})"


def _function(
    cls: type, taken: str, body: list[str], names: Mapping[str, object] | None = None
) -> Callable[..., Any]:
    """It sees the module of its class, and ``names``."""
    lines = [f"def made({', '.join(names or ())}):", f" def method({taken}):"]
    text = "\n".join([*lines, *(f"  {line}" for line in body or ["pass"]), " return method"])
    found: dict[str, Any] = {}
    exec(text, vars(sys.modules[cls.__module__]), found)  # noqa: S102 - of names of fields alone
    method: Callable[..., Any] = found["made"](**(names or {}))
    return method
