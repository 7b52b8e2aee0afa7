"""Every measured case gives the verdict that Dovecot gave.

The vectors are those of ``doveadm pw -t`` of 2.3.19.1 and 2.4.1, which allows weak schemes.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from mailauth.hashes import Password, Verdict, parse, verify
from mailauth.hashes.foreign import convert

VECTORS = Path(__file__).parent / "vectors"
RELEASES = {"2.3": (2, 3, 19, 1), "2.4": (2, 4, 1)}
ERRORS = (Verdict.MALFORMED, Verdict.UNSUPPORTED)


def load(name: str, key: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((VECTORS / name).read_text())[key]
    return rows


def password(text: str) -> Password:
    return Password(bytes.fromhex(text[4:])) if text.startswith("hex:") else Password.of(text)


def word(verdict: Verdict) -> str:
    return "error" if verdict in ERRORS else verdict.value


def judged(stored: str | bytes, row: dict[str, Any], release: str) -> str:
    judgement = verify(
        stored,
        password(row["password"]),
        user=row.get("user") or "",
        default_scheme=None,
        dovecot=RELEASES[release],
        allow_weak=True,
    )
    return word(judgement.verdict)


def schemes() -> list[str]:
    return sorted({row["scheme"].partition(".")[0] for row in load("schemes.json", "vectors")})


@pytest.mark.parametrize("scheme", schemes())
def test_each_vector_of_a_scheme_gives_its_verdict(scheme: str) -> None:
    for row in load("schemes.json", "vectors"):
        if row["scheme"].partition(".")[0] == scheme:
            stored = row["hash"] if "hash" in row else bytes.fromhex(row["hash_hex"])
            release = row.get("dovecot") or row["origin"].split()[-1]
            assert row["verdict"] == judged(stored, row, release), row


@pytest.mark.parametrize("group", ["argon2_cross", "argon2_strings", "bcrypt_crypt", "encoding_edge"])
@pytest.mark.parametrize("release", RELEASES)
def test_each_edge_case_gives_its_verdict(group: str, release: str) -> None:
    for row in load("edge_cases.json", "cases"):
        if row["group"] == group and row[f"dovecot_{release}"] != "n/a":
            assert row[f"dovecot_{release}"] == judged(row["stored"], row, release), row


def conversions() -> list[Any]:
    """All but the one whose example is not whole."""
    rows = load("foreign.json", "conversions")
    return [pytest.param(row, id=row["source"].strip()) for row in rows if '..."}' not in row["example"]]


@pytest.mark.parametrize("row", conversions())
def test_each_foreign_hash_becomes_one_that_its_password_matches_or_none(row: dict[str, Any]) -> None:
    found = convert(row["example"], password=password(row["password"]))
    if row["convertible"] == "NO":
        assert found.dovecot is None
        assert found.reason
    else:
        assert found.dovecot is not None, found
        assert verify(found.dovecot, password(row["password"])).verdict is Verdict.MATCH
        assert verify(found.dovecot, Password.of("wrong!")).verdict is Verdict.MISMATCH


def test_a_foreign_hash_is_converted_without_its_password_too() -> None:
    """All but what only a password can tell: that a pepper was added."""
    for row in load("foreign.json", "conversions"):
        if not row["example"].endswith('..."}') and "pepper" not in row["source"]:
            assert (convert(row["example"]).dovecot is None) == (row["convertible"] == "NO"), row


def test_no_vector_shows_a_byte_of_salt_or_digest() -> None:
    for row in load("schemes.json", "vectors"):
        if "hash" not in row or row["scheme"].startswith(("OTP", "PLAIN", "CLEAR")):
            continue
        parsed = parse(row["hash"], default_scheme=None)
        for part in row["hash"].replace(",", "$").split("$"):
            if len(part) > 12 and not part.startswith(("m=", "rounds=", "{")):
                assert part not in repr(parsed)
                assert part not in str(parsed)
