"""The door to the system's crypt(3), by ctypes: Python 3.13 has no crypt module any more.

Dovecot calls the same library (src/lib-auth/mycrypt.c). crypt_rn() is reentrant: each call has
its own work area, and ctypes lets other threads run meanwhile.
"""

import ctypes

from mailauth.hashes.system_library import first_of

NAMES = ("libcrypt.so.1", "libcrypt.so.2", "libcrypt.so")
_WORK_AREA = 32768  # sizeof(struct crypt_data) in libxcrypt 4.4; larger than glibc's need not be
_SETTING = 192  # CRYPT_GENSALT_OUTPUT_SIZE


def _open(name: str) -> ctypes.CDLL | None:
    try:
        lib = ctypes.CDLL(name, use_errno=True)
        lib.crypt_rn.restype = ctypes.c_char_p
        lib.crypt_rn.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int)
        lib.crypt_gensalt_rn.restype = ctypes.c_char_p
        lib.crypt_gensalt_rn.argtypes = (
            ctypes.c_char_p,
            ctypes.c_ulong,
            ctypes.c_char_p,
            ctypes.c_int,
            ctypes.c_char_p,
            ctypes.c_int,
        )
    except (OSError, AttributeError):
        return None
    return lib


load = first_of(NAMES, _open)
"""libxcrypt, or None where the system has none (or one without crypt_rn)."""


def crypt(lib: ctypes.CDLL, phrase: bytes, setting: bytes) -> bytes | None:
    """The whole hash, or None where the library gives "*0", which is equal to no stored string."""
    area = ctypes.create_string_buffer(_WORK_AREA)
    made: bytes | None = lib.crypt_rn(phrase, setting, area, _WORK_AREA)
    return made


def setting(lib: ctypes.CDLL, prefix: bytes, count: int = 0) -> bytes | None:
    """A new salt with its parameters, for :func:`crypt`; None where the library lacks ``prefix``."""
    made: bytes | None = lib.crypt_gensalt_rn(
        prefix, count, None, 0, ctypes.create_string_buffer(_SETTING), _SETTING
    )
    return made
