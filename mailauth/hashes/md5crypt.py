"""MD5 and MD5-CRYPT, by Dovecot's own code and not by crypt(3): any byte may be in the salt.

Source: password_generate_md5_crypt() in Dovecot 2.3.19.1 src/auth/password-scheme-md5crypt.c, and
md5_verify() in password-scheme.c. The algorithm is Poul-Henning Kamp's of 1994.
"""

import hashlib
import hmac
import re

from mailauth.expressions import expression
from mailauth.hashes import encoding
from mailauth.hashes.digests import md5
from mailauth.hashes.hash import MATCH, MISMATCH, Flaw, Judgement, Params, Password, Scheme, Verdict
from mailauth.hashes.pbkdf2 import salt_text

_WELL_FORMED = expression(rb"\$1\$([^$]{0,8})\$[./0-9A-Za-z]{21}[./01]", re.DOTALL)
_ORDER = ((0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5))


def _to64(value: int, count: int) -> bytes:
    return bytes(encoding.CRYPT64[value >> 6 * i & 63] for i in range(count))


def md5_crypt(password: bytes, salt: bytes) -> bytes:
    """The whole string, "$1$" and all."""
    final = md5(password + salt + password)
    start = hashlib.md5(password + b"$1$" + salt, usedforsecurity=False)
    start.update((final * (len(password) // 16 + 1))[: len(password)])
    count = len(password)
    while count:
        start.update(b"\0" if count & 1 else password[:1])
        count >>= 1
    final = start.digest()
    for i in range(1000):
        parts = [password if i & 1 else final]
        if i % 3:
            parts.append(salt)
        if i % 7:
            parts.append(password)
        parts.append(final if i & 1 else password)
        final = md5(b"".join(parts))
    text = b"".join(_to64(final[a] << 16 | final[b] << 8 | final[c], 4) for a, b, c in _ORDER)
    return b"$1$" + salt + b"$" + text + _to64(final[11], 2)


def parse(payload: bytes) -> Params | Flaw:
    text = payload.partition(b"\0")[0]
    found = _WELL_FORMED.fullmatch(text)
    if found:
        return (("kind", "$1$"), ("salt", len(found[1])))
    return why_not(text)


def why_not(text: bytes) -> Flaw:
    def no(reason: str, at: int | None = None, *, cut: bool = False) -> Flaw:
        return Flaw(Verdict.MISMATCH, reason, at, cut)

    if not text.startswith(b"$1$"):
        return no("does not begin with $1$, and MD5-CRYPT makes nothing else", 0)
    salt, dollar, rest = text[3:].partition(b"$")
    at = 3 + len(salt) + 1
    if not dollar:
        return no(f"cut off: {len(text)} characters, and no $ after the salt", len(text), cut=True)
    if len(salt) > 8:
        return no(f"a salt of {len(salt)} characters; MD5-CRYPT uses and writes only 8", 3 + 8)
    foreign = encoding.first_foreign(rest, encoding.CRYPT64)
    if foreign is not None:
        return no(trailing(rest[foreign:]), at + foreign)
    if len(rest) < 22:
        return no(f"cut off: {len(rest)} of 22 characters after the salt", at + len(rest), cut=True)
    if len(rest) > 22:
        return surplus(len(rest) - 22, "an MD5-CRYPT hash has 22 after the salt", at + 22)
    return no("the last character is one that MD5-CRYPT never makes", at + 21)


def surplus(count: int, whole: str, at: int) -> Flaw:
    """Whole, and then something more."""
    more = f"{'one character' if count == 1 else f'{count} characters'} too many"
    return Flaw(Verdict.MISMATCH, f"{more}: {whole}", at, surplus=more)


def trailing(rest: bytes) -> str:
    """What is wrong with a tail that begins with a character that no hash has."""
    if not rest.strip(b"\r\n"):
        return "ends in a newline"
    if not rest.strip():
        return "ends in a blank or tab"
    if rest == b"$":
        return "ends in a $ too many"
    return "has a character that this kind of hash cannot have"


def verify(payload: bytes, password: Password, _user: str) -> Judgement:
    text = payload.partition(b"\0")[0]
    made = md5_crypt(password.text, text[3:].partition(b"$")[0])
    return MATCH if hmac.compare_digest(made, text) else MISMATCH


def generate(password: Password, _user: str, _options: dict[str, int | str]) -> bytes:
    return md5_crypt(password.text, salt_text(8))


def seconds(_params: Params) -> float:
    return 1.5e-3


def shape(params: Params) -> str:
    return "$1$..." if dict(params)["kind"] == "$1$" else "..."


def _plain_md5(text: bytes) -> bytes | None:
    """MD5 in hex or base64, as the scheme PLAIN-MD5 takes it."""
    raw = encoding.hex_decode(text) if len(text) == 32 else None
    raw = encoding.base64_decode(text) if raw is None else raw
    return raw if raw is not None and len(raw) == 16 else None


def parse_md5(payload: bytes) -> Params | Flaw:
    text = payload.partition(b"\0")[0]
    if text.startswith(b"$1$"):
        return parse(payload)
    if _plain_md5(text) is not None:
        return (("kind", "digest"), ("digest", 16))
    return Flaw(
        Verdict.MALFORMED,
        "Not a valid MD5-CRYPT or PLAIN-MD5 password: neither $1$... nor 16 bytes in hex or base64",
        0,
    )


def verify_md5(payload: bytes, password: Password, user: str) -> Judgement:
    text = payload.partition(b"\0")[0]
    if text.startswith(b"$1$"):
        return verify(payload, password, user)
    right = _plain_md5(text)
    assert right is not None, "verify() is called with payloads that parse"
    return MATCH if hmac.compare_digest(md5(password.text), right) else MISMATCH


SCHEMES = (
    Scheme(
        name="MD5",
        weak=True,
        parse=parse_md5,
        verify=verify_md5,
        generate=generate,
        seconds=seconds,
        shape=shape,
        about="MD5-CRYPT, or a bare MD5 in hex or base64",
        called=lambda _params: "an MD5 hash",
        families=("crypt", "md5"),
    ),
    Scheme(
        name="MD5-CRYPT",
        weak=True,
        parse=parse,
        verify=verify,
        generate=generate,
        seconds=seconds,
        shape=shape,
        about="1000 rounds of MD5 ($1$)",
        called=lambda _params: "an MD5-CRYPT hash",
        families=("crypt",),
    ),
)
