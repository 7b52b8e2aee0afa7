"""Every kind of string, all rules at once, on real stores: Dovecot judges who logs in, before and after.

The grid of all default schemes and versions is judged in-process: test_never_guesses.py.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from mailauth.lab import Lab
from tests.migrate.test_apply import Make, Store, migrated
from tests.migrate.test_never_guesses import BARE, LOCKS, OTHERS, SECRET, TAKEN
from tests.migrate.test_undo import stored_of

__all__ = ["migrated"]
EVERY = ("--trim", "--prefix", "--relabel", "--convert", "--mend", "--rehash", "SSHA512")
PASSWORDS = (SECRET, "correct horse", " padded ", "geheim!", "p\u00e4ss")
WORDS = list(dict.fromkeys([*TAKEN, *OTHERS, *BARE, *LOCKS, *PASSWORDS]))


def judged(lab: Lab, pairs: list[tuple[str, bytes]]) -> list[bool]:
    """Whether each logs in with that password."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda pair: lab.login(*pair).ok, pairs))


@dataclass(frozen=True, slots=True)
class Judged:
    """What all rules at once came to, by Dovecot's own word; ``wrong``: what must not be."""

    rows: int
    logged_in: int
    written: int
    undecided: int
    broken: int
    wrong: tuple[str, ...]


def strings_of(store: str) -> dict[str, str | None]:
    """Every kind, those only that a line of a passwd-file can hold where it is one."""
    fits = [one for one in WORDS if store != "passwd-file" or not set(one) & set(":\r\n")]
    return {f"u{number}": one for number, one in enumerate(fits)}


def words_of(strings: dict[str, str | None]) -> dict[str, bytes]:
    """Everybody's password."""
    return {user: (stored if stored in PASSWORDS else SECRET).encode() for user, stored in strings.items()}


def carried_out(one: Store, strings: dict[str, str | None], *accepting: str) -> Judged:
    """Apply all rules, log everyone in before and after, with the password and with the old string; undo."""
    words = words_of(strings)
    logged_in = dict(zip(words, judged(one.lab, list(words.items())), strict=True))
    planned = json.loads(one.at("plan", *EVERY, "--json", status=1))
    done = json.loads(one.at("apply", *EVERY, "--apply", "--json", "--batch", "50", *accepting, status=1))
    unsure = sum(line["rows"] for line in planned["lines"] if line["unsure"])
    now = stored_of(one)
    changed = [user for user in strings if now[user] != strings[user]]
    wrong = []
    if len(changed) != done["report"]["written"] or unsure != done["report"]["undecided"]:
        wrong.append(f"{len(changed)} changed, {unsure} undecided, but {done['report']}")
    after = judged(one.lab, [(user, words[user]) for user in changed])
    wrong += [
        f"locked out: {strings[user]!r} became {now[user]!r}"
        for user, still in zip(changed, after, strict=True)
        if logged_in[user] and not still
    ]
    old = {user: (strings[user] or "").encode() for user in changed}
    hashes = [user for user in changed if old[user].removeprefix(b"{PLAIN}") != words[user]]
    wrong += [
        f"the old string logs in: {strings[user]!r} became {now[user]!r}"
        for user, another in zip(hashes, judged(one.lab, [(user, old[user]) for user in hashes]), strict=True)
        if another
    ]
    one.at("undo", done["id"], "--apply")
    if stored_of(one) != strings:
        wrong.append("the undo is not exact")
    report = done["report"]
    return Judged(
        len(strings),
        sum(logged_in.values()),
        report["written"],
        report["undecided"],
        report["broken"],
        tuple(wrong),
    )


def extra_of(version: str, store: str, scheme: str) -> dict[str, str]:
    """The lab's options that make ``scheme`` the default; 2.3's passwd-file has its own, CRYPT."""
    if not scheme:
        return {}
    if version < "2.4":
        return {"sql_extra": f"default_pass_scheme = {scheme}"}
    return {
        "passdb_extra"
        if store == "passwd-file"
        else "sql_extra": f"passdb_default_password_scheme = {scheme}"
    }


@pytest.mark.parametrize(
    ("version", "store", "scheme"),
    [
        ("2.3.19.1", "passwd-file", ""),
        ("2.3.19.1", "mysql", "PLAIN"),
        ("2.3.19.1", "pgsql", "CRYPT"),
        ("2.4.1", "sqlite", ""),
    ],
)
def test_who_logs_in_still_does_and_no_other_password_does(
    migrated: Make, version: str, store: str, scheme: str
) -> None:
    strings = strings_of(store)
    one = migrated(version, store, dict(strings), **extra_of(version, store, scheme))
    found = carried_out(one, strings)
    assert not found.wrong
    assert found.written
    assert found.undecided
