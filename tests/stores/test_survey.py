"""The survey: what a database counts is what Python counts, row by row; nothing secret is kept."""

import pickle
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mailauth.dovecot.doveadm import Installation, at_pid
from mailauth.dovecot.site import read_config
from mailauth.hashes import Password, generate
from mailauth.hashes.damaged import Kind, Reader
from mailauth.lab import Lab
from mailauth.probes.survey import Ask, survey_passdb
from mailauth.stores import file_counts, grouping, query, string_counts
from mailauth.stores.databases import DATABASES
from mailauth.stores.rows import HashClass, Survey
from mailauth.stores.string_counts import Question, Tally

SECRET = Password.of("correct horse")


def forms() -> list[str]:
    """Every scheme that can be made, with two salts each, named, bare, and in capitals and not."""
    made = [
        generate(scheme, SECRET, user="", **options)
        for scheme, options in (
            ("ARGON2ID", {"memory": 1024, "time": 1}),
            ("ARGON2I", {"memory": 1024, "time": 3}),
            ("BLF-CRYPT", {"cost": 4}),
            ("SHA512-CRYPT", {"rounds": 1000}),
            ("SHA512-CRYPT", {"rounds": 5000}),
            ("SHA256-CRYPT", {"rounds": 1000}),
            ("MD5-CRYPT", {}),
            ("DES-CRYPT", {}),
            ("PBKDF2", {"rounds": 1000}),
            ("SCRAM-SHA-1", {"rounds": 4096}),
            ("SCRAM-SHA-256", {"rounds": 4096}),
            ("SHA512.HEX", {}),
            ("SHA256", {}),
            ("SSHA512", {}),
            ("SSHA", {}),
            ("SMD5", {}),
            ("LDAP-MD5", {}),
            ("PLAIN-MD5", {}),
            ("CRAM-MD5", {}),
            ("ARGON2ID.B64", {"memory": 1024, "time": 1}),
            ("PLAIN", {}),
            ("PLAIN.B64", {}),
        )
        for _ in range(2)
    ]
    small = (
        "{ARGON2ID}$argon2id$v=19$m=1024,t=1,p=1$" + 21 * "a" + "g$" + 42 * "b" + "c"
    )  # whole but for its case
    return [*made, *(one.partition("}")[2] for one in made), *(one.lower() for one in made[:3]), small]


def damaged(chance: random.Random, stored: str) -> str:
    """One accident."""
    at = chance.randrange(len(stored))
    odd = chance.choice("?.+/ '\"=$-_:,{}!*\t\u00e4Zb0")
    return chance.choice(
        (
            stored[:at],
            stored[at:],
            stored[:at] + odd + stored[at + 1 :],
            stored[:at] + odd + stored[at:],
            stored + odd,
            odd + stored,
            stored + stored,
        )
    )


def store_of(count: int, seed: int = 7) -> dict[str, str | None]:
    """Whole strings and broken ones; those with a colon or line end, which a passwd-file cannot hold, not."""
    chance = random.Random(seed)  # noqa: S311 - only a mix
    whole = forms()
    texts = [
        *whole,
        *"015",
        "{SHA}5",
        "{ARGON2ID}0",
        *(damaged(chance, chance.choice(whole)) for _ in range(count - len(whole))),
    ]
    kept = [text for text in texts if ":" not in text and "\0" not in text and text[-1:] != "]"]
    return {f"user{number:04}": text for number, text in enumerate(kept)}


def classes(found: Survey | Tally, *, names: bool = False) -> dict[tuple[object, ...], object]:
    every = found.classes() if isinstance(found, Tally) else found.classes
    return {_key(one): (one.rows, set(one.users)) if names else one.rows for one in every}


def _key(one: HashClass) -> tuple[object, ...]:
    return one.shown, one.scheme, one.params, one.prefixed, one.length, one.damage


def test_every_store_counts_as_python_does(lab: Callable[..., Lab], store: str) -> None:
    """600 strings, most of them broken at random places: the engine's classes are Python's."""
    users = store_of(600)
    with lab(None, store, users) as one:
        dovecot = at_pid(one.master_pid, None)
        config = read_config(dovecot)
        ask = Ask(dovecot, config)
        passdb = config.passdbs[0]
        found = survey_passdb(ask, passdb)
    reader = Reader(
        config.version.numbers,
        passdb.default_scheme,
        config.allow_weak,
        prefixing=store != "passwd-file",
    )
    tally = Tally(Question(reader))
    for stored in users.values():
        tally.add((stored or "").encode(), ())
    assert classes(found) == classes(tally)
    assert found.rows == len(users)
    assert len(found.broken) > 100


def test_a_blank_at_the_end_is_counted_by_itself(lab: Callable[..., Lab], store: str) -> None:
    """Also where the digest's letters are small ones, so that it is counted as it is."""
    hashed = "$1$saltsalt$" + "0123456789" * 2 + "a1"
    with lab("2.3.19.1", store, {"alice": hashed, "bob": f"{hashed} "}) as one:
        dovecot = at_pid(one.master_pid, None)
        config = read_config(dovecot)
        found = survey_passdb(Ask(dovecot, config), config.passdbs[0])
    assert [each.rows for each in found.classes] == [1, 1]


def test_nothing_secret_is_kept() -> None:
    """Neither salt nor digest, nor a password that stands there as it is."""
    tally = Tally(Question(Reader((2, 4, 1), "PLAIN", prefixing=True)))
    chance = random.Random(3)  # noqa: S311 - only a mix
    whole = forms()
    stored = [
        *whole,
        *(damaged(chance, one) for one in whole),
        "hunter2-hunter2",
        "{PLAIN}hunter2-hunter2",
    ]
    for one in stored:
        tally.add(one.encode(), (b"alice",))
    kept = pickle.dumps(tally.classes())
    assert b"hunter2" not in kept
    assert b"correct horse" not in kept
    for one in whole:
        # what follows the last "$" or "," or the scheme: a digest
        digest = re.split(r"[$,}]", one)[-1].encode()
        assert digest[:12] not in kept


def test_classes_are_bounded_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ways there are to be broken."""
    monkeypatch.setattr(string_counts, "MOST_CLASSES", 20)
    monkeypatch.setattr(string_counts, "_CLASSIFIED", 300)
    users = store_of(2000)
    tally = Tally(Question(Reader((2, 4, 1))))
    for stored in users.values():
        tally.add((stored or "").encode(), ())
    found = tally.classes()
    assert sum(one.rows for one in found) == len(users)
    assert len(found) < 200


def test_a_user_in_two_lines(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("# alice:x\nalice:{PLAIN}a:::\nbob:{PLAIN}b\n\nalice:{PLAIN}c\r\n:{PLAIN}d\ncarl\n")
    found = file_counts.of_files([file], str(file), Question(Reader((2, 4, 1))))
    assert found.twice == ("alice",)
    assert found.rows == 4
    assert {one.damage.kind for one in found.broken if one.damage} == {Kind.EMPTY}


def test_a_null_and_an_empty_password_are_told_apart(lab: Callable[..., Lab]) -> None:
    for kind in ("sqlite", "mysql", "pgsql"):
        with lab(None, kind, {"alice": None, "bob": "", "carl": "{PLAIN}x"}) as one:
            dovecot: Installation = at_pid(one.master_pid, None)
            config = read_config(dovecot)
            found = survey_passdb(Ask(dovecot, config), config.passdbs[0])
        assert (found.rows, found.nulls) == (3, 1), kind
        assert [(each.users, each.rows) for each in found.broken] == [(("bob",), 1)], kind


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("SELECT userid AS user, password FROM users WHERE userid = '%u'", "userid"),
        ("SELECT password FROM users WHERE name = '%Lu'", "name"),
        ("SELECT password FROM users u WHERE u.name = '%{user | lower}' AND active", "u.name"),
        (
            "SELECT username, domain, password FROM users WHERE username = '%n'",
            "CONCAT(username, '@', domain)",
        ),
        ("SELECT user, password FROM users WHERE x = 1", "user"),
        ("SELECT CONCAT(l, '@', d) AS user, p AS password FROM m JOIN d ON a = b", "CONCAT(l, '@', d)"),
        ("SELECT '%u' AS user, password FROM users WHERE mail = '%u'", "mail"),
        ("SELECT password FROM users", ""),
        ("CALL x('%u')", ""),
    ],
)
def test_the_user_of_a_row_is_understood(text: str, user: str) -> None:
    assert query.user_of(text) == user


def test_the_counting_query_reads_and_no_more() -> None:
    rows = grouping.rows_of("SELECT password FROM users WHERE name = '%u'", "here")
    servers = [one.counting for one in DATABASES.values() if one.counting]
    assert servers
    for engine in servers:
        text = grouping.counting(engine, rows, text=False)
        assert text.startswith("SELECT k, COUNT(*)")
        assert ";" not in text
        assert "%u" not in text
    for quick in (one.replacing for one in DATABASES.values() if one.replacing):
        text = grouping.parted(quick, rows, text=False)
        assert text.startswith("SELECT LEFT(")
        assert ";" not in text
        assert "%u" not in text
