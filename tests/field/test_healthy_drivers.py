"""Healthy servers of each driver that is no SQL database and no passwd-file: a login decides each."""

import os
from collections.abc import Callable, Mapping

import pytest

from mailauth.lab import KINDS, STORES, Lab
from tests.lab.test_stores import ACCOUNTS, hashed
from tests.proofs.story import SECRET, MiB, Proof, argon2id, record
from tests.proofs.test_healthy import made

DRIVERS = [name for name in KINDS if name not in STORES and KINDS[name].keeps == "hash"]
ALICE = {"alice": hashed(SECRET)}
# What crypt(3) takes, and so each keeper of accounts; what slapd verifies by a bind; what Dovecot does.
OF_CRYPT = {
    "of-sha256": "{CRYPT}" + made("SHA256-CRYPT", rounds=5000).partition("}")[2],
    "of-yescrypt": made("CRYPT", kind="$y$"),
    "of-bcrypt": made("BLF-CRYPT", cost=4),
}
OF_SLAPD = {"of-ssha": made("SSHA"), "of-yescrypt": made("CRYPT", kind="$y$")}
OF_DOVECOT = {
    "of-argon2": argon2id(memory=1 * MiB),
    "of-ssha512": made("SSHA512"),
    "of-pbkdf2": made("PBKDF2", rounds=5000),
    "as-it-is": "{PLAIN}" + SECRET.decode(),
}


def users_of(kind: str) -> Mapping[str, str]:
    if kind in ACCOUNTS:
        return ALICE | OF_CRYPT
    if kind in ("ldap-bind", "ldap-template"):
        return ALICE | OF_SLAPD
    return ALICE if kind in ("ldaps", "ldap-starttls") else ALICE | OF_DOVECOT


@pytest.mark.parametrize("kind", DRIVERS)
def test_nothing_is_found_on_a_healthy_server(
    lab: Callable[..., Lab], dovecot_version: str, kind: str
) -> None:
    """Each user has a hash of another kind."""
    if KINDS[kind].last == "2.3" and dovecot_version.startswith("2.4"):
        pytest.skip(f"2.4 has no passdb {kind}")
    if os.geteuid() != 0 and kind in ACCOUNTS:
        pytest.skip("accounts need root")
    users = users_of(kind)
    with lab(dovecot_version, kind, users) as one:
        for user in users:
            Proof(one, user=user).finds(set(), password=SECRET, login=True)
            record(one, f"healthy: {kind}, {user}", [])
