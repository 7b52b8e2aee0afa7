"""mailauth's records against what the standard library makes of the same fields."""

import copy
import dataclasses
import importlib
import inspect
import pickle
import re
import subprocess
import sys
from dataclasses import FrozenInstanceError, InitVar, field
from pathlib import Path
from typing import Any, cast

import pytest

from mailauth import evidence
from mailauth.records import _Written, dataclass

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "mailauth"
# They are run as files of their own, or need an order.
OF_THE_LIBRARY = {"records.py", "dovecot/version.py"}


def _modules() -> list[str]:
    paths = sorted(PACKAGE.rglob("*.py"))
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths
    ]
    return [name for name in names if name not in {"mailauth.memory.trial", "mailauth.__main__"}]


def _records() -> list[Any]:
    found = set()
    for name in _modules():
        module = importlib.import_module(name)
        found |= {
            one for one in vars(module).values() if isinstance(one, type) and dataclasses.is_dataclass(one)
        }
    ours = [one for one in found if one.__module__.startswith("mailauth.")]
    return sorted(ours, key=lambda one: (one.__module__, one.__qualname__))


def _twin(record: Any) -> Any:
    """What the standard library makes of its fields."""
    again = [
        (
            one.name,
            one.type,
            cast("Any", field)(
                **({} if one.default is dataclasses.MISSING else {"default": one.default}),
                **(
                    {}
                    if one.default_factory is dataclasses.MISSING
                    else {"default_factory": one.default_factory}
                ),
                init=one.init, repr=one.repr, hash=one.hash, compare=one.compare, kw_only=one.kw_only,
            ),
        )
        for one in dataclasses.fields(record)
    ]  # fmt: skip
    frozen = record.__dataclass_params__.frozen
    return dataclasses.make_dataclass(record.__name__, again, frozen=frozen, slots=True)


def _is_made(record: type, name: str) -> bool:
    """Whether a method is not of the class's own text."""
    method = vars(record).get(name)
    return (
        isinstance(method, _Written) or inspect.unwrap(method).__code__.co_filename == "<string>"
        if method
        else False
    )


def _parameters(record: Any) -> list[tuple[object, ...]]:
    """Of its constructor; what a factory makes has no value before."""
    factories = {
        one.name for one in dataclasses.fields(record) if one.default_factory is not dataclasses.MISSING
    }
    return [
        (one.name, one.kind, one.annotation, None if one.name in factories else one.default)
        for one in inspect.signature(record.__init__).parameters.values()
    ]


def test_every_record_is_what_the_standard_library_would_make() -> None:
    records = _records()
    assert len(records) > 400
    for record in records:
        twin = _twin(record)
        named = f"{record.__module__}.{record.__qualname__}"
        assert _parameters(record) == _parameters(twin), named
        if hasattr(record, "__post_init__"):
            continue
        values = {one.name: number for number, one in enumerate(dataclasses.fields(record)) if one.init}
        ours, ours_too, theirs = record(**values), record(*values.values()), twin(**values)
        if _is_made(record, "__repr__"):
            assert repr(ours).rpartition(".")[2] == repr(theirs), named
        if _is_made(record, "__eq__"):
            assert copy.copy(ours) == ours == ours_too, named
            assert ours != theirs, named
            assert (record.__hash__ is None) == (twin.__hash__ is None), named
            assert record.__hash__ is None or hash(ours) == hash(theirs), named
        if values and record.__dataclass_params__.frozen:
            with pytest.raises(FrozenInstanceError):
                setattr(ours, next(iter(values)), 1)
            with pytest.raises(FrozenInstanceError):
                delattr(ours, next(iter(values)))


@dataclass(frozen=True, slots=True)
class _One:
    """Of every kind of field that records have."""

    name: str
    secret: str = field(repr=False)
    many: tuple[int, ...] = ()
    counts: dict[str, int] = field(default_factory=dict, hash=False)
    beside: int = field(default=3, compare=False)
    made: list[int] = field(default_factory=list, init=False, hash=False)
    only: int = field(default=1, kw_only=True)


@dataclass(frozen=True, slots=True)
class _Below(_One):
    more: str = ""


@dataclass(slots=True)
class _Open:
    name: str
    until: "int | None" = None
    checked: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.checked = bool(self.name)


def test_a_secret_is_not_shown() -> None:
    assert repr(_Below("a", "hidden", more="b")) == (
        "_Below(name='a', many=(), counts={}, beside=3, made=[], only=1, more='b')"
    )


def test_objects_are_equal_and_hashed_as_their_fields_say() -> None:
    one, same = _One("a", "b"), _One("a", "b", beside=9)
    assert one == same
    assert hash(one) == hash(same)
    assert one != _One("a", "c")
    assert one != _Below("a", "b")
    assert one.counts is not same.counts
    assert _Below("a", "b").__eq__(one) is NotImplemented
    with pytest.raises(TypeError, match="unhashable"):
        hash(_Open("a"))


def test_what_the_standard_library_does_with_its_own_is_done_with_ours() -> None:
    one = _Below("a", "b", (1,), {"c": 2}, only=5, more="d")
    assert dataclasses.asdict(one)["counts"] == {"c": 2}
    assert dataclasses.replace(one, name="z", more="y").name == "z"
    assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301 - our own
    assert copy.deepcopy(one) == one
    assert _Below.__match_args__ == ("name", "secret", "many", "counts", "beside", "more")
    assert not hasattr(one, "__dict__")
    assert _Open("a").checked


def test_a_class_of_the_standard_library_can_derive_from_a_frozen_record() -> None:
    @dataclasses.dataclass(frozen=True)
    class Seen(evidence.Evidence):
        what: int

    assert Seen("there", 3).source == "there"


def test_what_it_does_not_take_is_refused() -> None:
    with pytest.raises(TypeError):
        dataclass(order=True)
    with pytest.raises(TypeError, match="InitVar"):

        @dataclass(slots=True)
        class _Asks:
            name: InitVar[str]


def test_a_wrong_argument_is_told_as_by_the_standard_library() -> None:
    most: tuple[Any, ...] = ("a", "b", (), {}, 1, 2)
    for wrong in (most[:0], most[:1], most):
        with pytest.raises(TypeError, match=r"_One\.__init__\(\)"):
            _One(*wrong)


def test_every_module_takes_the_decorator_from_records() -> None:
    """The standard library's costs 0.3 ms a class at each start."""
    imports = re.compile(r"^from dataclasses import .*\bdataclass\b", re.MULTILINE)
    of_the_library = {
        str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if imports.search(path.read_text())
    }
    assert of_the_library <= OF_THE_LIBRARY


def test_no_method_is_written_before_it_is_used() -> None:
    program = (
        "import sys; from mailauth.records import _Written; from mailauth.dovecot.conf import Setting\n"
        "assert isinstance(vars(Setting)['__init__'], _Written)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
