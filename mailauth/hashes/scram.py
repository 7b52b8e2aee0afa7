"""SCRAM-SHA-1 and SCRAM-SHA-256: ``iterations,salt,StoredKey,ServerKey`` (RFC 5802, RFC 7677).

Source: scram_scheme_parse() and scram_verify() in Dovecot 2.3.19.1
src/auth/password-scheme-scram.c. Only StoredKey is compared; the salt is decoded leniently.
"""

import hashlib
import hmac
import secrets

from mailauth.errors import UsageError
from mailauth.hashes import strength
from mailauth.hashes.encoding import base64_decode, base64_decode_leniently, base64_encode
from mailauth.hashes.hash import MATCH, MISMATCH, Flaw, Judgement, Params, Password, Scheme, Verdict

LEAST = 4096
MOST = 2**31 - 1


def keys(digest: str, salted_password: bytes) -> tuple[bytes, bytes]:
    """StoredKey and ServerKey of a SaltedPassword, which is PBKDF2 with the same digest."""
    client = hmac.digest(salted_password, b"Client Key", digest)
    return hashlib.new(digest, client).digest(), hmac.digest(salted_password, b"Server Key", digest)


def written(iterations: int, salt: bytes, stored: bytes, server: bytes) -> bytes:
    return b"%d,%b,%b,%b" % (iterations, base64_encode(salt), base64_encode(stored), base64_encode(server))


def _parsed(payload: bytes, name: str, size: int) -> Params | Flaw:
    text = payload.partition(b"\0")[0]
    fields = text.split(b",")
    if len(fields) != 4:
        return Flaw(
            Verdict.MALFORMED,
            f"{name} is iterations,salt,StoredKey,ServerKey; here are {len(fields)} fields, not 4",
            0,
        )
    count = fields[0]
    if not count.isdigit() or len(count) > 20 or not LEAST <= int(count) <= MOST:
        return Flaw(
            Verdict.MALFORMED,
            f"Invalid {name} iteration count: Dovecot takes {LEAST} to {MOST}",
            0,
        )
    at = len(count) + 1 + len(fields[1]) + 1
    for what, field in (("StoredKey", fields[2]), ("ServerKey", fields[3])):
        raw = base64_decode(field)
        if raw is None:
            return Flaw(Verdict.MALFORMED, f"Invalid {name} {what}: no padded base64", at)
        if len(raw) != size:
            return Flaw(Verdict.MALFORMED, f"Invalid {name} {what}: {len(raw)} bytes, not {size}", at)
        at += len(field) + 1
    return (("iterations", int(count)), ("salt", len(base64_decode_leniently(fields[1]))))


def scheme(name: str, digest: str, default: int, per_round: float) -> Scheme:
    size = hashlib.new(digest).digest_size

    def verify(payload: bytes, password: Password, _user: str) -> Judgement:
        count, salt, stored, _server = payload.partition(b"\0")[0].split(b",")
        salted = hashlib.pbkdf2_hmac(digest, password.text, base64_decode_leniently(salt), int(count))
        right = base64_decode(stored)
        assert right is not None, "verify() is called with payloads that parse"
        return MATCH if hmac.compare_digest(keys(digest, salted)[0], right) else MISMATCH

    def generate(password: Password, _user: str, options: dict[str, int | str]) -> bytes:
        rounds = int(options.get("rounds", default))
        if not LEAST <= rounds <= MOST:
            raise UsageError(f"{name} takes {LEAST} to {MOST} rounds, not {rounds}.")
        salt = secrets.token_bytes(16)
        salted = hashlib.pbkdf2_hmac(digest, password.text, salt, rounds)
        return written(rounds, salt, *keys(digest, salted))

    def seconds(params: Params) -> float:
        return int(dict(params)["iterations"]) * per_round

    return Scheme(
        name=name,
        parse=lambda payload: _parsed(payload, name, size),
        verify=verify,
        generate=generate,
        seconds=seconds,
        shape=lambda params: f"{dict(params)['iterations']},...",
        options=("rounds",),
        strength=strength.pbkdf2(default),
        mechanisms=(name, f"{name}-PLUS"),
        families=(name.lower(),),
        about=f"PBKDF2-HMAC-{digest.upper()} keys, for the SCRAM mechanisms and for plain logins",
    )


SCHEMES = (
    scheme("SCRAM-SHA-1", "sha1", strength.OWASP_PBKDF2_SHA1, 0.35e-6),
    scheme("SCRAM-SHA-256", "sha256", strength.OWASP_PBKDF2_SHA256, 0.45e-6),
)
