"""The digests that variables can be put through, and how Dovecot cuts and writes them.  Pure.

Source: Dovecot 2.3.19.1 and 2.4.1 src/lib/hash-method.c, buffer_truncate_rshift_bits() in src/lib/buffer.c.
"""

import hashlib
from collections.abc import Callable

from mailauth.errors import CannotObserve

_KNOWN: dict[str, str] = {
    "md5": "md5",
    "sha1": "sha1",
    "sha256": "sha256",
    "sha384": "sha384",
    "sha512": "sha512",
    "sha3-256": "sha3_256",
    "sha3-512": "sha3_512",
}
_MOST_ROUNDS = 100_000  # pkcs5 has 2048; whoever is in a container can ask for any number
NAMES = frozenset({*_KNOWN, "md4", "size"})


def digest(name: str, value: bytes, salt: bytes = b"", rounds: int = 1) -> bytes:
    """The salt and the value, hashed ``rounds`` times.

    Raises CannotObserve for what this machine lacks, and for too many rounds.
    """
    method = _method(name)
    _bound(rounds)
    for _ in range(rounds):
        value = method(salt + value)
    return value


def _method(name: str) -> Callable[[bytes], bytes]:
    if name == "size":
        return lambda data: len(data).to_bytes(8, "big")
    if name not in _KNOWN:
        raise CannotObserve(f"mailauth cannot compute {name}, so the lookup cannot be repeated.")
    algorithm = _KNOWN[name]
    return lambda data: hashlib.new(algorithm, data, usedforsecurity=False).digest()


def _bound(rounds: int) -> None:
    if rounds > _MOST_ROUNDS:
        raise CannotObserve(f"a variable is hashed more than {_MOST_ROUNDS} times, which was not tried.")


def pbkdf2(value: bytes, salt: bytes, rounds: int, size: int) -> bytes:
    """2.3's ``%{pkcs5:...}``: PBKDF2 with SHA-256.  Raises CannotObserve for too many rounds."""
    _bound(rounds)
    return hashlib.pbkdf2_hmac("sha256", value, salt, rounds, size)


def cut_to_bits(value: bytes, bits: int) -> bytes:
    """The first bits, moved to the right end of as few bytes as they need."""
    if len(value) * 8 < bits:
        return value
    size = (bits + 7) // 8
    return (int.from_bytes(value[:size], "big") >> (size * 8 - bits)).to_bytes(size, "big")


def glib_hash(text: bytes) -> int:
    """2.3's %H: str_hash() of src/lib/hash.c."""
    value = 0
    for byte in text:
        value = ((value << 4) + byte) & 0xFFFFFFFF
        if top := value & 0xF0000000:
            value ^= top >> 24
            value ^= top
    return value


def md5_head(text: bytes) -> int:
    """2.3's %N: the first eight bytes of the MD5."""
    return int.from_bytes(hashlib.md5(text, usedforsecurity=False).digest()[:8], "big")
