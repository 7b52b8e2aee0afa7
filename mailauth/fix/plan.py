"""What the remedies of a finding come to on this server: which bytes of which file, which commands.

Reads files, writes none.
"""

import glob
import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path

from mailauth.dovecot import inroot
from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.typed import plain
from mailauth.errors import CannotObserve, Refused
from mailauth.finding import Edit, Finding, Remedy, StoreChange
from mailauth.records import dataclass
from mailauth.remedies import RELOAD, REOPEN, Words, unfit
from mailauth.visible import visible

OF_FILES = ("chmod", "chown", "chgrp")  # commands that change a file's mode or owner
DROP_IN = "99-mailauth.conf"
_INCLUDE = re.compile(r"!include(_try)?\s+(\S.*)")


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file: its content before (None: it is not there) and after.  Files may hold secrets: no repr."""

    path: str
    before: bytes | None = field(repr=False)
    after: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is to be done, in this order: the files, the entry in the store, the commands."""

    code: str
    title: str
    summary: tuple[str, ...]
    careful: tuple[str, ...]
    files: tuple[FileChange, ...]
    store: StoreChange | None
    commands: tuple[Words, ...]
    followed: tuple[Words, ...] = ()  # commands of mailauth's own, for the reader
    by_hand: bool = False  # what only the administrator can do comes first

    @property
    def lasting(self) -> tuple[str, ...]:
        """The commands that mailauth cannot take back."""
        return tuple(shlex.join(one) for one in self.commands if not can_go_back(one))

    @property
    def reloads(self) -> bool:
        return RELOAD in self.commands


def make(findings: Sequence[Finding], config: AuthConfig, dovecot: Installation) -> Plan:
    """The plan for findings that are mended together.

    Raises CannotObserve when a file cannot be read, Refused when it is not what the remedy speaks of.
    """
    remedies = [_of_its_own(finding.problem.remedy, dovecot) for finding in findings]
    for one in remedies:
        if why := " ".join(filter(None, map(unfit, one.commands))):
            raise Refused(f"mailauth does not run this command of a remedy: {why}.")
    desk = _Desk(config, dovecot)
    for remedy in remedies:
        for edit in remedy.edits:
            desk.note(edit)
    desk.make_edits()
    codes = [finding.rule.code for finding in findings]
    for code, remedy in zip(codes, remedies, strict=True):
        if text := remedy.config.get(config.version.dialect):
            desk.append(remedy.file or config.file, code, text)
    files = tuple(desk.changes())
    named = list(dict.fromkeys(command for remedy in remedies for command in remedy.commands))
    commands = [command for command in named if command[0] != "mailauth"]
    if files and RELOAD not in commands and any(_is_dovecots(change.path, config) for change in files):
        commands.insert(0, RELOAD)
    return Plan(
        code=" ".join(dict.fromkeys(codes)),
        title="; ".join(dict.fromkeys(finding.rule.title for finding in findings)),
        summary=_each(remedy.summary for remedy in remedies),
        careful=_each([*(remedy.careful for remedy in remedies), *desk.generated(), *desk.in_a_layer()]),
        files=files,
        store=_store(remedies),
        commands=tuple(commands),
        followed=tuple(command for command in named if command not in commands),
        by_hand=all(remedy.by_hand for remedy in remedies),
    )


def _of_its_own(remedy: Remedy, dovecot: Installation) -> Remedy:
    """We are there: nothing has to be entered, and ``run`` names the configuration."""
    return replace(remedy, commands=tuple(plain(dovecot, one) for one in remedy.commands))


def can_go_back(command: Words) -> bool:
    """A file's mode and owner are noted before; a reload is done again; of a whole tree nothing is noted."""
    return command in (RELOAD, REOPEN) or (command[0] in OF_FILES and "-R" not in command)


_HEAD = 2048  # bytes: where a file says what it is
_GENERATED = re.compile(
    rb"(?im)^[ \t]*#[^\n]*?((?:do not|don't|never) (?:edit|change|modify|touch)"
    rb"|\bfile (?:is|was|has been) [^\n]*(?:generated|managed|created|written) (?:by|from|automatically)"
    rb"|\bauto(?:matically|-)? ?generated|\b(?:ansible|puppet|chef|salt)[ -]managed"
    rb"|\b(?:changes|edits|modifications)[^\n]*(?:lost|overwritten))[^\n]*$"
)


def generated(text: bytes) -> str:
    """The comment in which a file says that a program writes it; "" where none does."""
    found = _GENERATED.search(text[:_HEAD])
    return found[0].decode("utf-8", "replace").strip().lstrip("# ") if found else ""


def _each(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))


def _store(remedies: Iterable[Remedy]) -> StoreChange | None:
    """A new password mends what a mended string would, too."""
    wanted = {remedy.store for remedy in remedies} - {None}
    return StoreChange.NEW_PASSWORD if StoreChange.NEW_PASSWORD in wanted else next(iter(wanted), None)


def _is_dovecots(path: str, config: AuthConfig) -> bool:
    return Path(path).is_relative_to(Path(config.file).parent) or "dovecot" in path


@dataclass
class _Desk:
    """The files as they will be."""

    config: AuthConfig
    dovecot: Installation
    before: dict[str, bytes | None] = field(default_factory=dict)
    after: dict[str, bytes] = field(default_factory=dict)
    edits: dict[str, dict[int, Edit]] = field(default_factory=dict)

    def note(self, edit: Edit) -> None:
        """Two remedies may change one line: one puts a line before it, the other says it in new words."""
        edits = self.edits.setdefault(edit.file, {})
        other = edits.get(edit.line, edit)
        if other != edit and edit.old and edit.old in edit.new:
            edit = replace(edit, new=edit.new.replace(edit.old, other.new))
        elif other != edit and other.old and other.old in other.new:
            edit = replace(edit, new=other.new.replace(other.old, edit.new))
        edits[edit.line] = edit

    def make_edits(self) -> None:
        """From the last line to the first, so that the numbers stay those of the file as it was."""
        for file, edits in self.edits.items():
            lines = self._text(file).splitlines(keepends=True)
            for number in sorted(edits, reverse=True):
                edit = edits[number]
                line = lines[number - 1] if number <= len(lines) else b""
                if line.strip() != edit.old.strip().encode():
                    raise Refused(f"{file}:{number}: is not the line that was found there; look again.")
                indent = line[: len(line) - len(line.lstrip())]
                end = line[len(line.rstrip(b"\r\n")) :]
                lines[number - 1 : number] = [indent + edit.new.strip().encode() + end] if edit.new else []
            self.after[file] = b"".join(lines)

    def append(self, file: str, code: str, text: str) -> None:
        if file == self.config.file:
            file = self._drop_in() or self._custom() or file
        old = self._text(file)
        gap = b"" if not old else b"\n" if old.endswith(b"\n") else b"\n\n"
        head = f"# {code}: mailauth explain {code}\n" if file.endswith((".conf", ".ext")) else ""
        self.after[file] = old + gap + f"{head}{text.rstrip()}\n".encode()

    def changes(self) -> Iterable[FileChange]:
        return (
            FileChange(file, self.before[file], after)
            for file, after in self.after.items()
            if after != self.before[file]
        )

    def _text(self, file: str) -> bytes:
        if file not in self.before:
            self.before[file] = read(self.dovecot, file)
        return self.after.get(file, self.before[file] or b"")

    def generated(self) -> Iterable[str]:
        """Of each file to be changed that says of itself that a program writes it: that, and what follows."""
        for change in self.changes():
            if said := generated(change.before or b""):
                yield (
                    f"{change.path} says of itself: {visible(said)!r}. Its writer will remove this change:"
                    " make the change there, too."
                )

    def in_a_layer(self) -> Iterable[str]:
        """Of each file that goes with its container: that, and where the change has to be made to last."""
        mounts = layers(self.dovecot)
        for change in self.changes():
            if mounts and within(mounts, change.path):
                yield (
                    f"{change.path} stands in the container's own layer, not in a volume: the next container"
                    " of this image is without the change. Make it in the image, too, or mount the file."
                )

    def _custom(self) -> str | None:
        """Where the main file is a program's: the file that it includes at its end for its administrator."""
        main = self.config.file
        text = self._text(main)
        lines = [line.strip() for line in text.decode("utf-8", "replace").splitlines()]
        last = next((line for line in reversed(lines) if line and not line.startswith("#")), "")
        found = _INCLUDE.fullmatch(last)
        if not generated(text) or found is None or set(found[2]) & set("*?["):
            return None
        return str(Path(main).parent / found[2].strip("\"'"))

    def _drop_in(self) -> str | None:
        """conf.d/99-mailauth.conf, where the main file ends by including that folder and it would be last."""
        main = self.config.file
        lines = [line.strip() for line in self._text(main).decode("utf-8", "replace").splitlines()]
        for line in reversed([line for line in lines if line and not line.startswith("#")]):
            found = _INCLUDE.fullmatch(line)
            if found is None:
                return None
            pattern = str(Path(main).parent / found[2].strip("\"'"))
            there = self.dovecot.inside(lambda pattern=pattern: sorted(glob.glob(pattern)), list[str])  # type: ignore[misc]  # noqa: PTH207 - with folders in it
            folder, name = os.path.split(pattern)
            if name == "*.conf":
                drop_in = f"{folder}/{DROP_IN}"
                return drop_in if there and max(*there, drop_in) == drop_in else None
            if there or not found[1]:
                return None
        return None


_LAYERED = frozenset({"overlay", "aufs", "fuse.fuse-overlayfs"})


def layers(dovecot: Installation) -> Mapping[str, bool]:
    """Where another root has something mounted, and whether that is a layer over an image's.

    Source: proc_pid_mountinfo(5); overlayfs: Linux Documentation/filesystems/overlayfs.rst.
    """
    if not dovecot.pid:
        return {}
    try:
        text = Path(f"/proc/{dovecot.pid}/mountinfo").read_text("utf-8", "surrogateescape")
    except OSError:
        return {}
    fields = [line.partition(" - ") for line in text.splitlines()]
    return {left.split()[4]: right.split()[0] in _LAYERED for left, _, right in fields if right}


def within(mounts: Mapping[str, bool], path: str) -> bool:
    """Whether the file is in such a layer: by the longest place that it is below."""
    above = [str(one) for one in (Path(path), *Path(path).parents)]
    return mounts.get(next((one for one in above if one in mounts), ""), False)


def read(dovecot: Installation, file: str) -> bytes | None:
    """A file where that Dovecot lives; None when it is not there.  Raises CannotObserve."""

    def content() -> bytes | None:
        try:
            return inroot.content(Path(file), inroot.CONFIGURATION)
        except FileNotFoundError:
            return None
        except OSError as why:
            raise CannotObserve(f"{file}: cannot be read ({why.strerror}).") from None

    return dovecot.inside(content, bytes | None)
