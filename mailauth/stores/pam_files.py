"""Read the files of a PAM service: its modules in order, with all that it includes.

Source: Linux-PAM 1.5.2 and 1.7.2, libpam/pam_handlers.c (_pam_init_handlers(), _pam_parse_conf_file()) and
pam_misc.c (_pam_assemble_line(), _pam_tokenize(), _pam_parse_control()); pam.d(5).  "@include" is Debian's.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from pathlib import Path

from mailauth import digits
from mailauth.dovecot import inroot
from mailauth.errors import CannotObserve
from mailauth.oserrors import unseen
from mailauth.records import dataclass
from mailauth.stores.pam_line import Action, Line, Service

KINDS = ("auth", "account", "password", "session")
_FOLDERS = ("/etc/pam.d", "/usr/lib/pam.d")
_OTHER = "other"
_MOST_BYTES, _MOST_LINES, _MOST_LEVEL = 256 * 1024, 2000, 32
_MOST_FILES = 200  # of a service: each may include others twice
_TOKEN = re.compile(r"\[((?:\\\]|[^\]])*)\]|(\S+)")
_WORD = re.compile(r"((?!))|(\S+)")  # where no bracket is closed any more, as the same groups
_NAME = re.compile(r"[\w@%+:,.-]+")

_OK: Mapping[str, Action] = {"success": "ok", "new_authtok_reqd": "ok"}
_BAD: Mapping[str, Action] = {"default": "bad"}
_CONTROLS: Mapping[str, Mapping[str, Action]] = {
    "required": {**_OK, "ignore": "ignore", "default": "bad"},
    "requisite": {**_OK, "ignore": "ignore", "default": "die"},
    "sufficient": {"success": "done", "new_authtok_reqd": "done", "default": "ignore"},
    "optional": {**_OK, "default": "ignore"},
}


def read(service: str, locate: Callable[[str], Path]) -> Service:
    """The service's own file, and "other" for each kind that it has no line of.  Raises CannotObserve."""
    name = service.lower()
    if not _NAME.fullmatch(name):
        raise CannotObserve(f"PAM's service {service!r}: mailauth looks for no file of that name.")
    own, other = _Reading(locate), _Reading(locate)
    fails = not own.file(name, "", 0, 0) and bool(own.files)
    fails = fails or (not other.file(_OTHER, "", 0, 0) and bool(other.files))
    had = {line.kind for line in own.lines}
    lines = [*own.lines, *(line for line in other.lines if line.kind not in had)]
    used = {line.kind for line in other.lines} - had
    files = [*own.files, *(other.files if used or not own.files or other.broken else ())]
    broken = [*own.broken, *other.broken]
    return Service(name, tuple(lines), tuple(dict.fromkeys(files)), tuple(broken), fails)


@dataclass(slots=True)
class _Reading:
    """Of one service."""

    locate: Callable[[str], Path]
    lines: list[Line] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def file(self, name: str, only: str, include: int, level: int) -> bool:
        """Read a file's lines of a kind ("": of all); whether there is one, and all that it includes is."""
        places = [name] if name.startswith("/") else [f"{folder}/{name}" for folder in _FOLDERS]
        if include >= _MOST_LEVEL:
            return False
        for place in places:
            text = _text(place, self.locate)
            if text is not None:
                if len(self.files) >= _MOST_FILES:
                    raise CannotObserve(f"{place}: mailauth reads at most {_MOST_FILES} files of a service.")
                self.files.append(place)
                lines = _joined(text)
                return all(
                    self._line(line, f"{place}:{number}", only, (include, level)) for number, line in lines
                )
        return False

    def _line(self, line: str, place: str, only: str, at: tuple[int, int]) -> bool:
        """Take a line; False where libpam goes no further in this file."""
        include, level = at
        tokens = list(_tokens(line))
        words = [word or bracketed for bracketed, word in tokens]
        if len(self.lines) >= _MOST_LINES:
            raise CannotObserve(f"{place}: mailauth reads no more than {_MOST_LINES} lines of a service.")
        if words[0] == "@include":
            return self._included(words[1:], place, only, (include + 1, level))
        kind = words[0].removeprefix("-").lower()
        if kind not in KINDS:
            self.lines.append(Line(only or "auth", _BAD, "", (), place, level))
        elif not only or kind == only:
            control, *rest = [*words[1:], "", ""][: max(2, len(words) - 1)]
            bracketed = len(tokens) > 1 and not tokens[1][1]
            if control.lower() in ("include", "substack") and not bracketed:
                self._stacked(Line(kind, _BAD, "", (), place, level), control.lower(), rest, include + 1)
            else:
                actions = None if bracketed else _CONTROLS.get(control.lower())
                found = _actions(control) if actions is None else actions
                self.lines.append(Line(kind, found, rest[0], tuple(filter(None, rest[1:])), place, level))
        return True

    def _included(self, names: list[str], place: str, only: str, at: tuple[int, int]) -> bool:
        """Debian's ``@include``: without the file the whole service fails (measured, 1.5.2 and 1.7.0)."""
        if names and self.file(names[0], only, *at):
            return True
        self.broken.append(place)
        return False

    def _stacked(self, line: Line, control: str, names: list[str], include: int) -> None:
        """``include`` and ``substack``, which fail as a module does."""
        level = line.level
        if control == "substack":
            level += 1
            self.lines.append(replace(line, actions={}, substack=True))
        if not names[0] or not self.file(names[0], line.kind, include, level):
            self.broken.append(line.place)
            self.lines.append(line)


def _tokens(line: str) -> Iterator[tuple[str, str]]:
    """What is in brackets, and what is not; each bracket is looked for where there is one only."""
    at, last = 0, line.rfind("]")
    while one := (_TOKEN if at <= last else _WORD).search(line, at):
        yield one[1] or "", one[2] or ""
        at = one.end()


def _actions(text: str) -> Mapping[str, Action]:
    """Of ``[success=1 default=ignore]``; what is not named is a failure."""
    found: dict[str, Action] = {"default": "bad"}
    for name, value in re.findall(r"\b(\w+)\s*=\s*(\w+)", text):
        found[name.lower()] = value.lower() if (jump := digits.number(value)) is None else jump
    return found


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """The lines without comments, those that end with a backslash joined, and the number of the first."""
    begun, first = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        part = line.partition("#")[0].strip()
        first = first or number
        begun += part.removesuffix("\\") + " "
        if part.endswith("\\"):
            continue
        if begun.strip():
            yield first, begun.strip()
        begun, first = "", 0
    if begun.strip():
        yield first, begun.strip()


def _text(place: str, locate: Callable[[str], Path]) -> str | None:
    """None where there is no such file.  Raises CannotObserve."""
    try:
        return inroot.content(locate(place), _MOST_BYTES).decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as why:
        raise unseen(place, why) from None
