"""A bound on this process's memory, while others answer it who may send without end.

Client libraries keep an answer until it is whole, whatever its size, and no limit of theirs is one of memory.
"""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

_MORE = 1 << 30  # bytes; a migration of a million rows takes 200 MiB: bench/results/migrate-move-memory.json
_PAGES_OF_DATA = 5  # of /proc/self/statm: proc(5)
_before: list[tuple[int, int]] = []  # what it was outside

TOO_MUCH = (
    "what it answers takes more than 512 MiB of memory: a row is that large, or more was sent than was asked"
    " for. Look for strings of many megabytes in it, and see what listens there"
)


@contextmanager
def memory() -> Iterator[None]:
    """Only so much more of what can be written to, as the kernel counts it; then it is MemoryError.

    RLIMIT_DATA: getrlimit(2), Linux 4.7.  What libraries only map for later does not count, as it does for
    RLIMIT_AS.
    """
    own = resource.getrlimit(resource.RLIMIT_DATA)
    most = min([_data() + _MORE, *(one for one in own if one != resource.RLIM_INFINITY)])
    _before.append(own)
    resource.setrlimit(resource.RLIMIT_DATA, (most, own[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, _before.pop())


def is_bound() -> bool:
    """Whether ``memory`` holds here."""
    return bool(_before)


def used_up() -> bool:
    """Whether half of it is gone: some libraries take in, and forget, what they have no memory for."""
    return is_bound() and _data() > resource.getrlimit(resource.RLIMIT_DATA)[0] - _MORE // 2


def _data() -> int:
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - as short as can be
        return int(file.read().split()[_PAGES_OF_DATA]) * resource.getpagesize()


def unbounded() -> tuple[int, int]:
    """RLIMIT_DATA as it was outside: for processes of ours that compute, and are asked by us alone."""
    return _before[0] if _before else resource.getrlimit(resource.RLIMIT_DATA)
