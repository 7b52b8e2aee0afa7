"""Libraries that compute hashes, which most runs do not: each is imported when it is first used."""

from typing import TYPE_CHECKING

from mailauth.later import later

if TYPE_CHECKING:
    import argon2
    import argon2.exceptions
    import argon2.low_level
    import bcrypt
    import passlib.hash
else:
    argon2 = later("argon2")
    bcrypt = later("bcrypt")
    passlib = later("passlib")

__all__ = ["argon2", "bcrypt", "passlib"]
