"""BLF-CRYPT: bcrypt as Dovecot's own copy of crypt_blowfish has it.

Takes $2a$, $2b$, $2x$ and $2y$; hashes the first 72 bytes; a NUL ends the password. Anything that
crypt_blowfish could not have written can never match, and gets no error either.
Source: crypt_verify_blowfish() in Dovecot 2.3.19.1 src/auth/password-scheme-crypt.c, and BF_crypt()
in crypt-blowfish.c.
"""

import hmac
import re
import secrets

from mailauth.errors import UsageError
from mailauth.hashes import libcrypt, strength
from mailauth.hashes.hash import MATCH, MISMATCH, Flaw, Judgement, Params, Password, Scheme, Verdict
from mailauth.hashes.libraries import bcrypt
from mailauth.hashes.md5crypt import surplus, trailing

ALPHABET = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_PARAMS: dict[bytes, Params] = {
    b"$2%b$%02d$" % (kind.encode(), cost): (("kind", f"2{kind}"), ("cost", cost))
    for kind in "abxy"
    for cost in range(4, 32)
}
_SALT_ENDS = ALPHABET[::16]  # . O e u: of the last character of the salt two bits count
_DIGEST_ENDS = ALPHABET[::4]
_SETTING_LENGTH = 29
LENGTH = 60
LONGEST = 72  # bytes of a password that count
CALLED = "a bcrypt hash"


def parse(payload: bytes) -> Params | Flaw:
    known = _PARAMS.get(payload[:7])
    if (
        known is not None
        and len(payload) == LENGTH
        and payload[28] in _SALT_ENDS
        and payload[59] in _DIGEST_ENDS
        and not payload[7:].translate(None, ALPHABET)
    ):
        return known
    return _why_not(payload)


def _why_not(payload: bytes) -> Params | Flaw:  # noqa: C901, PLR0912 - crypt_blowfish's own checks, in its order
    text = payload.partition(b"\0")[0]
    if not payload:
        return _never("nothing follows the scheme", 0)
    if not (text[:2] == b"$2" and text[2:3].isalpha() and text[2:3].islower() and text[3:4] == b"$"):
        return _bad(f"Password is not blowfish password: {_not_blowfish(text)}", 0)
    if len(payload) < _SETTING_LENGTH + 1:
        said = f"Password is not blowfish password: cut off, {len(text)} of {LENGTH} characters"
        return _bad(said, len(text), cut=True)
    if text[2:3] not in b"abxy":
        return _bad(f"$2{text[2:3].decode()}$ is no bcrypt that Dovecot knows ($2a$, $2b$, $2x$, $2y$)", 2)
    if not re.fullmatch(rb"(?:0[4-9]|[12][0-9]|3[01])\$", text[4:7]):
        return _bad("the cost must be two digits from 04 to 31, and a $", 4)
    if bad := text[7:_SETTING_LENGTH].translate(None, ALPHABET):
        return _bad("a character in the salt that bcrypt's base64 lacks", text.index(bad[:1], 7))
    if len(text) < _SETTING_LENGTH:
        return _bad("a character in the salt that bcrypt's base64 lacks", len(text))
    if len(text) < LENGTH:
        return _never(f"cut off: {len(text)} of {LENGTH} characters", len(text), cut=True)
    if text[28:29] not in (b".", b"O", b"e", b"u"):
        return _never(
            "the last character of the salt is not canonical: bcrypt writes only . O e u there"
            f" and would write {canonical_salt_end(text[28]).decode()}",
            28,
        )
    if bad := text[_SETTING_LENGTH:LENGTH].translate(None, ALPHABET):
        return _never("a character that bcrypt's base64 lacks", text.index(bad[:1], _SETTING_LENGTH))
    if len(text) > LENGTH:
        more = text[LENGTH:]
        if not more.translate(None, ALPHABET):
            return surplus(len(more), f"a bcrypt hash has {LENGTH}", LENGTH)
        return _never(f"after {LENGTH} characters it {trailing(more)}", LENGTH)
    if ALPHABET.index(text[59]) & 3:
        return _never("the last character of the digest is not canonical: bcrypt never writes it", 59)
    return _PARAMS[text[:7]]  # a NUL after 60 good characters


def canonical_salt_end(char: int) -> bytes:
    """What bcrypt makes of the last character of a salt: four of its six bits are thrown away."""
    return ALPHABET[ALPHABET.index(char) & 0x30 :][:1]


def _not_blowfish(text: bytes) -> str:
    at = text.find(b"$2")
    if at > 0 and not text[:at].strip():
        return "there are blanks or line ends before $2"
    if text.startswith((b"bcrypt_sha256$", b"$bcrypt-sha256$", b"$wp$")):
        return "bcrypt of a hash of the password, where Dovecot hashes the password itself"
    if text.startswith(b"bcrypt"):
        return "Django's name is before $2"
    if text.startswith(b"$2$"):
        return "$2$ is the first bcrypt, of 1997, which Dovecot does not have"
    if text.startswith(b"$2"):
        return "$2 must be followed by a small letter, then $"
    if text.startswith(b"$"):
        return "another algorithm's hash: it does not begin with $2"
    return "it does not begin with $2 (a shell may have eaten $...)"


def _bad(reason: str, at: int, *, cut: bool = False) -> Flaw:
    return Flaw(Verdict.MALFORMED, reason, at, cut)


def _never(reason: str, at: int, *, cut: bool = False) -> Flaw:
    return Flaw(Verdict.MISMATCH, reason, at, cut)


def verify(payload: bytes, password: Password, _user: str) -> Judgement:
    text = payload.partition(b"\0")[0]
    made = digest(password, text[:_SETTING_LENGTH])
    if made is None:
        return Judgement(Verdict.UNSUPPORTED, f"{text[:4].decode()} needs the system's libcrypt (libxcrypt)")
    return MATCH if hmac.compare_digest(made[-31:], text[-31:]) else MISMATCH


def digest(password: Password, setting: bytes) -> bytes | None:
    """The hash, by libxcrypt, whose code is Dovecot's own crypt_blowfish, and fast (decision 102).

    Without it by the bcrypt package, which has all but two corners: $2x$ (the sign-extension bug of
    2011) differs from $2b$ for bytes over 127, and $2a$ (with a safety measure) for 0xff.
    """
    given = password.text[:LONGEST]
    lib = libcrypt.load()
    if lib:
        return libcrypt.crypt(lib, given, setting)
    if (setting[2:3] == b"x" and not given.isascii()) or (setting[2:3] == b"a" and b"\xff" in given):
        return None
    return bcrypt.hashpw(given, b"$2b" + setting[3:])


def generate(password: Password, _user: str, options: dict[str, int | str]) -> bytes:
    cost = int(options.get("cost", 12))
    if not 4 <= cost <= 31:
        raise UsageError(f"bcrypt takes a cost of 4 to 31, not {cost}.")
    raw = secrets.token_bytes(16)
    made = digest(password, b"$2y$%02d$%b" % (cost, salt_text(raw)))
    assert made is not None, "no libcrypt is needed for $2y$"
    return b"$2y" + made[3:]


def salt_text(raw: bytes) -> bytes:
    """16 bytes in bcrypt's base64: 22 characters."""
    bits = int.from_bytes(raw, "big") << 4
    return bytes(ALPHABET[bits >> shift & 63] for shift in range(126, -1, -6))


def seconds(params: Params) -> float:
    return float(2 ** int(dict(params)["cost"])) * 45e-6


def shape(params: Params) -> str:
    values = dict(params)
    return f"${values['kind']}${values['cost']:02}$..."


SCHEMES = (
    Scheme(
        name="BLF-CRYPT",
        parse=parse,
        verify=verify,
        generate=generate,
        seconds=seconds,
        shape=shape,
        options=("cost",),
        about="bcrypt; only the first 72 bytes of a password count",
        reads=lambda _params: LONGEST,
        called=lambda _params: CALLED,
        strength=strength.bcrypt,
        families=("crypt",),
    ),
)
