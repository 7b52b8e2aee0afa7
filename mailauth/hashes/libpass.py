"""What stands in for crypt(3) where the system has no libcrypt: the algorithms that libpass has.

Slower, and without yescrypt, scrypt and gost-yescrypt; its answers are compared with libcrypt's in
the tests.
"""

from mailauth.hashes.hash import Password
from mailauth.hashes.libraries import passlib

# prefix -> libpass's name; the longest first, DES (no prefix) last
_HANDLERS: tuple[tuple[bytes, str], ...] = (
    (b"$sha1$", "sha1_crypt"),
    (b"$md5", "sun_md5_crypt"),
    (b"$6$", "sha512_crypt"),
    (b"$5$", "sha256_crypt"),
    (b"$1$", "md5_crypt"),
    (b"_", "bsdi_crypt"),
    (b"", "des_crypt"),
)


def verify(text: bytes, password: Password) -> bool | None:
    """Whether ``password`` matches; None where libpass has no such algorithm or refuses the string."""
    name = next(name for prefix, name in _HANDLERS if text.startswith(prefix))
    try:
        return bool(getattr(passlib.hash, name).verify(password.text, text.decode("ascii")))
    except (ValueError, TypeError):
        return None
