"""Measure one verification, in children of a process of its own that holds nothing but the library.

Run as a script by ``measure.measure`` (``python -I -S gauge.py``), standard library only.  Request and
answer are one JSON line each, on standard input and output: nothing secret is in argv or the environment.

Each figure is taken in a fork of its own: its VmPeak begins at its VmSize, and what it maps is its own.
"""

import json
import mmap
import os
import resource
import sys
import time
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - pathlib takes 10 ms

from trial import _MAPPED, _grow_heap, _ready, _status  # type: ignore[import-not-found]

_PAGE = mmap.PAGESIZE


def _forked(work: Any) -> Any:
    """What ``work()`` returns, run in a fork."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        answer = work()
        resource.setrlimit(resource.RLIMIT_AS, (_HARD, _HARD))
        os.write(writer, json.dumps(answer).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        data = file.read()
    os.waitpid(child, 0)
    return json.loads(data) if data else None


_HARD = resource.getrlimit(resource.RLIMIT_AS)[1]


def _peak(verify: Any) -> dict[str, Any]:
    """How far the address space and the resident memory rise."""
    size, resident = _status("VmSize"), _status("VmRSS")
    matched = verify()
    return {"matched": matched, "rose": _status("VmPeak") - size, "rss": _status("VmHWM"), "before": resident}


def _fits(verify: Any, room: int) -> bool:
    """Whether it matches with ``room`` bytes of address space."""

    def work() -> bool:
        size = _status("VmSize")
        resource.setrlimit(resource.RLIMIT_AS, (size + room, _HARD))
        return bool(verify())

    return bool(_forked(work))


def _bisect(verify: Any, guess: int) -> int:
    """The smallest room, to the page, in which it matches: searched from a guess that may be wrong."""
    stride = _PAGE
    if _fits(verify, guess):
        high, low = guess, guess - stride
        while low > 0 and _fits(verify, low):
            high, stride = low, 2 * stride
            low = high - stride
        low = max(low, 0)
        if low == 0 and _fits(verify, 0):
            return 0
    else:
        low, high = guess, guess + stride
        while not _fits(verify, high):
            low, stride = high, 2 * stride
            high = low + stride
    while high - low > _PAGE:
        middle = (low + high) // 2 // _PAGE * _PAGE
        low, high = (low, middle) if _fits(verify, middle) else (middle, high)
    return high


def _times(verify: Any, runs: int, seconds: float) -> list[float]:
    """Each of up to ``runs`` verifications, one after another in one process, as in Dovecot's."""
    taken: list[float] = []
    until = time.monotonic() + seconds
    while len(taken) < runs and (not taken or time.monotonic() < until):
        began = time.perf_counter()
        verify()
        taken.append(time.perf_counter() - began)
    return taken


def main() -> None:
    request = json.loads(sys.stdin.readline())
    if (ready := _ready(request)) is None:
        return
    libc, verify = ready
    _grow_heap(libc, request["heap"])
    libc.mallopt(-3, _MAPPED)  # M_MMAP_THRESHOLD: glibc's own again, and fixed
    answer = _forked(lambda: _peak(verify))
    answer["least"] = _bisect(verify, max(answer["rose"], 0)) if request["bisect"] else None
    answer["times"] = _forked(lambda: _times(verify, request["runs"], request["seconds"]))
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
