"""What a migration changes, written down before each batch: enough to take it back.

One folder a migration, mode 0700.  ``head.json`` says what it is and how far it got; ``rows`` holds the
batches, each a frame of its own: length, then key, old and new string of each row.  Old strings that are
plaintexts are kept only when the frames are sealed to a key (X25519 and XSalsa20-Poly1305, libsodium's
sealed boxes), whose other half is not needed before an undo.

A frame that was cut off by a kill is the last one, and its batch was never begun.
"""

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from io import FileIO
from pathlib import Path

import msgspec

from mailauth import private
from mailauth.errors import AS_ROOT, CannotObserve, Refused, UsageError

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
    sealed_to: str = ""  # the public key, in hex; "" for none
    done: dict[str, int] = field(default_factory=dict)


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One row; ``old`` is None where it was a plaintext and is not kept, or was NULL, as ``null`` says."""

    key: tuple[int | str, ...]
    old: bytes | None
    new: bytes
    null: bool = False

    @property
    def kept(self) -> bool:
        """Whether the row can be put back."""
        return self.null or self.old is not None

    def __repr__(self) -> str:
        return "Entry(...)"


def folder() -> Path:
    """Where the journals are."""
    from mailauth.fix.journal import folder as fixes  # noqa: PLC0415 - decided there, for all

    return fixes().parent / "migrate"


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
        file = (path / "rows").open("r+b", buffering=0)
    except OSError as why:
        raise Refused(f"{path}: cannot be written ({why.strerror}).") from None
    _ours(path, file)
    head = read_head(name)
    whole = sum(_LENGTH + len(frame) for frame in _frames(path / "rows"))
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
        return msgspec.json.decode(private.read(path), type=Head)
    except (OSError, msgspec.DecodeError) as why:
        raise UsageError(f"{path}: cannot be read ({why}).") from None


def of_root() -> str:
    """The folder of root's own migrations, where we are not root and it may have some; "" for none."""
    from mailauth.fix.journal import ROOTS  # noqa: PLC0415 - decided there, for all

    if os.geteuid() == 0 or os.environ.get("MAILAUTH_STATE"):
        return ""
    return str(ROOTS) if _there(ROOTS) else ""


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
        raise CannotObserve(f"{folder()}: cannot be read ({why.strerror}); {AS_ROOT}.") from None
    found: list[Head] = []
    damaged: list[str] = []
    for path in sorted(folder().glob("*/head.json")):
        try:
            found.append(read_head(path.parent.name))
        except (UsageError, private.NotOurs) as why:
            damaged.append(str(why))
    return sorted(found, key=lambda head: head.begun), damaged


def entries(name: str, private: Path | None = None) -> Iterator[list[Entry]]:
    """The batches, the last one first.  Raises UsageError where the key is missing or is another."""
    head = read_head(name)
    file = folder() / name / "rows"
    places = []
    at = 0
    for frame in _frames(file):
        places.append((at + _LENGTH, len(frame)))
        at += _LENGTH + len(frame)
    with file.open("rb") as source:
        for place, length in reversed(places):
            source.seek(place)
            frame = source.read(length)
            if head.sealed_to:
                frame = _opened(frame, private, head.sealed_to)
            try:
                yield msgspec.msgpack.decode(frame, type=list[Entry])
            except msgspec.DecodeError:
                raise Refused(f"{file}: the journal is damaged at byte {place}; stopped.") from None


def promised(batches: Iterator[list[Entry]]) -> tuple[int, int]:
    """How many entries have their old string, and how many have none."""
    kept = lost = 0
    for batch in batches:
        here = sum(entry.kept for entry in batch)
        kept, lost = kept + here, lost + len(batch) - here
    return kept, lost


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
            frame = _sealed(frame, self.head.sealed_to)
        try:
            rest = memoryview(len(frame).to_bytes(_LENGTH, "big") + frame)
            while rest:
                rest = rest[self._rows.write(rest) :]
            os.fsync(self._rows.fileno())
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
    return next(name for name in names if not (folder() / name).exists())


def new_key(path: Path) -> str:
    """Make a key pair; the private half goes into ``path``, for its owner only.  Returns the public one."""
    from nacl.public import PrivateKey  # noqa: PLC0415 - only with sealed journals

    key = PrivateKey.generate()
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise UsageError(f"{path}: is there already; a key is never written over.") from None
    except OSError as why:
        raise UsageError(f"{path}: cannot be written ({why.strerror}).") from None
    with os.fdopen(handle, "w") as file:
        file.write(bytes(key).hex() + "\n")
    return bytes(key.public_key).hex()


def checked_key(text: str) -> str:
    """A public key, in hex.  Raises UsageError."""
    try:
        if len(bytes.fromhex(text)) == 32:
            return text.lower()
    except ValueError:
        pass
    raise UsageError(
        f"{text!r} is no key; mailauth migrate keygen FILE makes one and prints its public half."
    )


def _synced(path: Path) -> None:
    """A folder's names, on disk."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sealed(frame: bytes, public: str) -> bytes:
    from nacl.public import PublicKey, SealedBox  # noqa: PLC0415 - only with sealed journals

    return bytes(SealedBox(PublicKey(bytes.fromhex(public))).encrypt(frame))


def _opened(frame: bytes, private: Path | None, public: str) -> bytes:
    from nacl.exceptions import CryptoError  # noqa: PLC0415 - only with sealed journals
    from nacl.public import PrivateKey, SealedBox  # noqa: PLC0415

    if private is None:
        raise UsageError(f"this journal is sealed to {public}; give the private key's file with --key.")
    try:
        key = PrivateKey(bytes.fromhex(private.read_text().strip()))
    except OSError as why:
        raise UsageError(f"{private}: cannot be read ({why.strerror}).") from None
    except (ValueError, TypeError):
        raise UsageError(f"{private}: is no private key of mailauth migrate keygen.") from None
    try:
        return bytes(SealedBox(key).decrypt(frame))
    except CryptoError:
        raise UsageError(f"{private}: is another key than the one that this journal is sealed to.") from None


def _frames(file: Path) -> Iterator[bytes]:
    """The whole frames of a file."""
    with file.open("rb") as source:
        while len(head := source.read(_LENGTH)) == _LENGTH:
            length = int.from_bytes(head, "big")
            frame = source.read(min(length, _MOST))
            if len(frame) < length:
                return
            yield frame
