"""Try the mail folder as the user's uid, in a child; nothing is written."""

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import cast

from mailauth.dovecot import children, confining
from mailauth.dovecot.conf import words
from mailauth.errors import CannotObserve
from mailauth.evidence import MailAccess, NotApplicable, UserdbAnswer
from mailauth.evidence.userdb import ClosedFolder
from mailauth.probes import accounts
from mailauth.probes.scene import Scene

_SECONDS = 30.0  # that user can stop the child
_Walked = tuple[bool, tuple[ClosedFolder, ...]]


def observe_mail_access(scene: Scene, answer: UserdbAnswer) -> MailAccess | NotApplicable:
    """Walk to the mail folder as the user's uid.  Raises CannotObserve where only root could."""
    uid, gid, mail = answer.uid, answer.gid, answer.folder
    if not uid or gid is None or not mail:
        return NotApplicable(MailAccess, "the userdb names no uid or no folder")
    if os.geteuid() not in (0, uid):
        raise CannotObserve(f"{mail}: only root can try it as uid {uid}.", needs_root=True)
    tree = scene.config.tree
    names = [tree.get("mail_privileged_group"), *words(tree, "mail_access_groups")]
    numbers = {accounts.number(scene.dovecot, name, "group") for name in names}
    groups = sorted(number for number in numbers if number is not None)

    def walked() -> _Walked:
        return _as_user(mail, uid, gid, groups)

    exists, closed = scene.dovecot.inside(walked, _Walked)
    return MailAccess(f"{mail}, as uid {uid}", mail, uid, gid, exists, closed)


def _as_user(path: str, uid: int, gid: int, groups: list[int]) -> _Walked:
    """The kernel's own answer, access lists and all: in a child of that uid.

    Where it is stopped on the way, what comes behind is held open by root, and asked for one by one.
    """
    if os.geteuid() != 0:
        return _walk(path)
    with ExitStack() as stack:
        held = list(_held(path, stack))

        def walked() -> _Walked:
            with confining.becoming():
                os.setgroups(groups)
                os.setresgid(gid, gid, gid)
                os.setresuid(uid, uid, uid)
            confining.write_nothing()
            confining.lessen()
            confining.die_with_parent()
            exists, closed = _walk(path)
            if not closed or closed[0].needs != "enter":
                return exists, closed
            exists = bool(held) and str(held[-1][0]) == str(Path(path))
            return exists, (*closed, *_behind(held, closed[0].folder, exists=exists))

        try:
            kept = [descriptor for _, descriptor in held]
            return cast(_Walked, children.ask(walked, _Walked, seconds=_SECONDS, kept=kept))
        except (OSError, RuntimeError, CannotObserve):
            raise CannotObserve(f"{path}: cannot be tried as uid {uid}.") from None


def _held(path: str, stack: ExitStack) -> Iterator[tuple[Path, int]]:
    """The folders of the way that are there, from the root on, each opened for no more than its name."""
    for place in _way(path):
        try:
            held = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return
        stack.callback(os.close, held)
        yield place, held


def _behind(held: list[tuple[Path, int]], first: str, *, exists: bool) -> Iterator[ClosedFolder]:
    """What else says no once the folder ``first`` lets us in."""
    places = [place for place, _ in held]
    at = places.index(Path(first)) if Path(first) in places else len(held)
    for place, descriptor in held[at:]:
        state, last = os.fstat(descriptor), place == places[-1]
        enters = os.access(".", os.X_OK, dir_fd=descriptor)
        needs = []
        if last and exists:
            needs += [] if os.access(".", os.R_OK | os.W_OK | os.X_OK, dir_fd=descriptor) else ["write"]
        else:
            needs += [] if enters or place == places[at] else ["enter"]
            writes = os.access(".", os.W_OK, dir_fd=descriptor) if enters else _writes(state)
            needs += ["write"] if last and not writes else []  # the mail folder has to be made in it
        yield from (ClosedFolder(str(place), one, _shown(state)) for one in needs)


def _writes(state: os.stat_result) -> bool:
    """By the mode alone: the kernel looks at nothing in a folder that is closed."""
    if state.st_uid == os.geteuid():
        return bool(state.st_mode & stat.S_IWUSR)
    ours = state.st_gid in (os.getegid(), *os.getgroups())
    return bool(state.st_mode & (stat.S_IWGRP if ours else stat.S_IWOTH))


def _way(path: str) -> list[Path]:
    return [*reversed(Path(path).parents), Path(path)]


def _walk(path: str) -> _Walked:
    """Whether the folder is there; and the folder that stops us."""
    last = Path("/")
    for place in _way(path):
        try:
            place.lstat()
        except FileNotFoundError:
            return False, _may(last, os.W_OK | os.X_OK)
        except PermissionError:
            return False, (ClosedFolder(str(last), "enter", _shown(last.stat())),)
        except OSError:
            return False, (ClosedFolder(str(place), "enter", ""),)
        last = place
    return True, _may(last, os.W_OK | os.X_OK | os.R_OK)


def _may(folder: Path, mode: int) -> tuple[ClosedFolder, ...]:
    if os.access(folder, mode):
        return ()
    needs = "write" if folder.is_dir() else "enter"
    return (ClosedFolder(str(folder), needs, _shown(folder.stat())),)


def _shown(state: os.stat_result) -> str:
    return f"mode {stat.S_IMODE(state.st_mode):04o}, of {state.st_uid}:{state.st_gid}"
