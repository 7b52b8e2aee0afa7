"""``memory bench``: what is measured is kept at once, and never measured again."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

from mailauth.errors import UsageError
from mailauth.memory import grid
from tests.memory.conftest import Mailauth, schema_file

QUICK = ("--most", "8M", "--quick", "--runs", "1", "--seconds", "0.01")


def test_results_are_kept_and_not_measured_again(memory: Mailauth, tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    first = memory("bench", "--results", str(file), *QUICK, "--json")
    assert first.status == 0, first.err
    jsonschema.validate(first.json, schema_file("memory-bench"))
    before = file.read_text()
    assert len(before.splitlines()) == len(first.json["results"]) == len(grid.grid(most=8192, quick=True))
    again = memory("bench", "--results", str(file), *QUICK, "--json")
    assert again.json == first.json
    assert file.read_text() == before
    assert all(one["rose"] == one["predicted"] for one in first.json["results"])


def test_half_a_line_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    result = grid.run(
        grid.Point("ARGON2ID", (("memory", 8), ("time", 1), ("lanes", 1))), runs=1, seconds=0.01
    )
    grid.keep(file, result)
    whole = file.read_bytes()
    file.write_bytes(whole + whole[: len(whole) // 2])
    assert list(grid.load(file)) == [result.name]
    grid.keep(file, result)
    assert file.read_bytes() == whole + whole


def test_another_file_is_not_taken_for_results(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    file.write_text("alice:{PLAIN}secret\n")
    with pytest.raises(UsageError, match=r"r\.jsonl:1 is no result of memory bench"):
        grid.load(file)
    assert file.read_text() == "alice:{PLAIN}secret\n"


def test_a_link_in_the_place_of_the_results_is_not_followed(memory: Mailauth, tmp_path: Path) -> None:
    """Root, in a folder of another user's: a line of that user's choice was cut off."""
    file, others = tmp_path / "r.jsonl", tmp_path / "others"
    others.write_text("one line without an end")
    file.symlink_to(others)
    ran = memory("bench", "--results", str(file), *QUICK)
    assert ran.status == 2
    assert "Too many levels of symbolic links" in ran.err
    others.unlink()
    assert memory("bench", "--results", str(file), *QUICK).status == 2
    assert not others.exists()
    others.write_text("one line without an end")
    result = grid.run(
        grid.Point("ARGON2ID", (("memory", 8), ("time", 1), ("lanes", 1))), runs=1, seconds=0.01
    )
    with pytest.raises(OSError, match="Too many levels"):
        grid.keep(file, result)
    assert others.read_text() == "one line without an end"


def test_an_interrupt_keeps_what_is_done(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    words = ["memory", "bench", "--results", str(file), "--runs", "10", "--most", "64M"]
    with subprocess.Popen(
        [sys.executable, "-m", "mailauth", *words], stderr=subprocess.PIPE, text=True
    ) as run:
        deadline = time.monotonic() + 60
        while not file.exists() or not file.read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        run.send_signal(signal.SIGINT)
        _, said = run.communicate()
    assert run.returncode == 130
    assert "the same command goes on from there." in said
    assert len(grid.load(file)) >= 1


def test_a_picture_is_drawn(memory: Mailauth, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    where = ("--results", str(tmp_path / "r.jsonl"), *QUICK)
    assert memory("bench", *where, "--picture", str(tmp_path / "p.png")).status == 0
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    wrong = memory("bench", *where, "--picture", str(tmp_path / "p.xyz"))
    assert wrong.status == 2
    assert "end its name in .png or .svg." in wrong.err


def test_the_table_names_every_point(memory: Mailauth, tmp_path: Path) -> None:
    ran = memory("bench", "--results", str(tmp_path / "r.jsonl"), *QUICK, environment={"NO_COLOR": "1"})
    assert "{ARGON2ID}$argon2id$v=19$m=7168,t=1,p=1$..." in ran.out
    assert "\x1b" not in ran.out + ran.err


def test_a_file_that_cannot_be_written_is_one_sentence(memory: Mailauth) -> None:
    ran = memory("bench", "--results", "/no/such/folder/r.jsonl")
    assert ran.status == 2
    assert ran.err == "mailauth: /no/such/folder/r.jsonl: cannot be written (No such file or directory).\n"
