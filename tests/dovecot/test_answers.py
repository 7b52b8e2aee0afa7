"""What a child in another root answers is of the form that was asked for, or no answer."""

import ast
import json
import os
import pickle
import subprocess
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

import mailauth
from mailauth.clients.door import Answer, Step, Told
from mailauth.dovecot import answers, staying
from mailauth.errors import CannotObserve
from mailauth.hashes.damaged import Damage, Kind
from mailauth.stores.change import Changed
from mailauth.stores.elsewhere import Noted
from mailauth.stores.rows import Column, HashClass, Survey
from mailauth.stores.store import Failing, Failure, Otherwise, Outcome, Record
from mailauth.stores.swaps import Obstacle, Row, Swap, Swapped

MiB = 1024 * 1024
_FAILURE = Failure(Failing.TLS, "db", "1", "says\x1b[2J")
_RECORD = Record(
    Outcome.FOUND,
    "passwd \udc80 of bytes",
    b"\x00\xff{CRYPT}",
    ("a",),
    values=(("home", "ü\udcff\u202e"),),
    failure=_FAILURE,
    beside=(_FAILURE,),
    seconds=0.25,
    otherwise=(Otherwise("10.0.0.1", Outcome.FOUND, _FAILURE),),
)
_CLASS = HashClass("s", "MD5", (("rounds", 1),), True, 3, Damage(Kind.CUT, "cut", mendable=False), 2, ("u",))
TRAVEL: tuple[tuple[Any, Any], ...] = (
    (Record, _RECORD),
    (Changed, Changed("there", None, b"\xfe", ("note",))),
    (
        Survey,
        Survey(
            "p",
            2,
            (HashClass("s", "MD5", (("rounds", 1),), True, 3, None, 2, ("u",)),),
            column=Column("t", 5),
        ),
    ),
    (Told, Told(Answer.IN, Step.CONNECT, "said", ((Step.CONNECT, 0.5),), ("PLAIN",))),
    (Sequence[Row], [Row((1, "a"), "u", None, ("v",)), Row(("k",), "\udc80", b"\xff")]),
    (Swap, Swap(Row((1,), "u", b"x"), b"y")),
    (Swapped, Swapped(frozenset({(1, "a")}), left=(((2,), "why"),))),
    (Sequence[Obstacle], [Obstacle("o", stops=True)]),
    (bytes | None, b"\x00"),
    (bytes | None, None),
    (frozenset[str], frozenset({"::1"})),
    (answers.PLAIN, 3),
    (answers.PLAIN, None),
)


@pytest.mark.parametrize(("form", "value"), TRAVEL)
def test_what_travels_arrives(form: Any, value: object) -> None:
    """Bytes that are no UTF-8, names with surrogates, keys, enumerations."""
    assert answers.read(answers.of(lambda: value, None), form) == ("ok", value)


def hostile() -> dict[str, bytes | Callable[[], bytes]]:
    """What a child that was taken over would write."""
    good = json.loads(answers.of(lambda: _RECORD, None))[1]

    def told(**changed: object) -> bytes:
        return json.dumps(["ok", good | changed]).encode()

    return {
        "nothing": b"",
        "no JSON": b"no",
        "a pickle": pickle.dumps(("ok", _RECORD)),
        "its kind alone": b'"ok"',
        "three": b'["ok",1,2]',
        "another kind": b'["done",null]',
        "no word for a kind": b'[["ok"],null]',
        "another class": json.dumps(["ok", {"says": "o", "stops": True}]).encode(),
        "a class that is named": json.dumps(["ok", {"__class__": "subprocess.Popen", "args": "id"}]).encode(),
        "a number for text": told(place=7),
        "text for a number": told(again="7"),
        "truth for a number": told(again=True),
        "no such member": told(outcome="root"),
        "no base64": told(stored="%%%"),
        "a list for bytes": told(stored=[1, 2]),
        "one of a pair": told(values=[["home"]]),
        "no place": json.dumps(["ok", {"outcome": "found"}]).encode(),
        "a text for an error": b'["cannot",{"a":1}]',
        "a huge number": told(again=1).replace(b'"again": 1', b'"again": 1' + b"0" * 4000),
        "a huge fraction": told(seconds=1).replace(b'"seconds": 1', b'"seconds": 1e999'),
        "no number": told(seconds=1).replace(b'"seconds": 1', b'"seconds": NaN'),
        "depth": b'["ok",' + b"[" * 2_000_000,
        "depth that ends": b'["ok",' + b"[" * 100_000 + b"]" * 100_000 + b"]",
        "many values": lambda: b'["ok",[' + b"[]," * (20 * MiB) + b"[]]]",
        "many members": lambda: b'["ok",{' + b'"":{},' * (10 * MiB) + b'"":{}}]',
        "no UTF-8": b'["ok","\xff"]',
        "too long": lambda: b'["ok","' + b"x" * answers.MOST + b'"]',
    }


@pytest.mark.parametrize("name", hostile())
def test_whatever_else_is_written_is_no_answer(name: str) -> None:
    """And little memory is taken to find that out."""
    made = hostile()[name]
    data = made if isinstance(made, bytes) else made()
    tracemalloc.start()
    try:
        with pytest.raises(CannotObserve, match="an answer that mailauth cannot read"):
            answers.read(data, Record)
        assert tracemalloc.get_traced_memory()[1] < 8 * len(data) + MiB
    finally:
        tracemalloc.stop()


class _Evil:
    """What a child that was taken over would answer an unpickler."""

    def __init__(self, call: object, *words: object) -> None:
        self.call, self.words = call, words

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call, self.words


def test_nothing_that_is_answered_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for evil in (_Evil(os.system, f"touch {mark}"), _Evil(subprocess.Popen, ("touch", str(mark)))):
        with pytest.raises(CannotObserve):
            answers.read(pickle.dumps(("ok", evil)), object)
    assert not mark.exists()


def test_no_module_can_run_what_it_reads() -> None:
    """Pickle, marshal and shelve build what they are told; eval and exec run it.

    ``records.py`` runs what it writes of the names of our own records' fields, as the standard library does.
    """
    runs = {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
    for file in Path(mailauth.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_bytes())):
            names: set[str] = set()
            if isinstance(node, ast.Import):
                names = {one.name.partition(".")[0] for one in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {(node.module or "").partition(".")[0]}
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and file.name != "records.py":
                assert node.func.id not in ("eval", "exec"), file
            assert not names & runs, file


def test_a_length_is_believed_up_to_a_bound() -> None:
    """1 GiB is announced, 64 MiB are more than was asked for."""
    reader, writer = os.pipe()
    try:
        os.write(writer, (1 << 30).to_bytes(8, "big"))
        with pytest.raises(CannotObserve, match="too long"):
            staying._received(reader, answers.MOST)
    finally:
        os.close(reader)
        os.close(writer)


def test_a_bug_of_the_child_is_said_by_its_name_alone() -> None:
    """And what cannot be written as JSON is one, too: nothing escapes into a process that was forked."""
    for work in (lambda: {1, object()}, lambda: 1 // 0):
        kind, _ = answers.read(answers.of(work, None), Record)
        assert kind == "bug"


def test_each_method_of_a_table_elsewhere_says_what_it_takes_and_answers() -> None:
    names = [name for name in dir(Noted) if not name.startswith("_")]
    assert {"page", "swap", "twice"} < set(names)
    for name in names:
        for form in staying._forms(Noted, name).values():
            msgspec.json.Decoder(form)  # TypeError where JSON cannot have it
    assert replace(_RECORD, stored=b"") != _RECORD
