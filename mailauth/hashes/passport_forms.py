"""How other software writes what a stored string of Dovecot's holds: pure functions of its parts."""

import json
import re
from collections.abc import Callable

from mailauth.expressions import expression
from mailauth.hashes.encoding import base64_encode
from mailauth.hashes.passport_parts import Pieces

Writer = Callable[[Pieces], bytes]


class NoFormError(Exception):
    """The kind is taken there, and this string is not: the reason, which holds nothing of it."""


def as_is(prefix: bytes = b"") -> Writer:
    """As the scheme writes it, after that software's own name of it."""
    return lambda part: prefix + part.text


_C64 = rb"[./0-9A-Za-z]"
_USUAL = expression(
    rb"\$1\$%b{1,8}\$%b{22}|\$[56]\$(?:rounds=\d+\$)?%b{1,16}\$%b{43,86}|\$sha1\$\d+\$%b{1,64}\$%b{28}|_%b{19}|%b{13}"
    % ((_C64,) * 8)
)


def usual_salt(prefix: bytes = b"") -> Writer:
    """MD5-, SHA- or DES-crypt whose salt everybody takes: crypt(3) itself takes other characters, too."""

    def write(part: Pieces) -> bytes:
        if not _USUAL.fullmatch(part.text):
            raise NoFormError("its salt is none, longer than usual, or has other characters than ./0-9A-Za-z")
        return prefix + part.text

    return write


def bcrypt(prefix: bytes = b"") -> Writer:
    """``$2b$`` as ``$2y$``: the same algorithm under the name that more software knows."""
    return lambda part: prefix + part.text.replace(b"$2b$", b"$2y$", 1)


def phc_argon2(prefix: bytes = b"") -> Writer:
    """Where the Rust crate password-hash reads it: 64 characters of salt and 64 bytes of tag at most."""

    def write(part: Pieces) -> bytes:
        if len(part.salt) > 48 or len(part.key) > 64:
            raise NoFormError(
                f"the salt has {len(part.salt)} bytes, the tag {len(part.key)}; 48 and 64 are the most there"
            )
        return prefix + part.text

    return write


def digest(prefix: bytes) -> Writer:
    """Digest and salt in base64, as in LDAP's userPassword."""
    return lambda part: prefix + base64_encode(part.key + part.salt)


def hexed(prefix: bytes = b"") -> Writer:
    return lambda part: prefix + part.key.hex().encode()


def nt(prefix: bytes) -> Writer:
    """The digits after ``$3$$``, in capitals as Samba writes them."""
    return lambda part: prefix + part.text.rpartition(b"$")[2].upper()


def padded_pbkdf2(prefix: bytes) -> Writer:
    """``rounds$salt$key`` in base64."""
    return lambda part: (
        prefix + b"%d$%b$%b" % (part.numbers[0], base64_encode(part.salt), base64_encode(part.key))
    )


def adapted_pbkdf2(prefix: bytes, least: int = 1, most: int = 2**32 - 1, salt: int = 0) -> Writer:
    """``rounds$salt$key`` in passlib's base64: a dot for the plus, no padding.

    ``salt``: the bytes that it must have, 0 for any.
    """

    def write(part: Pieces) -> bytes:
        [rounds] = part.numbers
        if not least <= rounds <= most:
            raise NoFormError(f"{rounds} rounds, where {least} to {most} are taken")
        if not part.salt or (salt and len(part.salt) != salt):
            raise NoFormError(f"its salt has {len(part.salt)} bytes, where {salt or 'one or more'} are taken")
        salted, key = (base64_encode(one).rstrip(b"=").replace(b"+", b".") for one in (part.salt, part.key))
        return prefix + b"%d$%b$%b" % (rounds, salted, key)

    return write


def django_pbkdf2(part: Pieces) -> bytes:
    [rounds] = part.numbers
    if not part.salt or not part.salt.isascii() or not rounds:
        raise NoFormError("Django wants one round or more, and a salt of text")
    return b"pbkdf2_sha1$%d$%b$%b" % (rounds, part.salt, base64_encode(part.key))


def scram(prefix: bytes) -> Writer:
    """RFC 5803's authPassword, which is PostgreSQL's rolpassword: ``rounds:salt$StoredKey:ServerKey``."""

    def write(part: Pieces) -> bytes:
        salt, key, server = (base64_encode(one) for one in (part.salt, part.key, part.server))
        return prefix + b"%d:%b$%b:%b" % (part.numbers[0], salt, key, server)

    return write


def zitadel_argon2(part: Pieces) -> bytes:
    """Within the bounds that passwap has unless they are set (argon2.go): KiB, passes, lanes."""
    m, t, p = part.numbers
    if not (8 * 1024 <= m <= 512 * 1024 and t <= 10 and p <= 16):
        raise NoFormError(
            f"m={m},t={t},p={p}: ZITADEL takes 8192 to 524288 KiB, up to 10 passes and 16 lanes"
            " (SystemDefaults.PasswordHasher sets other bounds)"
        )
    return part.text


def zitadel_salted_md5(part: Pieces) -> bytes:
    if re.search(rb"[^\x21-\x7e]|\$", part.salt):
        raise NoFormError("ZITADEL reads the salt as text, and this one has other bytes")
    return b"$md5salted-suffix$%b$%b" % (part.salt, base64_encode(part.key))


def keycloak_argon2(part: Pieces) -> bytes:
    m, t, p = part.numbers
    numbers = {"hashLength": len(part.key), "memory": m, "parallelism": p}
    more = {"type": part.kind.removeprefix("argon2"), "version": "1.3"}
    extra = {name: [str(value)] for name, value in {**numbers, **more}.items()}
    return _keycloak("argon2", t, part, extra)


def keycloak_pbkdf2(part: Pieces) -> bytes:
    [rounds] = part.numbers
    if not part.salt or not 1 <= rounds < 2**31:
        raise NoFormError("Java wants a salt, and 1 to 2147483647 rounds")
    return _keycloak("pbkdf2", rounds, part, {})


def _keycloak(algorithm: str, rounds: int, part: Pieces, extra: dict[str, list[str]]) -> bytes:
    """A credential as the realm's export and the Admin API have it: JSON within JSON."""
    salt, value = (base64_encode(one).decode() for one in (part.salt, part.key))
    secret = {"value": value, "salt": salt, "additionalParameters": {}}
    data = {"hashIterations": rounds, "algorithm": algorithm, "additionalParameters": extra}
    dense = (",", ":")
    credential = {
        "type": "password",
        "secretData": json.dumps(secret, separators=dense),
        "credentialData": json.dumps(data, separators=dense),
    }
    return json.dumps(credential, separators=dense).encode()
