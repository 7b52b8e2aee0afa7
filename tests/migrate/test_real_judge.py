"""Every kind of string, all rules at once, on real stores: Dovecot judges who logs in, before and after.

The grid of all default schemes and versions is judged in-process: test_never_guesses.py.
"""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from mailauth.lab import Lab
from tests.migrate.test_apply import Make, migrated
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
    fits = [one for one in WORDS if store != "passwd-file" or not set(one) & set(":\r\n")]
    strings = {f"u{number}": one for number, one in enumerate(fits)}
    extra = {"sql_extra": f"default_pass_scheme = {scheme}"} if scheme else {}
    one = migrated(version, store, dict(strings), **extra)
    words = {user: (stored if stored in PASSWORDS else SECRET).encode() for user, stored in strings.items()}
    logged_in = dict(zip(words, judged(one.lab, list(words.items())), strict=True))
    planned = json.loads(one.at("plan", *EVERY, "--json", status=1))
    done = json.loads(one.at("apply", *EVERY, "--apply", "--json", "--batch", "50", status=1))
    unsure = sum(line["rows"] for line in planned["lines"] if line["unsure"])
    assert done["report"]["undecided"] == unsure > 0
    now = stored_of(one)
    changed = [user for user in strings if now[user] != strings[user]]
    assert len(changed) == done["report"]["written"] > 0
    for user, still in zip(changed, judged(one.lab, [(user, words[user]) for user in changed]), strict=True):
        assert still or not logged_in[user], f"locked out: {strings[user]!r} became {now[user]!r}"
    hashes = [user for user in changed if strings[user].removeprefix("{PLAIN}").encode() != words[user]]
    for user, another in zip(
        hashes, judged(one.lab, [(user, strings[user].encode()) for user in hashes]), strict=True
    ):
        assert not another, f"the old string logs in: {strings[user]!r}"
    one.at("undo", done["id"], "--apply")
    assert stored_of(one) == strings
