"""Verify one hash in a process of its own that has just so much address space left.

Run as a script by ``child.trial`` (``python -I -S trial.py``), standard library only, so that the
process is small and starts in milliseconds.  The request and the answer are one JSON line each, on
standard input and output: nothing secret is in argv or the environment.

How it tells "no memory" from "wrong password", which libsodium does not: the kernel's own record of
the largest address space (VmPeak) rises by the hash's blocks if, and only if, they could be mapped.
"""

import base64
import ctypes
import json
import mmap
import os
import resource
import struct
import sys
import time
from typing import Any

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # mallopt(3)
_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _SECCOMP_MODE_FILTER = 4, 22, 38, 2  # prctl(2)
_NO_USERS, _NOBODY = 0x70000000, 65534
_HEAP = 64 * 1024  # more than libsodium's and libcrypt's small allocations take together
_MAPPED = 128 * 1024  # glibc's M_MMAP_THRESHOLD
_PAGE = mmap.PAGESIZE


def _status(key: str) -> int:
    """A size from /proc/self/status, in bytes."""
    with open("/proc/self/status", "rb", buffering=0) as file:  # noqa: PTH123 - pathlib takes 10 ms to import
        for line in file.read(8192).splitlines():
            if line.startswith(key.encode() + b":"):
                return int(line.split()[1]) * 1024
    raise RuntimeError(key)


def _grow_heap(libc: ctypes.CDLL, size: int) -> None:
    """Leave ``size`` free bytes on the heap, as a process has after its first verification; no large piece.

    What Python has freed by then differs by its version: 3.13 leaves a piece that an index array fits into.
    """
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, (ctypes.c_size_t,)
    libc.free.argtypes = (ctypes.c_void_p,)
    libc.mallopt(_M_MMAP_THRESHOLD, _MAPPED)
    while not _is_mapped(piece := libc.malloc(_MAPPED)):
        pass  # kept: it was free, and large
    libc.free(piece)
    libc.mallopt(_M_TOP_PAD, 0)  # else the heap grows by 128 KiB more
    libc.mallopt(_M_MMAP_THRESHOLD, 32 * 1024 * 1024)
    libc.mallopt(_M_TRIM_THRESHOLD, 1024 * 1024 * 1024)
    libc.free(libc.malloc(size))


def _is_mapped(piece: int) -> bool:
    """Whether malloc mapped it, for it was nowhere free.  Source: IS_MMAPPED, glibc malloc/malloc.c."""
    before = ctypes.c_size_t.from_address(piece - ctypes.sizeof(ctypes.c_size_t))
    return bool(before.value & 2)


def _verifier(kind: str, path: str, stored: bytes, password: bytes) -> Any:
    """A call without arguments that is true when the password matches."""
    lib = ctypes.CDLL(path)
    if kind == "libsodium":
        if lib.sodium_init() < 0:
            raise OSError(path)
        call = lib.crypto_pwhash_str_verify
        call.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulonglong)
        return lambda: call(stored, password, len(password)) == 0
    data = ctypes.create_string_buffer(32768)  # struct crypt_data, crypt(3)
    crypt = lib.crypt_rn
    crypt.restype = ctypes.c_char_p
    crypt.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int)
    return lambda: crypt(password, stored, data, len(data)) == stored


def _give_up_root(libc: ctypes.CDLL, library: str, code: bytes) -> None:
    """Become a user whom there is not, for good, who runs no program and has no socket.

    Dumpable until the library is loaded, as it is named by a descriptor; that user has no other process.
    Raises OSError where root cannot be given up and the library is another root's.
    """
    wanted = (_NO_USERS + os.getpid(), _NOBODY) if os.geteuid() == 0 else ()
    became = not wanted
    for uid in wanted:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
        except OSError:  # a user namespace that has no such number
            continue
        became = True
        break
    long, none = ctypes.c_long, ctypes.c_long(0)
    libc.prctl(long(_PR_SET_DUMPABLE), long(1), none, none, none)
    libc.prctl(long(_PR_SET_NO_NEW_PRIVS), long(1), none, none, none)
    held = ctypes.create_string_buffer(code)
    told = struct.pack("@HP", len(code) // 8, ctypes.addressof(held))
    refused = libc.prctl(long(_PR_SET_SECCOMP), long(_SECCOMP_MODE_FILTER), told, none, none) if code else -1
    if (refused or not became) and library.startswith("/proc/"):
        raise OSError("root cannot be given up here")


def _ready(request: dict[str, Any]) -> tuple[ctypes.CDLL, Any] | None:
    """libc, and what verifies, by whom nobody is; None where that cannot be, which is answered."""
    stored, password = (base64.b64decode(request[key]) for key in ("stored", "password"))
    libc = ctypes.CDLL(None)
    try:
        _give_up_root(libc, request["library"], base64.b64decode(request["filter"]))
        return libc, _verifier(request["kind"], request["library"], stored, password)
    except (OSError, AttributeError) as why:
        sys.stdout.write(json.dumps({"error": str(why)}))
        return None


def main() -> None:
    request = json.loads(sys.stdin.readline())
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if (ready := _ready(request)) is None:
        return
    libc, verify = ready
    libc.prctl(ctypes.c_long(_PR_SET_DUMPABLE), *[ctypes.c_long(0)] * 4)
    # A long-lived process takes the index array from its heap; a new one maps it, if it is large.
    _grow_heap(libc, _HEAP + request["heap"])
    libc.mallopt(_M_MMAP_THRESHOLD, 32 * 1024 * 1024 if request["heap"] else 128 * 1024)
    resource.getrlimit(resource.RLIMIT_AS), time.monotonic(), _status("VmPeak")  # nothing new later
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    # Bring the size up to the past peak, so that any rise of the peak is the verification's.
    gap = _status("VmPeak") - _status("VmSize")
    ballast = mmap.mmap(-1, gap) if gap >= _PAGE else None
    size = _status("VmSize")
    if request["room"] is not None:
        resource.setrlimit(resource.RLIMIT_AS, (size + request["room"], hard))
    began = time.monotonic()
    matched = verify()
    seconds = time.monotonic() - began
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    rose = _status("VmPeak") - size
    del ballast
    sys.stdout.write(json.dumps({"matched": matched, "rose": rose, "seconds": seconds}))


if __name__ == "__main__":
    main()
