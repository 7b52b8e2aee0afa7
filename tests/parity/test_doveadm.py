"""Ours verifies theirs and theirs verifies ours: every scheme, encoding and version; right and wrong."""

from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest

from mailauth.hashes import SCHEMES, Password, Verdict, generate, verify
from mailauth.hashes.accepts import missing

PASSWORDS = ("secret", "pässwörd€", "p w!$%'\"{}", "x" * 76 + "tail")
NAMES = [f"{scheme.name}{dot}" for scheme in SCHEMES for dot in ("", ".HEX", ".b64", ".base64")]
CHEAP: dict[str, dict[str, int]] = {
    "ARGON2I": {"memory": 1024},
    "ARGON2ID": {"memory": 1024},
    "ARGON2": {"memory": 1024},
    "BLF-CRYPT": {"cost": 4},
    "CRYPT": {"cost": 4},
    "PBKDF2": {"rounds": 4096},
    "SCRAM-SHA-1": {"rounds": 4096},
    "SCRAM-SHA-256": {"rounds": 4096},
    "SHA256-CRYPT": {"rounds": 1000},
    "SHA512-CRYPT": {"rounds": 1000},
    "OTP": {"rounds": 9},
}
BROKEN = "PLAIN-TRUNC"  # doveadm makes it without the length that it then wants


@pytest.mark.core
def test_we_know_the_schemes_that_doveadm_lists(doveadm: Any) -> None:
    _, listed, _ = doveadm.run("-l")
    ours = {scheme.name for scheme in SCHEMES if missing(scheme, doveadm.release) is None}
    assert ours == set(listed.split())


@pytest.mark.core
@pytest.mark.parametrize("scheme", [scheme.name for scheme in SCHEMES])
def test_each_verifies_what_the_other_makes(scheme: str, doveadm: Any, fuzz: ModuleType) -> None:
    names = [name for name in NAMES if name.partition(".")[0] == scheme]
    unknown = missing(SCHEMES[[one.name for one in SCHEMES].index(scheme)], doveadm.release)
    if unknown is not None:
        stored = generate(scheme, Password.of("secret"), user="", **CHEAP.get(scheme, {}))
        assert doveadm.judge(stored, "secret")[0] == "error"
        return
    with ThreadPoolExecutor(2) as pool:
        pairs = [(name, password) for name in names for password in PASSWORDS[: 4 if name == scheme else 1]]
        for apart in pool.map(lambda pair: _both_ways(pair[0], pair[1], doveadm, fuzz.USER), pairs):
            assert not apart


def _both_ways(name: str, password: str, doveadm: Any, user: str) -> list[str]:
    apart: list[str] = []
    scheme = name.partition(".")[0]
    ours = generate(name, Password.of(password), user=user, **CHEAP.get(scheme, {}))
    for given, verdict in ((password, "match"), ("wrong!", "mismatch")):
        if doveadm.judge(ours, given, user)[0] != verdict:
            apart.append(f"theirs does not say {verdict} of ours: {ours}")
    if scheme == BROKEN:
        return apart
    code, out, said = doveadm.run("-s", name, "-p", password, "-u", user)
    theirs = out.removesuffix("\n")
    if code:
        return [*apart, f"doveadm makes no {name}: {said}"]
    for given, wanted in ((password, Verdict.MATCH), ("wrong!", Verdict.MISMATCH)):
        judged = verify(
            theirs,
            Password.of(given),
            user=user,
            default_scheme=None,
            dovecot=doveadm.release,
            allow_weak=True,
        )
        if judged.verdict is not wanted:
            apart.append(f"ours does not say {wanted.value} of theirs: {theirs} {judged}")
    return apart


@pytest.mark.core
def test_300_mutated_strings_are_judged_alike(doveadm: Any, fuzz: ModuleType) -> None:
    result = fuzz.run(20261124, 300, [doveadm])
    assert result["apart"] == []
    assert result["slow"] == 0


def test_a_2_3_hash_under_the_name_of_2_4_is_unknown_there(fuzz: ModuleType) -> None:
    """{ARGON2} is 2.4's: whoever writes it for 2.3 locks the user out."""
    stored = generate("ARGON2", Password.of("secret"), memory=1024)
    judged = verify(stored, Password.of("secret"), dovecot=(2, 3, 19, 1))
    assert judged.verdict is Verdict.UNSUPPORTED
    assert fuzz.USER not in judged.reason
