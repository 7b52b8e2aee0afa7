"""Who logs in by which mechanism, before and after all rules; Dovecot judges.

A row that loses a mechanism must be one that the plan makes into a hash, and the mechanism one that it names;
without the word for it nothing is begun.
"""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mailauth.clients.sasl import CannotSayError, find
from mailauth.dovecot.authsocket import AuthSocket
from mailauth.lab import Lab
from tests.migrate.test_apply import Store
from tests.migrate.test_undo import stored_of

MECHANISMS = ("LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")
OFFERED = "auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256\nauth_failure_delay = 0\n"
HARMLESS = ("--trim", "--prefix", "--relabel", "--convert", "--mend")
HASHING = ("--rehash", "SSHA512")
FLAG = "--accept-mechanism-loss"
Ways = frozenset[tuple[str, str]]
"""Users and mechanisms that let them in."""


@dataclass(frozen=True, slots=True)
class Found:
    """``ways``: users and mechanisms, before; ``lost``: of them; ``wrong``: what must not be."""

    ways: int
    lost: int
    wrong: tuple[str, ...]


def lets_in(lab: Lab, mechanism: str, user: str, word: bytes) -> bool:
    found = find(mechanism)
    assert found
    try:
        with AuthSocket(lab.auth_socket) as auth:
            return auth.authenticate(mechanism, found.start(user, word).answer, begins=found.begins).ok
    except CannotSayError:
        return False


def ways(lab: Lab, words: Mapping[str, bytes], of: Ways | None = None) -> Ways:
    """Which let in; ``of``: which are tried, None: all."""
    every = ((user, mechanism) for user in words for mechanism in MECHANISMS)
    pairs = sorted(every if of is None else of)
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda pair: lets_in(lab, pair[1], pair[0], words[pair[0]]), pairs)
        return frozenset(pair for pair, ok in zip(pairs, answers, strict=True) if ok)


def judged_by_mechanism(one: Store, words: Mapping[str, bytes], folder: Path) -> Found:
    """The harmless rules, then all; each undone."""
    strings, before, wrong = stored_of(one), ways(one.lab, words), list[str]()
    done = json.loads(one.at("apply", *HARMLESS, "--apply", "--json", status=1))
    wrong += [
        f"lost without a word: {way}: {strings[way[0]]!r}" for way in before - ways(one.lab, words, before)
    ]
    one.at("undo", done["id"], "--apply")
    listed = folder / "listed.json"
    plan = json.loads(one.at("plan", *HARMLESS, *HASHING, "--json", "--users-out", str(listed), status=1))
    named = {row["user"] for row in json.loads(listed.read_text()) if "rehash" in row["what"]}
    if plan["losing"]:
        one.at("apply", *HARMLESS, *HASHING, "--apply", status=1)
        if stored_of(one) != strings:
            wrong.append("begun without the word for it")
    done = json.loads(one.at("apply", *HARMLESS, *HASHING, "--apply", "--json", FLAG, status=1))
    lost = before - ways(one.lab, words, before)
    wrong += [
        f"lost, and not named: {user} {mechanism}: {strings[user]!r}"
        for user, mechanism in lost
        if user not in named or mechanism not in plan["losing"]
    ]
    one.at("undo", done["id"], "--apply")
    if stored_of(one) != strings or ways(one.lab, words, before) != before:
        wrong.append("the undo is not exact")
    return Found(len(before), len(lost), tuple(wrong))
