"""The door to the libsodium that Dovecot itself calls, by ctypes.

Dovecot verifies ARGON2I, ARGON2ID and ARGON2 all with crypto_pwhash_str_verify(), which goes by
the "$argon2i$" or "$argon2id$" in the string and never by the name in braces
(2.3.19.1 src/auth/password-scheme-sodium.c).
"""

import ctypes
import mmap

from mailauth.hashes.system_library import first_of

NAMES = ("libsodium.so.26", "libsodium.so.23", "libsodium.so")
"""Debian testing has .26, Debian 11 to 13 have .23."""


def load(path: str | None = None) -> ctypes.CDLL | None:
    """The library at ``path``, or the system's; None when there is none.

    Pass the path that the Dovecot at hand links: a machine may have two versions.
    The system's is looked for once.
    """
    return _systems() if path is None else _open(path)


def _open(name: str) -> ctypes.CDLL | None:
    try:
        lib = ctypes.CDLL(name, use_errno=True)
    except OSError:
        return None
    lib.sodium_init.restype = ctypes.c_int
    lib.crypto_pwhash_str_verify.restype = ctypes.c_int
    lib.crypto_pwhash_str_verify.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulonglong)
    if lib.sodium_init() < 0:
        return None
    return lib


_systems = first_of(NAMES, _open)


def str_verify(lib: ctypes.CDLL, encoded: bytes, password: bytes) -> int:
    """0 when the password is right; -1 when it is wrong, memory ran out, or the string is bad.

    Takes no memory of Python's own beyond a few small objects, so that it may be called in a
    child that lives under RLIMIT_AS. Both arguments end at their first NUL, as in Dovecot.
    """
    password = password.partition(b"\0")[0]
    return int(lib.crypto_pwhash_str_verify(encoded, password, len(password)))


def can_map(*sizes: int) -> bool:
    """Whether mappings of these sizes can be had at the same time, here and now.

    libsodium's -1 does not tell a wrong password from no memory; asking the kernel for the same
    mappings does, as nothing else in the call depends on memory.
    """
    held: list[mmap.mmap] = []
    try:
        held.extend(mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) for size in sizes if size)
    except (OSError, MemoryError, OverflowError):
        return False
    else:
        return True
    finally:
        for mapping in held:
            mapping.close()
