"""PBKDF2: ``$1$salt$rounds$hex``, HMAC-SHA-1 always, 160 bits always.

Source: pbkdf2_verify() in Dovecot 2.3.19.1 src/auth/password-scheme-pbkdf2.c. The salt is text.
"""

import hashlib
import hmac
import secrets

from mailauth.errors import UsageError
from mailauth.expressions import expression
from mailauth.hashes import strength
from mailauth.hashes.encoding import CRYPT64, first_foreign
from mailauth.hashes.hash import MATCH, MISMATCH, Flaw, Judgement, Params, Password, Scheme, Verdict

_WELL_FORMED = expression(rb"\$1\$([^$]*)\$([0-9]{1,20})\$([0-9A-Fa-f]{40})")
_HEX = b"0123456789ABCDEFabcdef"
_U32 = 0xFFFF_FFFF
_SIZE = 20


def parse(payload: bytes) -> Params | Flaw:
    text = payload.partition(b"\0")[0] if b"\0" in payload else payload
    found = _WELL_FORMED.fullmatch(text)
    if not found or int(found[2]) > _U32:
        return _why_not(text)
    return (("rounds", int(found[2])), ("salt", len(found[1])))


def _why_not(text: bytes) -> Flaw:
    def no(reason: str, at: int, *, cut: bool = False) -> Flaw:
        return Flaw(Verdict.MALFORMED, reason, at, cut)

    if not text.startswith(b"$1$"):
        return no("a PBKDF2 hash begins with $1$ (a shell may have eaten $...)", 0)
    fields = text[3:].split(b"$")
    if len(fields) != 3:
        return no(f"a PBKDF2 hash is $1$salt$rounds$hex; here are {len(fields)} fields after $1$, not 3", 3)
    rounds_at = 3 + len(fields[0]) + 1
    if not fields[1].isdigit() or len(fields[1]) > 20 or int(fields[1]) > _U32:
        return no("the rounds are no 32-bit number", rounds_at)
    key_at = rounds_at + len(fields[1]) + 1
    key = fields[2]
    foreign = first_foreign(key, _HEX)
    if key[foreign:] in (b"\n", b"\r\n") and foreign is not None:
        return no("PBKDF2 hash not 160bit hex-encoded: ends in a newline", key_at + foreign)
    if len(key) != 2 * _SIZE:
        cut = len(key) < 2 * _SIZE
        hint = "cut off?" if cut else "another digest than SHA-1?"
        said = f"PBKDF2 hash not 160bit hex-encoded: {len(key)} characters, not 40 ({hint})"
        return no(said, key_at, cut=cut)
    return no("PBKDF2 hash not 160bit hex-encoded: a character that is no hex digit", key_at + (foreign or 0))


def derive(password: bytes, salt: bytes, rounds: int) -> bytes:
    """With 0 rounds Dovecot computes nothing, and compares with zeros."""
    return hashlib.pbkdf2_hmac("sha1", password, salt, rounds) if rounds else bytes(_SIZE)


def verify(payload: bytes, password: Password, _user: str) -> Judgement:
    salt, rounds, key = payload.partition(b"\0")[0][3:].split(b"$")
    made = derive(password.text, salt, int(rounds))
    return MATCH if hmac.compare_digest(made.hex().encode(), key.lower()) else MISMATCH


def salt_text(length: int) -> bytes:
    return bytes(secrets.choice(CRYPT64) for _ in range(length))


def generate(password: Password, _user: str, options: dict[str, int | str]) -> bytes:
    rounds = int(options.get("rounds", 1_300_000))
    if not 1 <= rounds < 2**31:
        raise UsageError(f"PBKDF2 takes 1 to {2**31 - 1} rounds, not {rounds}.")
    salt = salt_text(16)
    return b"$1$%b$%d$%b" % (salt, rounds, derive(password.text, salt, rounds).hex().encode())


def seconds(params: Params) -> float:
    return int(dict(params)["rounds"]) * 0.35e-6


def shape(params: Params) -> str:
    return f"$1$...${dict(params)['rounds']}$..."


SCHEMES = (
    Scheme(
        name="PBKDF2",
        parse=parse,
        verify=verify,
        generate=generate,
        seconds=seconds,
        shape=shape,
        options=("rounds",),
        about="PBKDF2-HMAC-SHA-1",
        strength=strength.pbkdf2(strength.OWASP_PBKDF2_SHA1),
        families=("pbkdf2",),
    ),
)
