"""A password that is wrong, and nearly right; and one that is longer than the scheme reads."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from mailauth.evidence import PasswordVariant
from mailauth.finding import Certainty
from mailauth.hashes import Password, generate
from mailauth.hashes.variants import variants
from mailauth.lab import Lab
from tests.proofs.story import Fault, MiB, Proof, argon2id

Make = Callable[..., Proof]
Stored = Callable[[bytes], str]

MIXED = b"Quay Zebra!8"


def small(password: bytes) -> str:
    return argon2id(password, memory=1 * MiB)


def nearly(told: Proof, sent: bytes, hashed: bytes, code: str) -> None:
    """``sent`` is what the client has, ``hashed`` what the stored hash is of: the real Dovecot says so."""
    told.password = sent
    told.lab.set_password("alice", small(hashed))
    assert told.logins() == [False]
    assert told.lab.login("alice", hashed).ok
    [found] = told.finds({code}, password=sent)
    assert found.problem.certainty is Certainty.PROVEN


def whole_story(told: Proof, sent: bytes, hashed: bytes, code: str, name: str) -> None:
    """Found, mended, and found no more; without the password nothing is."""
    told.password = sent
    told.lab.set_password("alice", small(sent))

    def again(lab: Lab) -> None:
        lab.set_password("alice", small(sent))

    fault = Fault(users={"alice": small(hashed)}, name=name)
    told.story(fault, {code}, answers=[False], unasked=set(), mend=again)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_hash011(proof: Make, dovecot_version: str, end: bytes) -> None:
    """``echo password | argon2``: found, and the remedy, which sets the password again, mends the login."""
    told = proof(dovecot_version, "pgsql" if end == b"\n" else "sqlite", {"alice": small(MIXED)})
    told.password = MIXED
    fault = Fault(users={"alice": small(MIXED + end)}, name="a line end hashed in")
    [found] = told.story(fault, {"HASH011"}, answers=[False], unasked=set())
    assert found.problem.certainty is Certainty.PROVEN
    assert told.lab.login("alice", MIXED).ok


CASES = {
    "Caps Lock": (b"qUAY zEBRA!8", MIXED, "PASS002"),
    "a capital at the beginning": (b"Quay", b"quay", "PASS002"),
    "a blank after it": (MIXED + b" ", MIXED, "PASS003"),
    "a blank was set": (MIXED, MIXED + b" ", "PASS003"),
    "blanks around it": (b"  " + MIXED + b" ", MIXED, "PASS003"),
    "a no-break blank": ("Quay\u00a0Zebra!8".encode(), MIXED, "PASS003"),
    "a zero-width space": ("Quay Zebra!8\u200b".encode(), MIXED, "PASS003"),
    "y and z exchanged": (b"Quaz Yebra!8", MIXED, "PASS004"),
    "German for US": (b"Quaz_Yebra-12", b"Quay?Zebra/12", "PASS004"),
    "French for US": (b"qwerty!@", b"azerty12", "PASS004"),
    "Cyrillic for US": ("\u0437\u0444\u044b\u044b\u0446\u0449\u043a\u0432".encode(), b"password", "PASS004"),
    "decomposed": ("Gr\u0075\u0308n".encode(), "Gr\u00fcn".encode(), "PASS005"),
    "composed": ("Gr\u00fcn".encode(), "Gr\u0075\u0308n".encode(), "PASS005"),
    "Latin-1 was set": ("Gr\u00fcn".encode(), "Gr\u00fcn".encode("latin-1"), "PASS005"),
    "Latin-1 is sent": ("Gr\u00fcn".encode("latin-1"), "Gr\u00fcn".encode(), "PASS005"),
    "Windows-1252": ("10\u20ac".encode(), "10\u20ac".encode("cp1252"), "PASS005"),
    "encoded twice": ("Gr\u00fcn".encode(), "Gr\u00c3\u00bcn".encode(), "PASS005"),
    "typographic quotes": ("\u201cpw\u201d".encode(), b'"pw"', "PASS005"),
    "full-width": ("\uff50\uff57\uff11\uff12".encode(), b"pw12", "PASS005"),
    "%40": (b"p%40ss", b"p@ss", "PASS008"),
    "%40 was set": (b"p@ss", b"p%40ss", "PASS008"),
    "&amp;": (b"a&amp;b", b"a&b", "PASS008"),
    "&amp; was set": (b"a&b", b"a&amp;b", "PASS008"),
    "a backslash": (b"it\\'s", b"it's", "PASS008"),
    "a shell's variable": (b"big$money7", b"big", "PASS008"),
    "quotes that a shell took": (b'a"quoted"b', b"aquotedb", "PASS008"),
    "an octal number of YAML": (b"0123", b"83", "PASS008"),
    "an unquoted argument": (b"two words of it", b"two", "PASS009"),
    "cut at 72 bytes": (b"long " * 20, (b"long " * 20)[:72], "PASS009"),
    "cut at 8 bytes": (b"eight bytes", b"eight by", "PASS009"),
}


@pytest.mark.core
@pytest.mark.parametrize("code", ["PASS002", "PASS003", "PASS004", "PASS005", "PASS008", "PASS009"])
def test_nearly_right(proof: Make, dovecot_version: str, code: str) -> None:
    """Each change, in a real Dovecot: what is sent fails, what was hashed works, and it is named."""
    told = proof(dovecot_version, "sqlite", {"alice": small(MIXED)})
    cases = [(name, sent, hashed) for name, (sent, hashed, expected) in CASES.items() if expected == code]
    for _name, sent, hashed in cases:
        nearly(told, sent, hashed, code)
    name, sent, hashed = cases[0]
    whole_story(told, sent, hashed, code, name)


CHEAP: dict[str, dict[str, int]] = {
    "SSHA512": {},
    "BLF-CRYPT": {"cost": 10},
    "SHA512-CRYPT": {"rounds": 5000},
    "PBKDF2": {"rounds": 5000},
}


@pytest.mark.parametrize("scheme", CHEAP)
def test_other_schemes(proof: Make, dovecot_version: str, scheme: str) -> None:
    """The variants are verified by whatever scheme the hash has."""
    hashed = generate(scheme, Password(MIXED), user="", **CHEAP[scheme])
    told = proof(dovecot_version, "sqlite", {"alice": hashed})
    assert told.lab.login("alice", MIXED).ok
    told.password = MIXED.swapcase()
    assert told.logins() == [False]
    told.finds({"PASS002"}, password=told.password)


def test_a_wrong_password_stays_wrong(proof: Make, dovecot_version: str) -> None:
    """No variant is right: PASS001, as before, and the evidence says how many were tried."""
    told = proof(dovecot_version, "passwd-file", {"alice": small(MIXED)})
    told.finds({"PASS001"}, password=b"something else")
    seen = told.look(password=b"something else").diagnosis.evidence
    [tried] = [fact for fact in seen if isinstance(fact, PasswordVariant)]
    assert tried.change is None
    assert tried.tried > 10
    assert not tried.left


def test_time_is_bounded(proof: Make, dovecot_version: str) -> None:
    """Of a slow hash not all variants are tried, and it is said how many are left."""
    slow = generate("BLF-CRYPT", Password(MIXED), cost=14)
    told = proof(dovecot_version, "passwd-file", {"alice": slow})
    [found] = told.finds({"PASS001"}, password=b"something else")
    [tried] = [fact for fact in found.problem.because if isinstance(fact, PasswordVariant)]
    assert tried.left
    assert tried.tried + tried.left == len(variants(Password(b"something else")))
    assert f"no time was left for {tried.left} more" in tried.seen
    none = replace(tried, tried=0, left=tried.tried + tried.left)  # as with --variants 0
    assert none.seen.startswith("no near variant of the password was tried; --variants SECONDS")


def test_nothing_of_the_password_is_said(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": small(b"Unsayable8")})
    diagnosis = told.look(password=b"uNSAYABLE8").diagnosis
    assert [one.rule.code for one in diagnosis.findings] == ["PASS002"]
    assert "nsayable" not in repr(diagnosis).lower()


def test_in_two_passdbs(proof: Make, dovecot_version: str) -> None:
    """The variant is tried against each hash; the second one is what matches."""
    told = proof(dovecot_version, "sqlite", {"alice": small(b"another one")})
    users = told.write("more-users", f"alice:{small(MIXED)}\n")
    told.lab.configure(
        f"passdb {{\n  driver = passwd-file\n  args = {users}\n}}\n"
        if dovecot_version < "2.4"
        else f"passdb more {{\n  driver = passwd-file\n  passwd_file_path = {users}\n}}\n"
    )
    told.lab.reload()
    assert told.lab.login("alice", MIXED).ok
    told.password = MIXED.swapcase()
    assert told.logins() == [False]
    told.finds({"PASS002"}, password=told.password)


@pytest.mark.parametrize(
    ("store", "char"),
    [("passwd-file", b"\t"), ("sqlite", b"\n"), ("sqlite", b"\r"), ("sqlite", b"\x01")],
    ids=["tab", "LF", "CR", "byte 1"],
)
def test_pass010(proof: Make, dovecot_version: str, store: str, char: bytes) -> None:
    """The hash is of just that password, and Dovecot refuses it all the same."""
    told = proof(dovecot_version, store, {"alice": small(MIXED)})
    told.password = MIXED + char
    told.lab.set_password("alice", small(told.password))
    told.lab.reload()
    assert told.logins(2) == [False, False]
    told.finds(set())
    [found] = told.finds({"PASS010"}, password=told.password)
    assert found.problem.certainty is Certainty.PROVEN
    assert told.lab.logs("Attempted login with password having illegal chars")
    told.password = MIXED
    told.paste([found])
    assert told.logins(3) == [True] * 3
    told.finds(set(), password=MIXED)


def test_a_line_end_that_is_sent(proof: Make, dovecot_version: str) -> None:
    """The hash is of the password without it."""
    told = proof(dovecot_version, "sqlite", {"alice": small(MIXED)})
    told.password = MIXED + b"\n"
    assert told.logins() == [False]
    told.finds({"PASS003"}, password=told.password)


LONG = b"0123456789" * 9
SCHEMES = {
    "bcrypt": (generate("BLF-CRYPT", Password(LONG), cost=10), LONG[:72], ">= 2.3"),
    "bcrypt in CRYPT": (
        generate("BLF-CRYPT", Password(LONG), cost=10).replace("{BLF-CRYPT}", "{CRYPT}"),
        LONG[:72],
        ">= 2.3",
    ),
    "DES": (generate("DES-CRYPT", Password(LONG)), LONG[:8], "< 2.4"),
}


@pytest.mark.parametrize("name", SCHEMES)
def test_pass006(proof: Make, dovecot_version: str, name: str) -> None:
    """The beginning lets in, in the real Dovecot, and one byte less does not."""
    stored, part, versions = SCHEMES[name]
    if versions == "< 2.4" and not dovecot_version < "2.4":
        pytest.skip("2.4 refuses DES")
    told = proof(dovecot_version, "passwd-file", {"alice": small(LONG)})
    told.password = LONG
    fault = Fault(users={"alice": stored}, name=f"a password longer than {name} reads")
    told.story(fault, {"PASS006"}, answers=[True, True], unasked=set())
    told.lab.set_password("alice", stored)
    told.lab.reload()
    assert told.lab.login("alice", part).ok
    assert not told.lab.login("alice", part[:-1]).ok
    told.finds(set(), password=part)
