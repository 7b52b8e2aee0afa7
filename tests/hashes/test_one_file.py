"""A scheme is one file: what the rest of mailauth asks of it, it asks of the record, and not of its name."""

import re
from pathlib import Path

import pytest

from mailauth.hashes import SCHEMES, Flaw, Password, Scheme, generate, named, parse

PACKAGE = Path(__file__).parent.parent.parent / "mailauth"
FAMILIES = {f"hashes/{one}.py" for one in ("argon2", "bcrypt", "challenge", "crypt", "digest", "md5crypt")}
FAMILIES |= {f"hashes/{one}.py" for one in ("pbkdf2", "plain", "scram")}
NAMES = "|".join(one.name for one in SCHEMES)
BY_NAME = re.compile(
    rf"""(?:scheme|name|names)(?:\.name|\.upper\(\))? (?:[!=]=|(?:not )?in) [({{\[]?"(?:{NAMES})"|"""
    r"""\.startswith\(\(?"(?:ARGON2|SCRAM|BLF|SHA|MD5|PLAIN|CLEAR)|frozenset\(\s*\{"(?:PLAIN|CRYPT|ARGON2)"""
)
# Mechanisms of these names; other programs' names; what is left of a hash whose name a shell ate.
NOT_OF_SCHEMES = {
    "hashes/accepts.py",
    "clients/sasl.py",
    "rules/conf010_mechanisms.py",
    "probes/mechanisms.py",
    "hashes/damage_forms.py",
    "migrate/decide.py",
}


def test_no_other_file_asks_for_a_scheme_by_its_name() -> None:
    found = {
        f"{path.relative_to(PACKAGE)}: {found[0]}"
        for path in PACKAGE.rglob("*.py")
        if str(path.relative_to(PACKAGE)) not in FAMILIES | NOT_OF_SCHEMES
        for found in BY_NAME.finditer(path.read_text())
    }
    assert found == set()


def said(scheme: Scheme) -> tuple[object, ...]:
    return (
        *(scheme.library, scheme.stores_password, scheme.partly, scheme.mechanisms, scheme.families),
        *(scheme.verify, scheme.memory, scheme.reads, scheme.strength),
    )


def test_an_alias_is_a_name() -> None:
    assert not [alias for one in SCHEMES for alias in one.aliases if named(alias) is None]


@pytest.mark.parametrize("name", ["ARGON2", "CLEAR", "CLEARTEXT", "HMAC-MD5", "SHA1"])
def test_an_alias_is_the_same_in_all_that_is_asked_of_it(name: str) -> None:
    scheme = named(name)
    assert scheme
    for alias in scheme.aliases:
        other = named(alias)
        assert other
        assert said(other) == said(scheme)


@pytest.mark.parametrize(
    ("stored", "reads"),
    [
        ("{BLF-CRYPT}$2y$04$abcdefghijklmnopqrstuuwmFLtm6iTBAsNYdPlgOoqfFEHJiV01u", 72),
        ("{CRYPT}$2y$04$abcdefghijklmnopqrstuuwmFLtm6iTBAsNYdPlgOoqfFEHJiV01u", 72),
        ("{DES-CRYPT}abJnggxhB/yWI", 8),
        ("{CRYPT}abJnggxhB/yWI", 8),
        ("{PLAIN-TRUNC}3-abc", 3),
        ("{PLAIN-TRUNC}4-abc", None),
        (generate("SHA512-CRYPT", Password.of("x")), None),
        ("{PLAIN}x", None),
    ],
)
def test_how_many_bytes_of_a_password_count(stored: str, reads: int | None) -> None:
    parsed = parse(stored)
    assert not isinstance(parsed, Flaw), parsed
    assert parsed.reads == reads
