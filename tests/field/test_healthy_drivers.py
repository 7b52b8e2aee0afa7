"""A healthy server of each driver: a login decides it, and nothing is found."""

import os
from collections.abc import Callable

import pytest

from mailauth.lab import KINDS, STORES, Lab
from tests.lab.test_stores import ACCOUNTS, hashed
from tests.proofs.story import SECRET, Proof

DRIVERS = [name for name in KINDS if name not in STORES and KINDS[name].keeps == "hash"]


@pytest.mark.parametrize("kind", DRIVERS)
def test_nothing_is_found_on_a_healthy_server(
    lab: Callable[..., Lab], dovecot_version: str, kind: str
) -> None:
    if KINDS[kind].last == "2.3" and dovecot_version.startswith("2.4"):
        pytest.skip(f"2.4 has no passdb {kind}")
    if os.geteuid() != 0 and kind in ACCOUNTS:
        pytest.skip("accounts need root")
    with lab(dovecot_version, kind, {"alice": hashed(SECRET)}) as one:
        Proof(one).finds(set(), password=SECRET, login=True)
