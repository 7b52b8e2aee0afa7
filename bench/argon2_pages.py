"""Is Argon2 verified faster where mailauth asks for huge pages itself?

    python -m bench.argon2_pages [--rounds 15] [--write]      bench/results/argon2-pages.json

libsodium, which Dovecot calls, maps its memory itself and asks for none.  argon2-cffi takes memory that it is
given: here one mapping for all verifications, aligned to 2 MiB, once as it comes and once with
madvise(MADV_HUGEPAGE).  In turn, in this process; milliseconds of CPU, of which the medians.  ``MiB in huge
pages``: how much of that mapping the kernel gave so.
"""

import argparse
import ctypes
import json
import mmap
import os
import platform
import re
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mailauth.hashes import Hash, Password, generate, libsodium, parse
from mailauth.hashes.encoding import base64_decode_leniently
from mailauth.hashes.libraries import argon2
from mailauth.memory.huge_pages import huge_pages

RESULT = Path(__file__).parent / "results" / "argon2-pages.json"
HUGE, BOUND = 2 * 1024 * 1024, 0.75
PASSWORD = Password.of("secret")
SIZES = ((65536, 3), (19456, 2))


class Memory:
    """One mapping, for argon2-cffi to compute in."""

    def __init__(self, size: int, *, huge: bool) -> None:
        ffi = argon2.low_level.ffi
        self._mapping = mmap.mmap(-1, size + HUGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._mapping.madvise(mmap.MADV_HUGEPAGE if huge else mmap.MADV_NOHUGEPAGE)
        began = ctypes.addressof(ctypes.c_char.from_buffer(self._mapping))
        self.at = -(-began // HUGE) * HUGE

        def give(out: Any, _size: int) -> int:
            out[0] = ffi.cast("uint8_t *", self.at)
            return 0

        def keep(_memory: Any, _size: int) -> None:
            pass

        self.give = ffi.callback("int(uint8_t **, size_t)", give)
        self.keep = ffi.callback("void(uint8_t *, size_t)", keep)

    def in_huge_pages(self) -> float:
        told = Path("/proc/self/smaps").read_text()
        kept = re.findall(r"(?m)^([0-9a-f]+)-([0-9a-f]+) .*\n(?:\w+:.*\n)*?AnonHugePages: +(\d+) kB", told)
        return sum(int(kb) for first, last, kb in kept if int(first, 16) <= self.at < int(last, 16)) / 1024


def computed(stored: Hash, memory: Memory) -> bool:
    """By argon2-cffi, as ``hashes/argon2.py`` calls it where there is no libsodium."""
    ffi, values = argon2.low_level.ffi, dict(stored.params)
    salt, tag = map(base64_decode_leniently, stored.payload.rsplit(b"$", 2)[1:])
    out, given = ffi.new("uint8_t[]", len(tag)), ffi.new("uint8_t[]", PASSWORD.text)
    salt_c = ffi.new("uint8_t[]", salt)
    context = {"version": 19, "out": out, "outlen": len(tag), "pwd": given, "pwdlen": len(PASSWORD.text)}
    context |= {"salt": salt_c, "saltlen": len(salt), "secret": ffi.NULL, "ad": ffi.NULL, "flags": 0}
    context |= {"t_cost": values["t"], "m_cost": values["m"], "lanes": values["p"], "threads": 1}
    context |= {"allocate_cbk": memory.give, "free_cbk": memory.keep}
    code = argon2.low_level.core(ffi.new("argon2_context *", context), argon2.low_level.Type.ID.value)
    return code == 0 and bytes(ffi.buffer(out)) == tag


def milliseconds(work: Callable[[], bool]) -> float:
    began = time.process_time()
    assert work()
    return 1000 * (time.process_time() - began)


def measured(size: int, passes: int, rounds: int) -> dict[str, Any]:
    stored = parse(generate("ARGON2ID", PASSWORD, memory=size, time=passes, lanes=1))
    lib = libsodium.load()
    assert isinstance(stored, Hash)
    assert lib is not None
    plain, huge = (Memory(size * 1024, huge=one) for one in (False, True))
    ways: dict[str, Callable[[], bool]] = {
        "libsodium": lambda: libsodium.str_verify(lib, stored.payload, PASSWORD.text) == 0,
        "argon2-cffi": lambda: computed(stored, plain),
        "argon2-cffi, huge pages": lambda: computed(stored, huge),
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, work in ways.items():
            took[name].append(milliseconds(work))
    found: dict[str, Any] = {f"{name}, ms": round(statistics.median(each), 1) for name, each in took.items()}
    times = [
        ours / theirs for ours, theirs in zip(took["argon2-cffi, huge pages"], took["libsodium"], strict=True)
    ]
    found["times libsodium"] = round(statistics.median(times), 2)
    return found | {"MiB in huge pages": huge.in_huge_pages(), "without": plain.in_huge_pages()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    found = {f"m={size}, t={passes}": measured(size, passes, given.rounds) for size, passes in SIZES}
    about = {
        "setting": huge_pages().setting,
        "to reach": BOUND,
        "date": datetime.now(UTC).date().isoformat(),
        "host": {"cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()},
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(found | about, indent=2))
    if given.write:
        RESULT.write_text(json.dumps(found | about, indent=2) + "\n")


if __name__ == "__main__":
    main()
