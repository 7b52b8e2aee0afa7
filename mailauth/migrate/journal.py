"""What a migration changes, written down before each batch: enough to take it back.

One folder a migration, mode 0700.  ``head.json`` says what it is and how far it got; ``rows`` holds the
batches, each a frame of its own: length, then key, old and new string of each row.  The frames are sealed to
a key (X25519 and XSalsa20-Poly1305, libsodium's sealed boxes), whose other half is not needed before an undo:
one that was given, or one made for this migration, which lies beside the journals and in none of them.

A frame that was cut off by a kill is the last one, and its batch was never begun.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field, replace
from enum import Enum
from io import FileIO
from pathlib import Path
from typing import BinaryIO

import msgspec

from mailauth import private
from mailauth.errors import CannotObserve, Refused, UsageError
from mailauth.migrate import sealing
from mailauth.records import dataclass
from mailauth.stores.swaps import Key
from mailauth.stores.url import shown

_LENGTH = 4  # bytes of a frame's length
_MOST = 1 << 30


class State(Enum):
    """How far a migration got."""

    APPLYING = "applying"  # or interrupted: apply --resume goes on
    APPLIED = "applied"
    UNDOING = "undoing"
    UNDONE = "undone"
    PARTLY = "partly undone"  # the old strings of the rest are in no journal


@dataclass(frozen=True, slots=True)
class Head:
    """One migration."""

    id: str
    store: str  # the passdb's label, or the URL without its password
    config: str | None
    rules: str  # as JSON
    state: State
    begun: float  # seconds since 1970
    sealed_to: str = ""  # the public key, in hex; "" for none, in journals of before
    done: dict[str, int] = field(default_factory=dict)
    identity: str = ""  # of the store, by the server's own word; "" in journals of before
    keys: tuple[Key, ...] = ()  # of the first and of the last row that it changes
    without_plaintexts: bool = False  # old strings that are plaintexts are left out
    kind: str = ""  # "move": rows were added
    default_scheme: str = ""  # of the passdb when it began; "" for a store without one

    @property
    def keeps_plaintexts(self) -> bool:
        return bool(self.sealed_to) and not self.without_plaintexts


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One row; ``old`` is None where it was a plaintext and is not kept, or was NULL, as ``null`` says."""

    key: tuple[int | str, ...]
    old: bytes | None
    new: bytes
    null: bool = False
    added: bool = False  # the row was not there before
    cancelled: bool = False  # it was to be added, and was not

    @property
    def kept(self) -> bool:
        """Whether the row can be put back."""
        return self.null or self.old is not None

    def __repr__(self) -> str:
        return "Entry(...)"


def folder() -> Path:
    """Where the journals are."""
    return private.state("migrate")


def key_file(name: str) -> Path:
    """Where the key of a migration is that was sealed to one of its own."""
    return folder().parent / "migrate-keys" / name


def own_key(head: Head) -> Path | None:
    """The same where it is still there."""
    path = key_file(head.id)
    return path if head.sealed_to and path.is_file() else None


def fresh_sealed(head: Head) -> "Journal":
    """Sealed to a key made now, which is on disk before the journal is.  Raises Refused."""
    path = key_file(head.id)
    try:
        private.make(path.parent)
        public = sealing.new_key(path)
        _synced(path.parent)
    except (OSError, UsageError) as why:
        raise Refused(f"{path}: no key can be kept ({why}), so nothing is changed.") from None
    try:
        return fresh(replace(head, sealed_to=public))
    except Refused:
        path.unlink()
        raise


def fresh(head: Head) -> "Journal":
    """Raises Refused when it cannot be kept."""
    path = folder() / head.id
    try:
        private.make(path.parent)
        path.mkdir(mode=0o700)
        rows = os.open(path / "rows", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except OSError as why:
        raise Refused(f"{path}: no journal can be kept ({why.strerror}), so nothing is changed.") from None
    file = os.fdopen(rows, "wb", buffering=0)
    _ours(path, file)
    journal = Journal(path, head, file)
    journal.save()
    for new in (path, path.parent):
        _synced(new)
    return journal


def reopened(name: str) -> "Journal":
    """To go on: what was cut off at the end is dropped.

    Raises UsageError when there is none, Refused while another writes it.
    """
    path = folder() / name
    read_head(name)
    try:
        file = os.fdopen(private.opened(path / "rows", os.O_RDWR), "r+b", buffering=0)
    except OSError as why:
        raise Refused(f"{path}: cannot be written ({why.strerror}).") from None
    _ours(path, file)
    head = read_head(name)
    with _rows(name) as source:
        whole = sum(_LENGTH + length for _, length in _frames(source))
    file.truncate(whole)
    file.seek(whole)
    return Journal(path, head, file)


def _ours(path: Path, file: FileIO) -> None:
    """Lock it until it is closed: of two who write it, one would cut off what the other has just written."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise Refused(f"{path}: another mailauth is at work on this migration; wait for its end.") from None
    except OSError as why:
        file.close()
        raise Refused(f"{path}: the journal cannot be locked ({why.strerror}).") from None


def read_head(name: str) -> Head:
    path = folder() / name / "head.json"
    if "/" in name or not path.is_file():
        raise UsageError(f"{name}: there is no such migration; mailauth migrate status lists them.")
    try:
        head = msgspec.json.decode(private.read(path), type=Head)
        return replace(head, store=shown(head.store))  # one of before may have a password in it
    except (OSError, msgspec.DecodeError) as why:
        raise UsageError(f"{path}: cannot be read ({why}).") from None


def of_root() -> str:
    """The folder of root's own migrations, where we are not root and it may have some; "" for none."""
    if os.geteuid() == 0 or os.environ.get("MAILAUTH_STATE"):
        return ""
    return str(private.ROOTS) if _there(private.ROOTS) else ""


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return True


def all_heads() -> tuple[list[Head], list[str]]:
    """The migrations, the oldest first; and what is wrong with those that cannot be read.

    Raises CannotObserve where they may not be listed.
    """
    try:
        with os.scandir(folder()):
            pass
    except FileNotFoundError:
        return [], []
    except OSError as why:
        raise CannotObserve(f"{folder()}: cannot be read ({why.strerror}).", needs_root=True) from None
    found: list[Head] = []
    damaged: list[str] = []
    for path in sorted(folder().glob("*/head.json")):
        try:
            found.append(read_head(path.parent.name))
        except (UsageError, private.NotOurs) as why:
            damaged.append(str(why))
    return sorted(found, key=lambda head: head.begun), damaged


def entries(name: str, key: Path | None, damaged: list[int]) -> Iterator[list[Entry]]:
    """The batches, the last one first.  Raises UsageError where the key is missing or is another.

    ``damaged`` gets the places of those that cannot be read: they hide no others.
    """
    head = read_head(name)
    if not head.sealed_to:
        return _batches(name, bytes, damaged)
    key = key or own_key(head)
    if key is None:
        raise UsageError(
            f"this journal is sealed to {head.sealed_to}, and {key_file(name)} is not there: give the private"
            " key's file with --key."
        )
    return _batches(name, sealing.opener(key, head.sealed_to), damaged)


def _batches(name: str, unseal: Callable[[bytes], bytes], damaged: list[int]) -> Iterator[list[Entry]]:
    with _rows(name) as source:
        for place, length in reversed(list(_frames(source))):
            source.seek(place)
            try:
                yield msgspec.msgpack.decode(unseal(source.read(length)), type=list[Entry])
            except (msgspec.DecodeError, sealing.NotSealedToUs):
                damaged.append(place)


def _rows(name: str) -> BinaryIO:
    """Raises Refused where it is not ours: what it holds would be written."""
    path = folder() / name / "rows"
    try:
        return os.fdopen(private.opened(path, os.O_RDONLY), "rb")
    except OSError as why:
        raise Refused(f"{path}: cannot be read ({why.strerror}).") from None


@dataclass(slots=True)
class Journal:
    """An open journal."""

    path: Path
    head: Head
    _rows: FileIO  # without a buffer, whose rest would fail once more when it is closed

    def batch(self, rows: Sequence[Entry]) -> None:
        """On disk when this returns.  Raises Refused when it cannot be, and the batch must not begin."""
        frame = msgspec.msgpack.encode(rows)
        if self.head.sealed_to:
            frame = sealing.sealed(frame, self.head.sealed_to)
        try:
            rest = memoryview(len(frame).to_bytes(_LENGTH, "big") + frame)
            while rest:
                rest = rest[self._rows.write(rest) :]
            os.fsync(self._rows.fileno())
            first = self.head.keys[0] if self.head.keys else rows[0].key
            self.head = replace(self.head, keys=(first, rows[-1].key))
        except OSError as why:
            raise Refused(f"{self.path}: the journal cannot be written ({why.strerror}); stopped.") from None

    def save(self) -> None:
        """The head, replaced whole.  Raises Refused."""
        new = self.path / "head.new"
        try:
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(self.head)))
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path / "head.json")
        except OSError as why:
            raise Refused(f"{self.path}: the journal cannot be written ({why.strerror}); stopped.") from None

    def close(self) -> None:
        self._rows.close()


def fresh_id() -> str:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    names = (stamp, *(f"{stamp}-{number}" for number in range(2, 1000)))
    return next(name for name in names if not ((folder() / name).exists() or key_file(name).exists()))


def _synced(path: Path) -> None:
    """A folder's names, on disk."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _frames(source: BinaryIO) -> Iterator[tuple[int, int]]:
    """Place and length of each whole frame of a file."""
    end, at = os.fstat(source.fileno()).st_size, 0
    while at + _LENGTH <= end:
        source.seek(at)
        length = int.from_bytes(source.read(_LENGTH), "big")
        at += _LENGTH
        if length > min(_MOST, end - at):
            return
        yield at, length
        at += length
