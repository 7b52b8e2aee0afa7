"""Digests without their scheme, under any default: named, proven by the password, mended by the prefix."""

import base64
import hashlib
from collections.abc import Callable

import pytest

from mailauth.diagnosing import Target, look
from mailauth.dovecot.doveadm import at_pid
from mailauth.evidence import StoredHash
from mailauth.finding import Finding
from mailauth.hashes import Password, generate
from mailauth.hashes.damaged import Kind
from mailauth.hashes.digests import md4
from mailauth.hashes.way_back import mended
from mailauth.lab import Lab
from mailauth.lab.stores import SqlStore
from mailauth.probes.readers import reader_of
from tests.proofs.story import SECRET

DEFAULTS = ("SHA512-CRYPT", "CRYPT", "MD5-CRYPT", "BLF-CRYPT", "SSHA512", "MD5", "PLAIN")


def digest(name: str) -> bytes:
    return hashlib.new(name, SECRET, usedforsecurity=False).digest()


USERS: dict[str, str] = {
    "sha512": digest("sha512").hex(),
    "sha512-capitals": digest("sha512").hex().upper(),
    "sha256": digest("sha256").hex(),
    "sha1": digest("sha1").hex(),
    "nt": md4(SECRET.decode().encode("utf-16-le")).hex(),
    "sha512-64": base64.b64encode(digest("sha512")).decode(),
    "sha1-64": base64.b64encode(digest("sha1")).decode(),
    "ssha": generate("SSHA", Password(SECRET)).partition("}")[2],
    "cram": generate("CRAM-MD5", Password(SECRET)).partition("}")[2],
}


@pytest.mark.parametrize("default", DEFAULTS)
def test_the_password_proves_what_it_is_and_the_prefix_mends_it(
    lab: Callable[..., Lab], default: str
) -> None:
    """Never "wrong (proven)", never lost; without the password no wrong scheme is named."""
    rows: dict[str, str | None] = dict(USERS)
    with lab("2.3.19.1", "sqlite", rows, sql_extra=f"default_pass_scheme = {default}") as one:
        dovecot = at_pid(one.master_pid, None)
        for user in USERS:
            assert not one.login(user, SECRET).ok, user
            looked = look(Target(user, dovecot, Password(SECRET), variants=0.2))
            codes = {found.rule.code for found in looked.diagnosis.findings if found.rule.code != "HASH024"}
            assert codes == {"HASH004"}, (user, codes)
            case = looked.cases[0]
            again = mended(case.record.stored, reader_of(looked.config, case.passdb), Password(SECRET))
            assert again, user
            one.set_password(user, again.decode())
            assert one.login(user, SECRET).ok, user


def test_a_digest_that_counts_as_the_password_itself(lab: Callable[..., Lab], dovecot_version: str) -> None:
    """2.4's default scheme is PLAIN: without the password nobody can tell, and that is said."""
    name = "default_pass_scheme" if dovecot_version < "2.4" else "passdb_default_password_scheme"
    whole, random = base64.b64encode(digest("sha512")).decode(), "Xk29"  # a short one is what people choose
    rows: dict[str, str | None] = {"alice": digest("md5").hex(), "bob": SECRET.decode(), "dave": random}
    rows |= {"carol": whole, "cut": whole[:80]}
    with lab(dovecot_version, "sqlite", rows, sql_extra=f"{name} = PLAIN") as one:
        dovecot = at_pid(one.master_pid, None)
        diagnosis = look(Target("alice", dovecot)).diagnosis
        assert not diagnosis.findings
        [undecided] = diagnosis.undecided
        assert undecided.rule.code == "HASH024"
        assert "has the form of MD5 in hex digits" in undecided.missing.reason
        for user, form in (("carol", "SHA-512 in base64"), ("cut", "a digest that was cut off in base64")):
            assert not one.login(user, SECRET).ok
            [undecided] = look(Target(user, dovecot)).diagnosis.undecided
            assert f"has the form of {form}" in undecided.missing.reason
        found = look(Target("alice", dovecot, Password(SECRET))).diagnosis
        assert {finding.rule.code for finding in found.findings} == {"HASH004", "HASH024"}
        one.set_password("alice", "{PLAIN}" + SECRET.decode())
        for user in ("alice", "bob", "dave"):
            healthy = look(Target(user, dovecot)).diagnosis
            assert not (*healthy.findings, *healthy.undecided)


def test_a_digest_that_the_column_cut(lab: Callable[..., Lab]) -> None:
    """VARCHAR(106), under SHA512-CRYPT: HASH006 names the column, with the password and without."""
    with lab("2.3.19.1", "mysql", {"alice": "x"}, sql_extra="default_pass_scheme = SHA512-CRYPT") as one:
        assert isinstance(one.store, SqlStore)
        one.store.execute("ALTER TABLE users MODIFY password VARCHAR(106)")
        one.set_password("alice", USERS["sha512"][:106])
        dovecot = at_pid(one.master_pid, None)
        for password in (None, Password(SECRET)):
            diagnosis = look(Target("alice", dovecot, password)).diagnosis
            assert {found.rule.code for found in diagnosis.findings} == {"HASH006"}


def test_a_plaintext_under_a_hash_scheme_has_a_way_back(lab: Callable[..., Lab]) -> None:
    """{PLAIN} before it, or a hash of it: said, and no word of what is lost."""
    with lab("2.3.19.1", "sqlite", {"alice": "plain7word!"}, sql_extra="default_pass_scheme = CRYPT") as one:
        looked = look(Target("alice", at_pid(one.master_pid, None)))
        [found] = looked.diagnosis.findings
        seen = next(fact for fact in looked.diagnosis.evidence if isinstance(fact, StoredHash))
        assert seen.damage
        assert seen.damage.kind is Kind.PLAINTEXT
        assert _says(found, "{PLAIN}")
        assert _says(found, "--rehash")
        one.set_password("alice", "{PLAIN}plain7word!")
        assert one.login("alice", b"plain7word!").ok


def _says(found: Finding, words: str) -> bool:
    return words in found.problem.remedy.summary


@pytest.mark.parametrize(
    ("default", "says"),
    [
        ("SHA512", "60 bytes of 64"),
        ("SHA512-CRYPT", "80 characters of base64, where a digest has 88 or more"),
    ],
)
def test_a_digest_in_base64_that_was_cut_is_named_without_the_password(
    lab: Callable[..., Lab], default: str, says: str
) -> None:
    whole = base64.b64encode(digest("sha512")).decode()
    rows: dict[str, str | None] = {"cut": whole[:80], "named": f"{{SHA512}}{whole[:80]}"}
    with lab("2.3.19.1", "sqlite", rows, sql_extra=f"default_pass_scheme = {default}") as one:
        for user, words in (("cut", says), ("named", "60 bytes of 64")):
            assert not one.login(user, SECRET).ok
            [found] = look(Target(user, at_pid(one.master_pid, None))).diagnosis.findings
            assert found.rule.code == "HASH005"
            assert f"cut off: {words}" in found.problem.says
