"""One judgement: diagnose, --all, audit, check, migrate and hash show say the same of every stored string."""

import base64
import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from mailauth.diagnose_all import Checkup, look_at_all
from mailauth.diagnosing import Target, look
from mailauth.dovecot.doveadm import at_pid
from mailauth.evidence import StoredHash, Surveys
from mailauth.hashes import Password, generate
from mailauth.hashes.damaged import Damage, Fate, Kind, Reader, fate
from mailauth.hashes.explain import explain
from mailauth.hashes.hash import Scheme
from mailauth.hashes.headline import headline
from mailauth.hashes.nature import judged
from mailauth.hashes.schemes import SCHEMES
from mailauth.lab import Lab
from mailauth.migrate.decide import Action, Rule, Wishes, decide
from mailauth.migrate.goal import Goal
from mailauth.stores import forms
from mailauth.stores.rows import Survey
from mailauth.stores.string_counts import Question, Tally
from tests.proofs.story import SECRET

MakeLab = Callable[..., Lab]
VECTORS = Path(__file__).parents[1] / "hashes/vectors"
SHA512, MD5 = hashlib.sha512(SECRET).hexdigest(), hashlib.md5(SECRET, usedforsecurity=False).hexdigest()
CRYPTED = generate("SHA512-CRYPT", Password(SECRET), rounds=1000)
BARE = CRYPTED.partition("}")[2]
SSHA = generate("SSHA", Password(SECRET))
IN_BASE64 = [base64.b64encode(one.encode()).decode() for one in (SSHA, BARE, CRYPTED, "{PLAIN}secret")]
HAND_MADE = [
    CRYPTED, CRYPTED + "\r", CRYPTED[:-1], CRYPTED + "x", BARE, BARE + " ", "!", "*", "!!", "!" + BARE,
    "*LK*", "x", "", "{CRYPT}!", "{PLAIN}!", "{PLAIN}", "{PLAIN}" + BARE, "NULL", "0", "1", "{", "[]",
    "secret", "correct horse", "Tr0ub4dor&3", "a!b@c#d^e~f?ghij", "{PLAIN}secret1", SHA512, SHA512[:106],
    SHA512.upper(), MD5, MD5[:20], hashlib.sha1(SECRET, usedforsecurity=False).hexdigest(),
    "1234567890123456",
    "deadbeefdeadbeef", "abcdefghijklm", "Correct1horsE", "{SSHA512}" + SHA512, "3|" + BARE,
    "$P$Bsv1oNXLeIkByhnTPc/jauJuzkFrby/", MD5 + ":ab",
    *IN_BASE64, *(one.rstrip("=") for one in IN_BASE64), "{SSHA}" + IN_BASE64[0], "{PLAIN}" + IN_BASE64[0],
    "{SSHA}" + SSHA.encode().hex(), SSHA.encode().hex(), SSHA.encode().hex().upper(),
]  # fmt: skip


def vectors() -> list[str]:
    found = [
        one["hash"] for one in json.loads((VECTORS / "schemes.json").read_text())["vectors"] if "hash" in one
    ]
    found += [
        one["stored"]
        for one in json.loads((VECTORS / "edge_cases.json").read_text())["cases"]
        if "stored" in one
    ]
    found += [one["example"] for one in json.loads((VECTORS / "foreign.json").read_text())["conversions"]]
    found += [one.partition("}")[2] for one in found[::7]]
    return [one for one in [*HAND_MADE, *found] if "\0" not in one]


def of_tally(stored: bytes, reader: Reader) -> Damage | None:
    tally = Tally(Question(reader))
    tally.add(stored, (b"u",))
    return tally.classes()[0].damage


@pytest.mark.parametrize("default", ["PLAIN", "CRYPT", "MD5", "SSHA512", "SSHA"])
def test_every_vector_is_judged_alike(default: str) -> None:
    """What a survey counts, what a migration leaves as broken, and what hash show says first."""
    reader = Reader((2, 4, 1), default, prefixing=True)
    shared = Tally(Question(reader, names=10_000))
    fates: dict[str, Fate] = {}
    for number, text in enumerate(vectors()):
        stored = text.encode("utf-8", "surrogateescape")
        seen = judged(stored, reader)
        fates[f"u{number}"] = seen.fate
        shared.add(stored, (f"u{number}".encode(),))
        assert fate(of_tally(stored, reader)) is seen.fate, text
        decision = decide(stored, Wishes((Rule(Action.REHASH),), Goal(), reader))
        if seen.fate in (Fate.NEVER, Fate.REFUSED, Fate.UNKNOWN):
            assert not decision.acts, text
            assert decision.broken or decision.unsure, text
        if seen.fate is Fate.SOUND:
            assert not decision.broken, text
        said = explain(stored, default_scheme=default, dovecot=reader.dovecot)
        in_file = judged(stored, Reader(reader.dovecot, default))
        also = "" if in_file.fate is seen.fate else f"; in a database: {headline(stored, seen)}"
        assert said.headline == headline(stored, in_file) + also
    together = {user: one.fate for one in shared.classes() for user in one.users}
    assert together == fates


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda one: one.name)
def test_base64_of_a_whole_string_is_that_whatever_the_default_scheme(scheme: Scheme) -> None:
    """With its padding and without, and in hex: no scheme has digits that begin with a scheme's name."""
    whole = generate(scheme.name, Password(SECRET), user="u").encode()
    coded = base64.b64encode(whole)
    for text in (coded, coded.rstrip(b"="), whole.hex().encode(), b"{SSHA}" + coded, b"{PLAIN}" + coded):
        for default in SCHEMES:
            for version in ((2, 3, 19, 1), (2, 4, 1)):
                seen = judged(text, Reader(version, default.name, allow_weak=True))
                assert seen.damage, (text, default.name)
                assert seen.damage.kind is Kind.NOTATION, (text, default.name, seen.damage)


def test_what_stands_for_all_passwords_is_one() -> None:
    """The stand-in of the grouping, and whatever it stands for, is a password and nothing else."""
    chance = random.Random(5)  # noqa: S311 - only a mix
    reader = Reader((2, 4, 1), "PLAIN", prefixing=True)
    signs = "abzAZ09!?#@~^._+/=,<>*-:$ {}|%&"
    assert forms.ordinary(forms.STAND_IN.encode())
    ordinary = 0
    for _ in range(20_000):
        text = "".join(chance.choice(signs) for _ in range(chance.randrange(1, 36))).encode()
        if forms.ordinary(text):
            ordinary += 1
            seen = judged(text, reader)
            assert (seen.damage, seen.perhaps) == (None, ()), text
    assert ordinary > 100


def rows() -> dict[str, str | None]:
    kept = [one for one in HAND_MADE if ":" not in one]
    found: dict[str, str | None] = {f"u{number}": one for number, one in enumerate(kept)}
    return found | {f"p{number}": f"geheim{number}!" for number in range(10)}


def surveyed(lab: Lab) -> tuple[Survey, set[str]]:
    looked = look_at_all(Checkup(at_pid(lab.master_pid, None), names=1000))
    surveys = next(fact for fact in looked.diagnosis.evidence if isinstance(fact, Surveys))
    return surveys.stores[0].survey, {one.rule.code for one in looked.diagnosis.findings}


def test_diagnose_and_the_survey_agree_about_each_row(lab: MakeLab, store: str) -> None:
    """Under 2.4.1's default, with locks, digests and passwords side by side; and so does Dovecot."""
    users = rows()
    with lab("2.4.1", store, users) as one:
        survey, codes = surveyed(one)
        assert survey.rows == len(users)
        dovecot = at_pid(one.master_pid, None)
        counted = {fate: sum(c.rows for c in survey.classes if c.fate is fate) for fate in Fate}
        expected = dict.fromkeys(Fate, 0)
        for user, stored in users.items():
            evidence = look(Target(user, dovecot)).diagnosis.evidence
            seen = next(fact for fact in evidence if isinstance(fact, StoredHash))
            expected[fate(seen.damage)] += 1
            if (stored or "").startswith("{PLAIN}") and fate(seen.damage) is Fate.SOUND:
                assert one.login(user, (stored or "")[7:].encode()).ok
        assert counted == expected
        assert all(one.login(f"p{number}", f"geheim{number}!".encode()).ok for number in range(10))
        plain = [c for c in survey.classes if c.fate is Fate.SOUND and {"p0", "p9"} & set(c.users)]
        assert plain, "the passwords are sound"
        bang = next(user for user, stored in users.items() if stored == "!")
        default = "PLAIN" in {c.scheme for c in survey.classes if not c.prefixed}
        assert ("STORE010" in codes) == one.login(bang, b"!").ok == default


def test_a_lock_that_is_the_password_is_told_and_a_lock_that_locks_is_none(lab: MakeLab, store: str) -> None:
    """HASH035 where "!" logs in; where it does not, no alarm of --all, and diagnose says: locked."""
    with lab("2.4.1", store, {"alice": "!", "bob": "{CRYPT}!", "carl": "{PLAIN}*"}) as one:
        dovecot = at_pid(one.master_pid, None)
        found = {
            user: {f.rule.code for f in look(Target(user, dovecot)).diagnosis.findings}
            for user in ("alice", "bob", "carl")
        }
        opens = one.login("alice", b"!").ok
        assert ("HASH035" in found["alice"]) == opens
        assert "HASH001" not in found["alice"] or not opens
        assert one.login("carl", b"*").ok
        assert "HASH035" in found["carl"]
        assert "HASH035" not in found["bob"]
        survey, codes = surveyed(one)
        assert "STORE010" in codes
        assert "STORE001" not in codes
        assert {user for c in survey.classes if c.fate is Fate.LOCKED for user in c.users} >= {"bob"}
