"""PLAIN, CLEAR, CLEARTEXT and PLAIN-TRUNC: the password itself.

Source: plain_verify() and plain_trunc_verify() in Dovecot 2.3.19.1 src/auth/password-scheme.c.
"""

import hmac

from mailauth.hashes import strength
from mailauth.hashes.hash import (
    MATCH,
    MISMATCH,
    Flaw,
    Judgement,
    Params,
    Password,
    Scheme,
    Verdict,
)


def parse(payload: bytes) -> Params:
    return (("length", len(payload)),)


def verify(payload: bytes, password: Password, _user: str) -> Judgement:
    return MATCH if hmac.compare_digest(password.text, payload) else MISMATCH


def generate(password: Password, _user: str, _options: dict[str, int | str]) -> bytes:
    return password.text


def seconds(_params: Params) -> float:
    return 1e-6


def shape(_params: Params) -> str:
    return "..."


def _split(payload: bytes) -> tuple[int, bytes] | None:
    """Length and password of ``<length>-<password>``; no digit at all counts as 0."""
    digits = len(payload) - len(payload.lstrip(b"0123456789"))
    if payload[digits : digits + 1] != b"-":
        return None
    length = 0
    for digit in payload[:digits]:  # a size_t: it wraps
        length = (length * 10 + digit - 0x30) & 0xFFFF_FFFF_FFFF_FFFF
    return length, payload[digits + 1 :]


def parse_trunc(payload: bytes) -> Params | Flaw:
    split = _split(payload)
    if split is None:
        digits = len(payload) - len(payload.lstrip(b"0123456789"))
        return Flaw(
            Verdict.MALFORMED,
            'PLAIN-TRUNC wants "<length>-<password>", as in "6-secret"; there is no such length'
            " (doveadm pw -s PLAIN-TRUNC itself leaves it out)",
            digits,
        )
    length, kept = split
    return (("truncated", length), ("length", len(kept)))


def verify_trunc(payload: bytes, password: Password, _user: str) -> Judgement:
    split = _split(payload)
    if split is None:
        return Judgement(Verdict.MALFORMED, "no length before the password")
    length, kept = split
    given = password.text
    if len(kept) == length and len(given) >= length:
        given = given[:length]
    return MATCH if hmac.compare_digest(kept, given) else MISMATCH


def generate_trunc(password: Password, _user: str, options: dict[str, int | str]) -> bytes:
    kept = password.text[: int(options.get("length", 128))]
    return b"%d-%b" % (len(kept), kept)


def reads_trunc(params: Params) -> int | None:
    """Where the length is not that of what follows it, the whole is compared."""
    values = dict(params)
    return int(values["truncated"]) if values["truncated"] == values["length"] else None


def shape_trunc(params: Params) -> str:
    return f"{dict(params)['truncated']}-..."


SCHEMES = (
    Scheme(
        name="PLAIN",
        aliases=("CLEAR", "CLEARTEXT"),
        parse=parse,
        verify=verify,
        generate=generate,
        seconds=seconds,
        shape=shape,
        about="the password itself, readable by whoever reads the store",
        stores_password=True,
        strength=strength.password,
        families=("plain",),
    ),
    Scheme(
        name="PLAIN-TRUNC",
        parse=parse_trunc,
        verify=verify_trunc,
        generate=generate_trunc,
        seconds=seconds,
        shape=shape_trunc,
        options=("length",),
        about="the first characters of the password, readable",
        stores_password=True,
        partly=True,
        reads=reads_trunc,
        strength=strength.password,
    ),
)
