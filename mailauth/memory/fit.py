"""Whether a hash fits into a process: footprint, idle size and limit brought together.

All sizes in bytes of address space (RLIMIT_AS), which is what vsz_limit sets.  Measured on Dovecot
2.3.19.1 and 2.4.1: a warmed process needs exactly its size and the hash's blocks; a new one maps
the index array too; between the two lies the heap's growth.
"""

from mailauth.hashes import Memory

_MiB = 1024 * 1024
# What a process's heap grows by at the most from its first verification to its later ones, on top
# of the index array: 128 KiB of malloc's own step, and a page for its header.  Measured: <= 96 KiB.
HEAP_STEP = 132 * 1024
# An index array below 128 KiB comes from the heap, and may itself make the heap grow.
HEAP_INDEX = 128 * 1024
# Less than this beyond the need is thin: an update of Dovecot or a driver takes more (measured: the
# drivers installed move the idle size by 2.4 to 14.5 MiB).
THIN = _MiB


def room(limit: int | None, size: int) -> int | None:
    """What a process of ``size`` bytes may still map; None without a limit."""
    return None if limit is None else max(limit - size, 0)


def need_first(memory: Memory) -> int:
    """For the first verification of a new process."""
    return memory.total if memory.index >= HEAP_INDEX else memory.blocks


def need_always(memory: Memory) -> int:
    """For every verification of a process, whatever its heap looks like.  An upper bound."""
    if not memory.blocks:
        return 0
    return memory.blocks + max(memory.index, HEAP_INDEX) + HEAP_STEP


def safe_limit(size: int, memory: Memory) -> int:
    """The vsz_limit to recommend: what is always enough, 16 MiB to spare, in steps of 64 MiB."""
    step = 64 * _MiB
    return -(-(size + need_always(memory) + 16 * _MiB) // step) * step


def slack(memory: Memory) -> int:
    """By how much a process's size can differ before and after its first verification.  An upper bound."""
    return need_always(memory) - memory.blocks
