"""Whether a hash fits into a process: footprint, idle size and limit brought together.

All sizes in bytes of address space (RLIMIT_AS), which is what vsz_limit sets.  Measured on Dovecot
2.3.19.1 and 2.4.1: a warmed process needs exactly its size and the hash's blocks; a new one maps
the index array too; between the two lies the heap's growth.
"""

from mailauth.hashes import Memory

_MiB = 1024 * 1024
# From here on glibc's malloc maps a block by itself, until the first such block is freed (M_MMAP_THRESHOLD).
HEAP_INDEX = 128 * 1024
# What the heap grows by beyond a block that does not fit into it: malloc asks for 128 KiB more than it
# needs (M_TOP_PAD), less what is free at the top, in whole pages.  Measured: 0 to 84 KiB.
# Source: glibc 2.36 and 2.41, malloc/malloc.c, sysmalloc().
HEAP_STEP = 132 * 1024
# Both at their largest, for a block that is not mapped: it is smaller than HEAP_INDEX, and at least
# MINSIZE (32 bytes) is free at the top.
HEAP_MOST = 256 * 1024
# Less than this beyond the need is thin: an update of Dovecot or a driver takes more (measured: the
# drivers installed move the idle size by 2.4 to 14.5 MiB).
THIN = _MiB


def room(limit: int | None, size: int) -> int | None:
    """What a process of ``size`` bytes may still map; None without a limit."""
    return None if limit is None else max(limit - size, 0)


def need_first(memory: Memory) -> int:
    """For the first verification of a new process."""
    return memory.total if memory.index >= HEAP_INDEX else memory.blocks


def need_always(memory: Memory, index: int | None = None) -> int:
    """For every verification of a process, whatever its heap looks like.  An upper bound.

    ``index``: the bytes of an index array that is not mapped, where they are known; 0 <= index < HEAP_INDEX.
    """
    if not memory.blocks:
        return 0
    if memory.index:
        return memory.blocks + memory.index + HEAP_STEP
    most = memory.blocks // 512 if index is None else index  # with one lane; more lanes take less
    return memory.blocks + min(most + HEAP_STEP, HEAP_MOST)


def safe_limit(size: int, memory: Memory) -> int:
    """The vsz_limit to recommend: what is always enough, 16 MiB to spare, in steps of 64 MiB."""
    step = 64 * _MiB
    return -(-(size + need_always(memory) + 16 * _MiB) // step) * step


def slack(memory: Memory) -> int:
    """By how much a process's size can differ before and after its first verification.  An upper bound."""
    return need_always(memory) - memory.blocks
