"""What a verification asks the kernel for, in closed form, to the byte; every scheme.

``hashes.Memory`` is the short form that the diagnosis uses; this one says what each piece is.
Source: libsodium 1.0.18 crypto_pwhash/argon2/argon2-core.c (allocate_memory, argon2_initialize) and
libxcrypt 4.4.33 lib/alg-yescrypt-opt.c (yescrypt_kdf_body, alloc_region).  Measured, see docs/memory.md.
"""

from mailauth.hashes import Hash, Memory
from mailauth.hashes.crypt import scrypt_parts
from mailauth.memory import fit
from mailauth.records import dataclass

_PAGE = 4096
_MALLOC_HEADER = 16


@dataclass(frozen=True, slots=True)
class Part:
    """One allocation: the bytes asked for, and the address space it takes (0: comes from the heap)."""

    what: str
    asked: int
    mapped: int


@dataclass(frozen=True, slots=True)
class Footprint:
    """All that one verification takes on top of the idle process, in bytes."""

    parts: tuple[Part, ...]
    lanes: int  # Argon2's p; they run one after another and take no memory of their own
    first: int  # address space for the first verification of a process
    always: int  # for every later one, whatever the heap looks like: an upper bound

    @property
    def memory(self) -> Memory:
        """As the rest of mailauth has it."""
        blocks = self.parts[0].mapped if self.parts else 0
        return Memory(blocks, sum(part.mapped for part in self.parts[1:]))


NOTHING = Footprint((), 1, 0, 0)


def of(parsed: Hash) -> Footprint:
    """The footprint of a stored hash; nothing for the schemes that work in a few KiB of stack and heap."""
    values = dict(parsed.params)
    if parsed.scheme.library == "libsodium":
        return argon2(int(values["m"]), int(values["p"]))
    if "N" in values:
        yescrypt = str(values["kind"]) != "$7$"
        return scrypt(int(values["N"]), int(values["r"]), int(values["p"]), yescrypt=yescrypt)
    return NOTHING


def argon2(m: int, p: int) -> Footprint:
    """``m`` KiB and ``p`` lanes; the number of passes makes no difference."""
    segment = max(m, 8 * p) // (4 * p)
    blocks = segment * 4 * p * 1024
    index = 8 * segment
    mapped = _pages(index + _MALLOC_HEADER) if index >= fit.HEAP_INDEX else 0
    memory = Memory(blocks, mapped)
    return Footprint(
        (Part("blocks", blocks, blocks), Part("index array", index, mapped)),
        p,
        fit.need_first(memory),
        fit.need_always(memory, None if mapped else index),
    )


def scrypt(n: int, r: int, p: int, *, yescrypt: bool) -> Footprint:
    """crypt(3)'s $7$, and $y$ and $gy$, which have S-boxes besides."""
    table, scratch = scrypt_parts(n, r, p, yescrypt=yescrypt)
    parts = (Part("table", table, _pages(table)), Part("scratch", scratch, _pages(scratch)))
    total = sum(part.mapped for part in parts)
    # Both are mapped by mmap(2) itself, past malloc, each time again: nothing stays on the heap.
    return Footprint(parts, p, total, fit.need_always(Memory(total), 0))


def _pages(size: int) -> int:
    return -(-size // _PAGE) * _PAGE
