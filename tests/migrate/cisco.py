"""Password hashes as Cisco's firewalls store them."""

import hashlib

from mailauth.hashes.encoding import CRYPT64


def pix(raw: bytes) -> str:
    """Three of each four bytes of MD5, in crypt(3)'s alphabet."""
    md5 = hashlib.md5(raw.ljust(16, b"\0"), usedforsecurity=False).digest()
    numbers = (int.from_bytes(md5[at : at + 3], "little") for at in range(0, 16, 4))
    return "".join(chr(CRYPT64[number >> bits & 63]) for number in numbers for bits in (0, 6, 12, 18))
