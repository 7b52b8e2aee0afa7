"""``mailauth hash`` as it is run: statuses, JSON by its schema, batches, and nothing secret in sight."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mailauth.hashes import Password, generate
from mailauth.hashes.batch import LONGEST_LINE
from mailauth.hashes.csv_rows import read_csv
from mailauth.remedies import HASH_SHOW

SCHEMAS = Path(__file__).parents[2] / "mailauth/schemas"
SECRET = "s3cret"
GOOD = generate("SSHA512", Password.of(SECRET))
ARGON2 = generate("ARGON2ID", Password.of(SECRET), memory=8192, time=1)


HUGE = json.dumps({"stored": ARGON2.replace("m=8192", "m=4194304"), "password": "x"}).encode()


def run(*args: str, given: bytes = b"", **more: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "mailauth", "hash", *args],
        input=given,
        capture_output=True,
        check=False,
        **more,
    )


def checked(kind: str, line: bytes) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(line)
    schema = json.loads((SCHEMAS / f"hash-{kind}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(record, schema)
    return record


@pytest.mark.parametrize(
    ("stored", "options", "verdict", "status"),
    [
        (GOOD, (), "match", 0),
        (GOOD + " ", (), "match", 0),
        ("{PLAIN}other", (), "mismatch", 1),
        ("{SHA256}AAAA", (), "malformed", 3),
        ("{BCRYPT}$2y$05$x", (), "unsupported", 4),
        ("{PLAIN-MD5}33e1b232a4e6fa0028a6670753749a17", ("--for", "2.4"), "weak", 5),
        ("{PLAIN-MD5}33e1b232a4e6fa0028a6670753749a17", ("--for", "2.4", "--allow-weak"), "match", 0),
        ("{PLAIN-MD5}33e1b232a4e6fa0028a6670753749a17", ("--for", "2.3"), "match", 0),
        (ARGON2, ("--vsz-limit", "30M"), "out_of_memory", 6),
        (ARGON2, ("--vsz-limit", "64M"), "match", 0),
        (ARGON2, ("--max-memory", "4M"), "out_of_memory", 6),
        ("aw3I7FQrrxsqw", (), "malformed", 3),
        ("aw3I7FQrrxsqw", ("--default-scheme", "CRYPT"), "match", 0),
    ],
)
def test_verify_exits_with_the_status_of_the_verdict(
    stored: str, options: tuple[str, ...], verdict: str, status: int
) -> None:
    ran = run("verify", stored, "--stdin", "--json", *options, given=SECRET.encode() + b"\n")
    assert verdict == checked("verify", ran.stdout)["verdict"]
    assert status == ran.returncode


def test_the_statuses_are_in_the_help() -> None:
    for command in ("new", "verify", "show", "convert"):
        assert b"6 out of memory" in run(command, "--help").stdout


def test_the_stored_string_and_the_password_come_by_descriptors() -> None:
    first, second = os.pipe(), os.pipe()
    os.write(first[1], GOOD.encode() + b"\n")
    os.write(second[1], SECRET.encode() + b"\n")
    os.close(first[1])
    os.close(second[1])
    fds = (first[0], second[0])
    ran = run("verify", "--stored-fd", str(fds[0]), "--password-fd", str(fds[1]), pass_fds=fds)
    assert ran.returncode == 0, ran.stderr
    assert b"{SSHA512}...  match" in ran.stdout


def test_two_ways_at_once_and_none_are_wrong_usage() -> None:
    assert run("verify", GOOD, "--stdin", "--password-fd", "0").returncode == 2
    assert run("verify", "--stdin").returncode == 2
    assert b"no terminal" in run("verify", GOOD).stderr
    assert b"no terminal" in run("new").stderr
    assert run("show").returncode == 2
    assert run("verify", "--batch", "/no/such/file").returncode == 2


def test_a_batch_answers_line_by_line_in_order_and_survives_bad_lines() -> None:
    lines = [
        b'{"stored": "{PLAIN}a", "password": "a"}',
        b"not json",
        b"[1]",
        b'{"stored": 1, "password": "x"}',
        b'{"password": "x"}',
        b'{"stored": "{PLAIN}x"}',
        b'{"stored": "{PLAIN}\\ud800", "password": "x"}',
        b'{"stored": "{PLAIN}x", "password": "hex:zz"}',
        b'{"stored": "hex:7b504c41494e7dff", "password": "hex:ff"}',
        b'{"stored": "{DIGEST-MD5}' + b"0" * 32 + b'", "password": "x", "user": null}',
        b'{"stored": "{PLAIN}' + b"x" * (LONGEST_LINE + 9) + b'", "password": "x"}',
        b"",
        HUGE,
        *(b'{"stored": "{PLAIN}%d", "password": "%d"}' % (n, n % 7) for n in range(100)),
    ]
    ran = run("verify", "--batch", "-", "--jobs", "2", given=b"\n".join(lines) + b"\n")
    answers = [checked("verify", line) for line in ran.stdout.splitlines()]
    assert ran.returncode == 0
    assert len(lines) == len(answers)
    said = [answer.get("verdict", "error") for answer in answers]
    assert said[:13] == [
        "match", "error", "error", "error", "error", "error", "error", "error",
        "match", "unsupported", "error", "error", "out_of_memory",
    ]  # fmt: skip
    assert said[13:] == ["match" if n == n % 7 else "mismatch" for n in range(100)]
    assert b"not json" not in ran.stdout.replace(b'"error": "not JSON"', b"")


def test_a_batch_of_show_and_convert_keeps_to_its_schema() -> None:
    lines = [{"stored": GOOD}, {"stored": ARGON2}, {"stored": "$2y$x"}, {"stored": ""}, {"stored": "{MD5}x"}]
    given = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    for kind in ("show", "convert"):
        ran = run(kind, "--batch", "-", given=given)
        assert len([checked(kind, line) for line in ran.stdout.splitlines()]) == len(lines)


def test_show_names_memory_strength_and_versions_and_hides_the_rest() -> None:
    ran = run("show", ARGON2)
    text = ran.stdout.decode()
    assert "8.0 MiB" in text
    assert "OWASP" in text
    assert "Dovecot 2.4.1" in text
    assert ARGON2.rsplit("$", 1)[1] not in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("args", "status", "words"),
    [
        ((), 0, b"{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$"),
        (("-s", "BLF-CRYPT", "--cost", "4"), 0, b"{BLF-CRYPT}$2y$04$"),
        (("--profile", "owasp-7"), 0, b"m=7168,t=5,p=1"),
        (("--memory", "8M", "--time", "1", "--lanes", "2"), 0, b"m=8192,t=1,p=2"),
        (("--fit", "--vsz-limit", "64M"), 0, b"m=19456,t=2,p=1"),
        (("-s", "SSHA256.hex"), 0, b"{SSHA256.HEX}"),
        (("--profile", "moderate"), 6, b"vsz_limit"),
        (("-s", "MD5-CRYPT", "--for", "2.4"), 5, b"auth_allow_weak_schemes"),
        (("-s", "ARGON2", "--for", "2.3"), 4, b"since 2.4"),
        (("-s", "DIGEST-MD5"), 2, b"user"),
    ],
)
def test_new_makes_or_says_why_not(args: tuple[str, ...], status: int, words: bytes) -> None:
    ran = run("new", *args, "--stdin", given=SECRET.encode())
    assert status == ran.returncode, ran.stderr
    assert words in ran.stdout + ran.stderr


def test_profiles_are_listed_without_a_password() -> None:
    ran = run("new", "--profile", "list")
    assert (ran.returncode, b"rfc9106-second" in ran.stdout) == (0, True)
    refused = run("new", "--profile", "list", "--stdin", given=SECRET.encode())
    assert (refused.returncode, refused.stdout) == (2, b"")


def test_new_as_json_keeps_to_its_schema() -> None:
    assert checked("new", run("new", "-s", "SHA", "--stdin", "--json", given=b"x").stdout)["stored"]
    refused = run("new", "-s", "MD5", "--for", "2.4", "--stdin", "--json", given=b"x")
    assert checked("new", refused.stdout)["verdict"] == "weak"


def test_a_csv_comes_back_in_its_order_with_errors_beside_the_rows() -> None:
    rows = "password,user\nsecret one,alice\n\nonly\n" + "".join(f"pw{n},u{n}\n" for n in range(20))
    ran = run("new", "-s", "SSHA256", "--csv", "-", "--jobs", "2", given=rows.encode())
    made = list(csv.DictReader(io.StringIO(ran.stdout.decode())))
    assert [row["user"] for row in made] == ["alice", "", *(f"u{n}" for n in range(20))]
    assert made[0]["stored"].startswith("{SSHA256}")
    assert "wants a user" in made[1]["error"]
    assert all(row["stored"] for row in made[2:])


def test_a_bad_line_of_a_csv_spoils_no_other() -> None:
    """A quote that is never closed does not swallow the next users, and no half of a password counts."""
    rows = b'\xef\xbb\xbfuser,password,note\na,b,\nc,"d,\ne,f,\ng,h,i,j\nk,"l,m",\nn,"o""p",\r\n'
    found = list(read_csv(io.BytesIO(rows)))
    assert [(row.line, row.user, row.password.raw) for row in found if row.password] == [
        (2, "a", b"b"),
        (4, "e", b"f"),
        (6, "k", b"l,m"),
        (7, "n", b'o"p'),
    ]
    why = "wants 3 fields, in quotes where a comma or a quote is part of it"
    assert [row.error for row in found if row.error] == [f"line 3: {why}", f"line 5: {why}"]


def test_convert_prints_the_hash_alone_and_the_rest_beside() -> None:
    ran = run("convert", "1|$2y$10$AmiWa.SaSq0J9G0dvDI89.W.zylVfZ60NihGqzrmQsBA/94ZRIjQC")
    assert ran.stdout == b"{BLF-CRYPT}$2y$10$AmiWa.SaSq0J9G0dvDI89.W.zylVfZ60NihGqzrmQsBA/94ZRIjQC\n"
    assert ran.returncode == 0
    ran = run("convert", "$apr1$69Michhv$kz0xtzggToUR2bA8A.n4Z.")
    assert ran.stdout == b""
    assert b"cannot, because" in ran.stderr
    assert ran.returncode == 1


def test_no_password_is_printed() -> None:
    canary = "cAnArY-7391"
    for args in (("verify", GOOD), ("verify", "{PLAIN}x"), ("convert", GOOD)):
        ran = run(*args, "--stdin", given=canary.encode())
        assert canary.encode() not in ran.stdout + ran.stderr


def test_the_remedys_command_runs_as_it_is_printed() -> None:
    """The string comes by standard input, with the blank that is wrong with it."""
    assert HASH_SHOW[:2] == ("mailauth", "hash")
    done = run(*HASH_SHOW[2:], given=f" {GOOD}\n".encode())
    assert done.stderr == b""
    assert b"a blank or a line end before it" in done.stdout
