"""Known passwords decide what a form leaves open, for all rows of that form; logins are the judge."""

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mailauth.hashes import Password, generate
from mailauth.hashes.digests import md4
from tests.cli.running import ROOT, mailauth
from tests.migrate.test_apply import Make, Store, migrated
from tests.migrate.test_undo import stored_of

__all__ = ["migrated"]
COUNT, SAMPLED = 8, 3
PLAIN = {"sql_extra": "default_pass_scheme = PLAIN"}


def digest(name: str, data: bytes) -> bytes:
    return hashlib.new(name, data, usedforsecurity=False).digest()


def des(word: bytes) -> str:
    return generate("DES-CRYPT", Password(word)).partition("}")[2]


FORMS: dict[str, tuple[Callable[[bytes], str], str]] = {
    "md5": (lambda word: digest("md5", word).hex(), "{PLAIN-MD5}"),
    "nt": (lambda word: md4(word.decode().encode("utf-16-le")).hex(), "{CRYPT}$3$$"),
    "des": (des, "{DES-CRYPT}"),
    "base64": (lambda word: base64.b64encode(digest("sha1", word)).decode(), "{SHA1}"),
    "salted": (lambda word: base64.b64encode(digest("sha1", word + b"salt") + b"salt").decode(), "{SSHA}"),
    "joomla": (lambda word: digest("md5", word + b"salt").hex() + ":salt", "{SMD5}"),
    "oscommerce": (lambda word: digest("md5", b"sa" + word).hex() + ":sa", ""),
}


def sample(folder: Path, *pairs: tuple[str, bytes], mode: int = 0o600) -> str:
    file = folder / "sample.csv"
    file.write_text("".join(f"{user},{word.decode()}\n" for user, word in pairs))
    file.chmod(mode)
    return str(file)


def known(*numbers: int) -> tuple[tuple[str, bytes], ...]:
    return tuple((f"u{number}", word(number)) for number in numbers)


def word(number: int) -> bytes:
    return b"ab-%d-x" % number  # DES reads 8 bytes


def stored_as(form: str) -> dict[str, str | None]:
    make, _ = FORMS[form]
    return {f"u{number}": make(word(number)) for number in range(COUNT)}


def all_log_in(one: Store) -> bool:
    return all(one.lab.login(f"u{number}", word(number)).ok for number in range(COUNT))


def test_an_audit_says_what_the_sample_proves(migrated: Make, tmp_path: Path) -> None:
    """Of the passdb of a Dovecot, and of the same file as a URL; not where others may read the list."""
    one = migrated("2.3.19.1", "passwd-file", stored_as("md5"))
    url = ("--url", f"passwd-file:{one.lab.store.place.path}", "--dovecot", "2.3.19.1")
    for words in (one.pid, url):
        told = mailauth("audit", *words, "--prove", sample(tmp_path, *known(0, 1, 2)), "--json")
        said = json.loads(told.stdout)["sample"]
        assert any("32 hex digits" in line and "3 of 3" in line for line in said), said
    assert mailauth("audit", *url, "--prove", sample(tmp_path, *known(0), mode=0o644)).returncode == 2


@pytest.mark.parametrize(
    ("form", "store", "version"),
    [
        ("md5", "mysql", "2.3.19.1"),
        ("nt", "pgsql", "2.3.19.1"),
        ("des", "sqlite", "2.3.19.1"),
        ("base64", "passwd-file", "2.4.1"),
        ("salted", "mysql", "2.3.19.1"),
        ("joomla", "pgsql", "2.3.19.1"),
    ],
)
def test_a_sample_decides_for_all_rows_of_the_form(
    migrated: Make, tmp_path: Path, form: str, store: str, version: str
) -> None:
    extra = PLAIN if store != "passwd-file" and version < "2.4" else {}
    one = migrated(version, store, stored_as(form), **extra)
    before = dict(stored_of(one))
    rules = ("--prefix", "--convert")
    left = json.loads(one.at("apply", *rules, "--apply", "--json", status=1))
    assert (left["report"]["written"], left["left"], left["report"]["undecided"]) == (0, COUNT, COUNT)
    prove = ("--prove", sample(tmp_path, *known(*range(SAMPLED))))
    assert f"({SAMPLED} of {SAMPLED}); all of that form" in one.at("plan", *rules, *prove, status=1)
    done = json.loads(one.at("apply", *rules, *prove, "--apply", "--json"))
    assert (done["report"]["written"], done["left"]) == (COUNT, 0)
    assert all((stored or "").startswith(FORMS[form][1]) for stored in stored_of(one).values())
    assert all_log_in(one)
    one.at("undo", done["id"], "--apply")
    assert stored_of(one) == before


def test_what_contradicts_leaves_the_form_open(migrated: Make, tmp_path: Path) -> None:
    """The rows that were proved one by one are certain all the same; nothing is shown of a password."""
    one = migrated("2.3.19.1", "sqlite", stored_as("md5"), **PLAIN)
    before = stored_of(one)
    wrong = sample(tmp_path, *known(0, 1, 2, 3), ("u4", b"canary-wrong"), ("nobody", b"canary-too"))
    said = one.at("plan", "--prefix", "--prove", wrong, status=1)
    assert "sample: 5 of 6 lines name a row" in said
    assert "MD5 hash (4 of 5), nothing that was tried (1 of 5)" in said
    assert "they contradict each other" in said
    assert "canary" not in said
    done = json.loads(one.at("apply", "--prefix", "--prove", wrong, "--apply", "--json", status=1))
    assert (done["report"]["written"], done["left"]) == (4, COUNT - 4)
    now = stored_of(one)
    assert [now[f"u{n}"] == before[f"u{n}"] for n in range(COUNT)] == [False] * 4 + [True] * (COUNT - 4)
    assert all(one.lab.login(*pair).ok for pair in known(0, 1, 2, 3))


def test_passwords_that_look_like_hashes_are_hashed_only_where_they_are_proved(
    migrated: Make, tmp_path: Path
) -> None:
    """Three that agree do not make plaintexts of the others: one that is a hash would be lost."""
    users = {f"u{n}": f"Correct{n}horsE" for n in range(4)}
    users["des"] = des(b"ab-0-x")
    one = migrated("2.3.19.1", "mysql", dict(users), **PLAIN)
    proved = sample(tmp_path, *((f"u{n}", f"Correct{n}horsE".encode()) for n in range(3)))
    words = ("--prefix", "--rehash", "SSHA512", "--prove", proved)
    assert "no hash was proved" in one.at("plan", *words, status=1)
    done = json.loads(one.at("apply", *words, "--apply", "--json", status=1))
    assert (done["report"]["written"], done["report"]["undecided"]) == (3, 2)
    assert [one.lab.login(f"u{n}", f"Correct{n}horsE".encode()).ok for n in range(4)] == [True] * 4
    assert stored_of(one)["des"] == users["des"]


def test_too_few_decide_for_themselves_and_what_dovecot_lacks_is_left(migrated: Make, tmp_path: Path) -> None:
    users = stored_as("md5") | {f"o{n}": FORMS["oscommerce"][0](word(n)) for n in range(4)}
    one = migrated("2.3.19.1", "pgsql", users, **PLAIN)
    few = sample(tmp_path, *known(0, 1), *((f"o{n}", word(n)) for n in range(4)))
    said = one.at("plan", "--prefix", "--convert", "--prove", few, status=1)
    assert "3 rows that agree would decide" in said
    assert "Dovecot has no such hash" in said
    done = json.loads(one.at("apply", "--prefix", "--convert", "--prove", few, "--apply", "--json", status=1))
    assert (done["report"]["written"], done["left"]) == (2, COUNT - 2 + 4)


def test_a_sample_that_others_may_read_is_refused(migrated: Make, tmp_path: Path) -> None:
    one = migrated("2.3.19.1", "sqlite", stored_as("md5"), **PLAIN)
    open_ = sample(tmp_path, *known(0, 1, 2), mode=0o644)
    said = one.run(
        "plan", "--pid", str(one.lab.master_pid), "--prefix", "--prove", open_, status=2, told=True
    )
    assert "others may read it (mode 0644)" in said
    words = ("plan", "--pid", str(one.lab.master_pid), "--prefix", "--prove", "-")
    assert "3 of 3" in one.run(*words, feed=Path(open_).read_text(), status=1)


def test_a_list_of_everybody_is_no_sample(migrated: Make, tmp_path: Path) -> None:
    """Each line is tried in many ways, and what it proves is kept: 10,000 lines at most."""
    one = migrated("2.3.19.1", "sqlite", stored_as("md5"), **PLAIN)
    most = sample(tmp_path, *known(*range(10_000)))
    words = ("plan", "--pid", str(one.lab.master_pid), "--prefix", "--prove", most)
    assert f"sample: {COUNT} of 10,000 lines" in one.run(*words, status=1)
    assert "takes 10000 at most" in one.run(
        *words[:-1], sample(tmp_path, *known(*range(10_001))), status=2, told=True
    )


def test_a_migration_that_goes_on_knows_what_was_proved(migrated: Make, tmp_path: Path) -> None:
    """The sampled rows have their new strings by then, and prove nothing any more."""
    one = migrated("2.3.19.1", "sqlite", stored_as("md5"), **PLAIN)
    words = ("apply", "--pid", str(one.lab.master_pid), "--prefix", "--apply")
    slowly = ("--batch", "1", "--rate", "2", "--prove", sample(tmp_path, *known(0, 1, 2)))
    with subprocess.Popen(
        [sys.executable, "-m", "mailauth", "migrate", *words, *slowly],
        env=os.environ | {"MAILAUTH_STATE": str(one.state)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        end = time.monotonic() + 60
        while sum((stored or "").startswith("{") for stored in stored_of(one).values()) < SAMPLED:
            assert time.monotonic() < end
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    name = json.loads(one.run("status", "--json"))[0]["id"]
    assert not all((stored or "").startswith("{") for stored in stored_of(one).values())
    one.run(*words, "--resume", name)
    assert all_log_in(one)
