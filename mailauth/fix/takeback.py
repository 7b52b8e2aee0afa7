"""Put files where Dovecot lives, and take a fix back by its journal, however far it got.

Each step looks first: what is as it was stays, what is as the fix left it goes back, and what someone
else has changed since is left alone and said.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mailauth.diagnosing import Target
from mailauth.dovecot.doveadm import Installation, as_kept
from mailauth.dovecot.site import read_config
from mailauth.errors import CannotObserve, Refused, UsageError
from mailauth.fix.entry import EntryChange
from mailauth.fix.journal import FileEntry, Journal, ModeEntry
from mailauth.fix.plan import OF_FILES, read
from mailauth.fix.reload import reload, runs
from mailauth.probes.lookup import observe_user_name
from mailauth.probes.scene import Scene
from mailauth.records import dataclass
from mailauth.remedies import Words
from mailauth.stores import replace

NOT_RELOADED = "no doveadm reload"


@dataclass(frozen=True, slots=True)
class UndoStep:
    """One thing that was done, and how it went.  ``again``: worth another try."""

    what: str
    ok: bool
    said: str = ""
    again: bool = False


def put(dovecot: Installation, path: str, before: bytes | None, after: bytes | None, like: str) -> None:
    """Write a file where it still is as it was before.  None: it is not there.  Raises Refused."""
    dovecot.inside(lambda: _put(Path(path), before, after, Path(like)))


def _put(path: Path, before: bytes | None, after: bytes | None, like: Path) -> None:
    if before is None and after is not None:
        replace.create(path, after, like)
        return
    with replace.opened(path) as place:
        with place.reader() as file:
            now = file.read()
        if now != before:
            raise Refused(f"{path}: was changed by someone else meanwhile; nothing was written.")
        if after is not None:
            replace.replace(place, [after])
    if after is None:
        replace.remove(path)


def dovecot_of(journal: Journal) -> Installation:
    """The Dovecot that a fix was for.  Raises UsageError where it cannot be known again."""
    if not journal.pid:
        return Installation(journal.config)
    return as_kept(journal.pid, journal.config, journal.mark, f"fix {journal.id}")


def take_back(journal: Journal, dovecot: Installation) -> list[UndoStep]:
    """Undo what was done.  Never raises what is a state of the world: that is a step that went wrong."""
    steps = [_file_back(entry, journal, dovecot) for entry in reversed(journal.files)]
    steps += [_mode_back(entry, dovecot) for entry in journal.modes]
    if journal.store:
        steps.append(_entry_back(journal, dovecot))
    if journal.reloads:
        steps.append(_reload(dovecot))
    return steps


def _file_back(entry: FileEntry, journal: Journal, dovecot: Installation) -> UndoStep:
    what = f"{entry.path} as it was"
    try:
        now = read(dovecot, entry.path)
        dovecot.inside(lambda: replace.sweep(Path(entry.path)))
        if now == entry.before:
            return UndoStep(what, ok=True, said="it never changed")
        if now != entry.after:
            return UndoStep(what, ok=False, said="someone else has changed it since, so it was left alone")
        like = journal.config or str(Path(entry.path).parent)
        put(dovecot, entry.path, entry.after, entry.before, like)
    except (Refused, CannotObserve) as why:
        return UndoStep(what, ok=False, said=str(why), again=True)
    return UndoStep(what, ok=True)


def _mode_back(entry: ModeEntry, dovecot: Installation) -> UndoStep:
    what = f"owner and mode of {entry.path} as they were"

    def back() -> None:
        try:
            with replace.held(Path(entry.path)) as file:
                now = os.fstat(file)
                same = (now.st_dev, now.st_ino) == (entry.device, entry.inode)
                if not same and (entry.inode or now.st_nlink > 1):
                    raise Refused(f"{entry.path}: is another file by now, so it was left alone.")
                os.fchown(file, entry.uid, entry.gid)
                os.fchmod(file, entry.mode)
        except OSError as why:
            raise Refused(f"{entry.path}: cannot be given back ({why.strerror}).") from None

    try:
        dovecot.inside(back)
    except (Refused, CannotObserve) as why:
        return UndoStep(what, ok=False, said=str(why), again=True)
    return UndoStep(what, ok=True)


def _entry_back(journal: Journal, dovecot: Installation) -> UndoStep:
    assert journal.store
    store = journal.store
    what = f"{store.place} as it was"
    if not store.kept:
        return UndoStep(what, ok=False, said="the old string was a plaintext, so it was not kept")
    try:
        entry = _entry(journal, dovecot)
        entry.sweep()
        now = entry.now()
        if now == store.old:
            return UndoStep(what, ok=True, said="it never changed")
        if now != store.new:
            return UndoStep(what, ok=False, said="someone else has changed it since, so it was left alone")
        entry.write(store.new, store.old)
    except (Refused, CannotObserve, UsageError) as why:
        return UndoStep(what, ok=False, said=str(why), again=True)
    return UndoStep(what, ok=True)


def _entry(journal: Journal, dovecot: Installation) -> EntryChange:
    """The entry again, by the configuration as it is now."""
    assert journal.store
    config = read_config(dovecot)
    passdb = next((one for one in config.passdbs if one.label == journal.store.passdb), None)
    if passdb is None:
        raise Refused(f"{journal.store.passdb} is no longer in the configuration.")
    scene = Scene(dovecot, config, journal.user, journal.service)
    names = observe_user_name(scene)
    target = Target(journal.user, dovecot, service=journal.service)
    return EntryChange(passdb, journal.store.place, journal.store.old, False, names, target, config)


def _reload(dovecot: Installation) -> UndoStep:
    try:
        config = read_config(dovecot)
        if not runs(dovecot, config):
            return UndoStep(NOT_RELOADED, ok=True, said="Dovecot does not run")
        reload(dovecot, config)
    except (Refused, CannotObserve, UsageError) as why:
        return UndoStep("doveadm reload", ok=False, said=str(why), again=True)
    return UndoStep("doveadm reload", ok=True)


def modes_of(words: Words, dovecot: Installation) -> Iterator[ModeEntry]:
    """The files whose owner or mode a command would change, as they are."""
    if not words or Path(words[0]).name not in OF_FILES:
        return
    for word in words[1:]:
        if word.startswith("/"):
            with suppress(OSError):
                status = dovecot.path(word).stat()
                yield ModeEntry(
                    word,
                    stat.S_IMODE(status.st_mode),
                    status.st_uid,
                    status.st_gid,
                    status.st_dev,
                    status.st_ino,
                )
