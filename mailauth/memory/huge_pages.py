"""Whether Argon2's memory gets transparent huge pages, and by how much that would speed verifications up.

libsodium maps a hash's memory for each verification and does not ask for huge pages by madvise(2), so only
the kernel's setting "always" gives them.  Source: libsodium 1.0.18 and 1.0.20,
src/libsodium/crypto_pwhash/argon2/argon2-core.c (allocate_memory: MAP_POPULATE); Linux,
Documentation/admin-guide/mm/transhuge.rst; measured: bench/huge_pages.py.
"""

import fcntl
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mailauth.errors import CannotObserve
from mailauth.hashes import Hash
from mailauth.later import later
from mailauth.memory.huge_guard import chosen
from mailauth.memory.measure import Measured, Spread, measure, spread
from mailauth.memory.speed import together
from mailauth.oserrors import unseen
from mailauth.records import dataclass

if TYPE_CHECKING:
    import statistics
else:
    statistics = later("statistics")  # only where it is measured

ROOT = Path("/sys/kernel/mm/transparent_hugepage")
ALWAYS = "always"
TURNS = 4
_GUARD = Path(__file__).with_name("huge_guard.py")
_GUARD_SECONDS = 600.0  # a trial that hangs is over then
_READY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class HugePages:
    """The setting that decides: "always", "madvise" or "never", and the file that has it."""

    setting: str
    file: str

    @property
    def given(self) -> bool:
        """Whether Dovecot's verifications get them."""
        return self.setting == ALWAYS


@dataclass(frozen=True, slots=True)
class HugeSide:
    """Verifications under one setting; bytes of the process that verified, which is Python and not Dovecot.

    ``address_space``: what a verification needs beyond the process, by the kernel's peak; ``bisected``: the
    least limit with which it works.  ``resident``: the process at its peak; ``resident_before``: before it.
    """

    setting: str
    time: Spread
    address_space: int
    bisected: int | None
    resident: int
    resident_before: int


@dataclass(frozen=True, slots=True)
class HugeTrial:
    """The setting as it is, and "always", in turn; ``ratios``: least time with "always" over that without.

    ``put_back``: whether the setting is again what it was.  ``given`` and ``not_given``: huge pages that
    processes of this machine got and asked for in vain while it was "always".
    """

    hash: str
    parallel: int
    as_is: HugeSide
    always: HugeSide
    ratios: tuple[float, ...]
    given: int
    not_given: int
    put_back: bool

    @property
    def ratio(self) -> float:
        return float(statistics.median(self.ratios))

    @property
    def agree(self) -> bool:
        """Whether "always" was faster in each turn, and at the median of all as well."""
        return max(self.ratios) < 1.0 and self.always.time.median < self.as_is.time.median


def huge_pages(root: Path = ROOT) -> HugePages:
    """This machine's.  Raises CannotObserve where the kernel has none, or hides it.

    The largest size a page table has may have a setting of its own, since Linux 6.8.
    """
    file = root / "enabled"
    with suppress(OSError, ValueError):
        kib = int((root / "hpage_pmd_size").read_text()) // 1024
        own = root / f"hugepages-{kib}kB" / "enabled"
        if own.exists() and chosen(str(own)) not in ("inherit", ""):
            file = own
    try:
        file.read_text()
    except OSError as why:
        raise unseen(str(file), why) from None
    if not (setting := chosen(str(file))):
        raise CannotObserve(f"{file}: does not say which setting counts.")
    return HugePages(setting, str(file))


def setting_of(pages: HugePages) -> str:
    """What it is now; "" where it cannot be read."""
    return chosen(pages.file)


def check_changeable(pages: HugePages) -> None:
    """Raises CannotObserve where the setting is not ours to change: without root, or in a container."""
    if not os.access(pages.file, os.W_OK):
        raise CannotObserve(f"{pages.file}: may not be changed by us.", needs_root=os.geteuid() != 0)


def undone_by(pages: HugePages) -> str:
    """The command that puts the setting back, should both this process and its guard be killed."""
    return f"echo {pages.setting} > {pages.file}"


def trial(
    parsed: Hash,
    pages: HugePages,
    *,
    parallel: int = 1,
    turns: int = TURNS,
    seconds: float = 1.0,
    library: str | None = None,
    step: Callable[..., None] = lambda: None,
) -> HugeTrial:
    """Verify with the setting as it is and with "always", in turn, each for ``seconds``; then as it was.

    Whatever ends this process, the setting is put back: by itself, or by a guard (``huge_guard``).
    Raises CannotObserve where it is not ours to change, another trial runs, or somebody changes it meanwhile.
    """

    def some() -> list[Measured]:
        found = together(parsed, parallel, seconds=seconds, library=library)
        step()
        return found

    as_is: list[list[Measured]] = []
    always: list[list[Measured]] = []
    given = [0, 0]
    with switching(pages) as switch:
        # bisected once each: the same search for the least address space
        room = [measure(parsed, runs=1, seconds=seconds, library=library).bisected]
        for _ in range(turns):
            as_is.append(some())
            before = _faults()
            with switch():
                if len(room) == 1:
                    room.append(measure(parsed, runs=1, seconds=seconds, library=library).bisected)
                always.append(some())
            given = [now - then + old for now, then, old in zip(_faults(), before, given, strict=True)]
    ratios = tuple(_least(two) / _least(one) for one, two in zip(as_is, always, strict=True))
    return HugeTrial(
        parsed.shown,
        parallel,
        _side(pages.setting, as_is, room[0]),
        _side(ALWAYS, always, room[1]),
        ratios,
        given[0],
        given[1],
        chosen(pages.file) == pages.setting,
    )


def _least(seen: list[Measured]) -> float:
    """What the machine can do; the rest is what else it was doing."""
    return min(each.time.least for each in seen)


def _side(setting: str, turns: list[list[Measured]], bisected: int | None) -> HugeSide:
    seen = [each for turn in turns for each in turn]
    return HugeSide(
        setting,
        spread([time for each in seen for time in each.times]),
        max(each.rose for each in seen),
        bisected,
        max(each.peak_rss for each in seen),
        max(each.idle_rss for each in seen),
    )


def _faults() -> tuple[int, int]:
    """Huge pages that processes of this machine got since it started, and asked for in vain."""
    with suppress(OSError, ValueError):
        counts = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())
        return int(counts.get("thp_fault_alloc", 0)), int(counts.get("thp_fault_fallback", 0))
    return 0, 0


@contextmanager
def switching(pages: HugePages) -> "Iterator[Callable[[], _Always]]":
    """Yields what makes the setting "always" for a while; the guard lives as long, and a moment longer."""
    file = Path(pages.file)
    try:
        lock = file.open("r", encoding="ascii")
    except OSError as why:
        raise unseen(pages.file, why) from None
    with lock:
        check_changeable(pages)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotObserve(f"{pages.file}: another trial is changing it; wait until it ends.") from None
        with _guarded(pages) as guard:
            yield lambda: _Always(pages, guard)


@contextmanager
def _guarded(pages: HugePages) -> Iterator["subprocess.Popen[bytes]"]:
    """A guard that puts the setting back once we are gone.  Raises CannotObserve where none starts."""
    words = [sys.executable, "-I", "-S", str(_GUARD), pages.file, ALWAYS, pages.setting, str(_GUARD_SECONDS)]
    guard = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={},
    )
    with guard:  # closes its standard input, and waits for it
        assert guard.stdout
        ready, _, _ = select.select([guard.stdout], [], [], _READY_SECONDS)
        if not ready or guard.stdout.readline() != b"ready\n":
            raise CannotObserve("the guard that puts the setting of huge pages back did not start.")
        yield guard


class _Always:
    """The setting is "always" within, and was and is what it was around it.  Raises CannotObserve."""

    def __init__(self, pages: HugePages, guard: "subprocess.Popen[bytes]") -> None:
        self._pages, self._guard = pages, guard

    def __enter__(self) -> None:
        self._expect(self._pages.setting)
        if self._guard.poll() is not None:
            raise CannotObserve(
                "the guard that puts the setting of huge pages back has ended: no trial without."
            )
        self._write(ALWAYS)

    def __exit__(self, *_why: object) -> None:
        self._expect(ALWAYS)  # else what was measured was something else
        self._write(self._pages.setting)

    def _write(self, word: str) -> None:
        try:
            Path(self._pages.file).write_text(word, encoding="ascii")
        except OSError as why:
            raise unseen(self._pages.file, why, "cannot be changed") from None
        self._expect(word)

    def _expect(self, word: str) -> None:
        if (now := chosen(self._pages.file)) != word:
            raise CannotObserve(f"{self._pages.file}: somebody else set it to {now or 'nothing'}; no trial.")
