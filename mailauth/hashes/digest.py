"""Plain and salted digests: SHA*, SSHA*, SMD5, LDAP-MD5, PLAIN-MD4, PLAIN-MD5.

Source: the *_generate() and *_verify() functions in Dovecot 2.3.19.1 src/auth/password-scheme.c.
A salted one is digest(password, salt) followed by the salt, which may have any length but 0.
"""

import hmac
import secrets
from collections.abc import Callable

from mailauth.errors import UsageError
from mailauth.hashes.digests import md4, md5, sha1, sha256, sha512
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

Digest = Callable[[bytes], bytes]


def seconds(_params: Params) -> float:
    return 1e-5


def shape(_params: Params) -> str:
    return "..."


def unsalted(
    name: str,
    aliases: tuple[str, ...],
    digest: Digest,
    encoding: str,
    *,
    weak: bool,
    about: str,
    kind: str = "",
    called: str = "",
    families: tuple[str, ...] = (),
) -> Scheme:
    length = len(digest(b""))

    def parse(_payload: bytes) -> Params:  # whoever decodes has seen to the length
        return (("digest", length),)

    def verify(payload: bytes, password: Password, _user: str) -> Judgement:
        return MATCH if hmac.compare_digest(digest(password.text), payload) else MISMATCH

    def generate(password: Password, _user: str, _options: dict[str, int | str]) -> bytes:
        return digest(password.text)

    return Scheme(
        name=name,
        aliases=aliases,
        weak=weak,
        parse=parse,
        verify=verify,
        generate=generate,
        seconds=seconds,
        shape=shape,
        default_encoding=encoding,
        raw_length=length,
        digest_length=length,
        kind=kind or name.lower(),
        called=(lambda _params: called) if called else None,
        about=about,
        families=families,
    )


_USUAL = 64


def salted(name: str, digest: Digest, *, weak: bool = False) -> Scheme:
    length = len(digest(b""))
    usual: tuple[Params, ...] = tuple((("salt", salt),) for salt in range(_USUAL + 1))

    def parse(payload: bytes) -> Params | Flaw:
        salt = len(payload) - length
        if salt > 0:
            return usual[salt] if salt <= _USUAL else (("salt", salt),)
        cut = f"only {len(payload)} bytes where the digest alone has {length}"
        why = "no salt after the digest" if salt == 0 else f"cut off: {cut}"
        return Flaw(Verdict.MALFORMED, f"{name} password is too short: {why}", cut=salt < 0)

    def verify(payload: bytes, password: Password, _user: str) -> Judgement:
        made = digest(password.text + payload[length:])
        return MATCH if hmac.compare_digest(made, payload[:length]) else MISMATCH

    def generate(password: Password, _user: str, options: dict[str, int | str]) -> bytes:
        size = int(options.get("salt", 16))
        if not 1 <= size <= 1024:
            raise UsageError(f"{name} takes a salt of 1 to 1024 bytes, not {size}.")
        salt = secrets.token_bytes(size)
        return digest(password.text + salt) + salt

    return Scheme(
        name=name,
        weak=weak,
        parse=parse,
        verify=verify,
        generate=generate,
        seconds=seconds,
        shape=shape,
        default_encoding="BASE64",
        digest_length=length,
        kind=name.lower(),
        called=lambda _params: f"an {name} hash",
        options=("salt",),
        about="salted, but one round: fast to guess",
    )


_FAST = "unsalted and one round: equal passwords look equal, and guessing is fast"

SCHEMES = (
    unsalted("SHA", ("SHA1",), sha1, "BASE64", weak=False, about=_FAST, kind="sha1", families=("sha1",)),
    unsalted("SHA256", (), sha256, "BASE64", weak=False, about=_FAST),
    unsalted("SHA512", (), sha512, "BASE64", weak=False, about=_FAST),
    salted("SMD5", md5, weak=True),
    salted("SSHA", sha1),
    salted("SSHA256", sha256),
    salted("SSHA512", sha512),
    unsalted(
        "LDAP-MD5",
        ("PLAIN-MD5",),
        md5,
        "BASE64",
        weak=True,
        about=_FAST,
        kind="md5",
        called="an LDAP-MD5 hash",
        families=("md5",),
    ),
    unsalted("PLAIN-MD5", ("LDAP-MD5",), md5, "HEX", weak=True, about=_FAST, kind="md5", families=("md5",)),
    unsalted("PLAIN-MD4", (), md4, "HEX", weak=True, about=_FAST, kind="md4"),
)
