"""What a fix changes, written down before it changes anything: enough to take all of it back.

One folder a fix, mode 0700, with one file, mode 0600: it holds the files as they were, and the old
stored string.  A plaintext is taken out as soon as the fix is done.
"""

import fcntl
import os
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import field, replace
from enum import Enum
from pathlib import Path

import msgspec

from mailauth import private
from mailauth.errors import Refused, UsageError
from mailauth.hashes.schemes import lookup
from mailauth.private import NotOurs
from mailauth.records import dataclass

_ENDING = 3.0  # seconds


class FixState(Enum):
    """How far a fix got."""

    APPLYING = "applying"  # or killed in the middle
    APPLIED = "applied"
    ROLLED_BACK = "rolled back"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file before (None: it was not there) and after."""

    path: str
    before: bytes | None = field(repr=False)
    after: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ModeEntry:
    """Who owned a file that a command may give away; ``device`` and ``inode``: which file it was."""

    path: str
    mode: int
    uid: int
    gid: int
    device: int = 0
    inode: int = 0


@dataclass(frozen=True, slots=True)
class StoreEntry:
    """One user's stored string before and after; ``kept``: a plaintext was not."""

    passdb: str
    place: str
    old: bytes | None = field(repr=False)
    new: bytes | None = field(repr=False)
    kept: bool = True


@dataclass(frozen=True, slots=True)
class Journal:
    """One fix."""

    id: str
    code: str
    user: str
    service: str
    config: str | None
    pid: int | None
    state: FixState
    files: tuple[FileEntry, ...] = ()
    modes: tuple[ModeEntry, ...] = ()
    store: StoreEntry | None = None
    reloads: bool = False
    mark: str = ""  # of the process ``pid``; "" in journals of before
    stays: tuple[str, ...] = ()  # what was done, or may have been, and cannot be taken back


def folder() -> Path:
    """Where the journals are."""
    return private.state("fix")


@contextmanager
def alone() -> Iterator[None]:
    """One fix at a time.  Raises Refused when another runs, or the folder cannot be made."""
    path = folder()
    try:
        private.make(path)
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as why:
        raise Refused(
            f"{path}: no journal can be kept there ({why.strerror}), so nothing is changed."
        ) from None
    try:
        _take(lock)
        yield
    finally:
        os.close(lock)


def _take(lock: int) -> None:
    """What a killed fix was asking in another root ends a moment after it, and has the lock until then."""
    deadline = time.monotonic() + _ENDING
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Refused("another mailauth fix is running; try again when it has ended.") from None
            time.sleep(0.05)
        else:
            return


def fresh_id(code: str) -> str:
    stamp = f"{time.strftime('%Y%m%d-%H%M%S')}-{code.replace(' ', '+')}"
    names = (stamp, *(f"{stamp}-{number}" for number in range(2, 1000)))
    return next(name for name in names if not (folder() / name).exists())


def write(journal: Journal) -> None:
    """Replace it whole.  Raises Refused."""
    path = folder() / journal.id
    try:
        private.make(path)
        half = path / ".journal"
        half.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(half, flags, 0o600), "wb") as file:
            file.write(msgspec.json.encode(journal))
            file.flush()
            os.fsync(file.fileno())
        half.rename(path / "journal.json")
        for one in (path, path.parent):
            descriptor = os.open(one, os.O_RDONLY | os.O_DIRECTORY)
            os.fsync(descriptor)
            os.close(descriptor)
    except OSError as why:
        with suppress(OSError):
            (path / ".journal").unlink(missing_ok=True)
            path.rmdir()  # if nothing was kept there before
        raise Refused(f"{path}: the journal cannot be written ({why.strerror}).") from None


def read(name: str) -> Journal:
    """Raises UsageError when there is no such fix, NotOurs where another user may have written it."""
    try:
        if "/" in name or name.startswith("."):
            raise FileNotFoundError
        text = private.read(folder() / name / "journal.json")
    except OSError:
        there = ", ".join(one.id for one in journals()) or "none"
        says = f"there is no fix {name!r} in {folder()}; there are: {there}"
        if os.geteuid():
            command = shlex.join(["sudo", "mailauth", "fix", "--undo", name])
            says += f". One that root made only root sees and takes back: {command}"
        raise UsageError(f"{says}.") from None
    return msgspec.json.decode(text, type=Journal)


def journals() -> list[Journal]:
    """All of them, the oldest first; what cannot be read is passed over."""
    found = []
    for path in sorted(folder().glob("*/journal.json")):
        try:
            found.append(msgspec.json.decode(private.read(path), type=Journal))
        except (OSError, NotOurs, msgspec.MsgspecError):
            continue
    return found


def killed() -> Journal | None:
    """A fix that did not get to its end; to be asked while we are alone."""
    return next((one for one in journals() if one.state is FixState.APPLYING), None)


def left_over() -> str:
    """The fix that was killed and not taken back, for the next run to tell; "" where one runs."""
    try:
        lock = os.open(folder() / "lock", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        left = killed()
    except BlockingIOError:
        return ""
    finally:
        os.close(lock)
    return left.id if left else ""


def finished(journal: Journal, state: FixState) -> Journal:
    """Note how it ended, and keep no plaintext."""
    store = journal.store
    if store and state in (FixState.ROLLED_BACK, FixState.UNDONE):
        store = replace(store, old=None, new=None, kept=False)
    elif store and store.old is not None and is_plain(store.old):
        store = replace(store, old=None, kept=False)
    done = replace(journal, state=state, store=store)
    write(done)
    return done


def is_plain(stored: bytes) -> bool:
    """Whether the string tells the password, as far as its name says."""
    entry = lookup(stored[1:].partition(b"}")[0].partition(b".")[0]) if stored.startswith(b"{") else None
    return bool(entry and entry[0].stores_password) or stored[:1] not in (b"{", b"$")
