"""passwd-file: ``user:password:uid:gid:gecos:home:shell:extra fields``.

Source: Dovecot 2.3.19.1 and 2.4.1, src/auth/db-passwd-file.c.
"""

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from mailauth import lines
from mailauth.dovecot import inroot
from mailauth.dovecot.authconfig import FileSource
from mailauth.dovecot.variables import Fill
from mailauth.errors import CannotObserve, Refused
from mailauth.oserrors import unseen
from mailauth.stores import replace as replacing
from mailauth.stores.store import Failing, Failure, Outcome, Record

_EXTRA_FIELDS = 7  # the first field that holds extra fields


def place(source: FileSource, fill: Fill) -> tuple[str, str]:
    """The file, and the name that a line of it must have."""
    # A user's name cannot lead out of the folder: src/auth/db-passwd-file.c, path_fix()
    path = fill(source.path, lambda text: text.partition("/")[0])
    return path, fill(source.username_format or "%u", str)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """To read.  Root, who may read more than Dovecot, follows no link of a user's to another's file.

    Raises OSError.
    """
    if os.geteuid() != 0 or inroot.process_of(path) is not None:
        with inroot.opened(path) as file:
            lines.fit(os.fstat(file.fileno()).st_size)
            yield file
        return
    with held(path) as ours, os.fdopen(os.dup(ours), "rb") as reader:
        lines.fit(os.fstat(ours).st_size)
        yield reader


@contextmanager
def held(path: Path, how: int = os.O_RDONLY) -> Iterator[int]:
    """A descriptor of a regular file in our own root, which no link of a user's leads to.  Raises OSError."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(replacing.held(path, how))
        except Refused as why:
            raise OSError(errno.ELOOP, f"not followed: {why.reason.removesuffix('.')}") from None
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        yield file


def lookup(path: Path, user: str, shown_as: str = "", *, varies: bool = False) -> Record:
    """Find ``user`` as Dovecot does: the first line of that name counts, later ones are ignored.

    ``shown_as`` is the path as Dovecot sees it; ``varies``: it has variables, so that a file that is not
    there is an unknown user.  Raises CannotObserve when the file, or all of the line, cannot be read.
    """
    shown = shown_as or str(path)
    wanted = user.encode()
    try:
        with opened(path) as file:
            for number, (line, size) in enumerate(lines.sized(file), 1):
                if name_of(line) == wanted:
                    if size > len(line):
                        raise CannotObserve(f"{shown}:{number}: {too_long(size)}, and was not judged.")
                    _, *rest = _entry(line).split(b":")
                    record = _record(rest, f"{shown}:{number}")
                    return replace(record, again=_next(file, wanted, number))
    except FileNotFoundError:
        if varies:
            return Record(Outcome.UNKNOWN_USER, shown, absent=shown)
        says = "the passwd-file is not there"
        return Record(Outcome.FAILED, shown, failure=Failure(Failing.FILE, shown, "ENOENT", says))
    except OSError as why:
        raise unseen(shown, why, "the passwd-file cannot be read") from None
    return Record(Outcome.UNKNOWN_USER, shown, wanted=user)


def _next(file: BinaryIO, wanted: bytes, number: int) -> int:
    """The number of the next line of that name; 0 where there is none."""
    mark, before = b"\n" + wanted + b":", b"\n"
    for _ in range(_LOOKED_AT // _PIECE):
        piece = file.read(_PIECE)
        left = before + piece
        if (at := left.find(mark)) >= 0:
            return number + left.count(b"\n", 0, at + 1)
        if not piece:
            break
        before = left[-len(mark) :]
        number += left.count(b"\n") - before.count(b"\n")
    return 0


def ids_of(path: Path, user: str) -> Iterator[tuple[int, str | None, str | None]]:
    """Each line of that name: its number, its uid and its gid; None where it ends before them.

    Raises OSError.
    """
    for number, (_, _, uid, gid, *_) in _of(path, user):
        yield number, uid, gid


def shifted_home(path: Path, user: str) -> int:
    """The line of that name that has a path one field before its home, and no home; 0 for none.

    Raises OSError.
    """
    for number, (*_, gecos, home) in _of(path, user):
        return number if not home and (gecos or "").startswith("/") else 0
    return 0


def _of(path: Path, user: str) -> Iterator[tuple[int, tuple[str | None, ...]]]:
    """Each line of that name, and its fields from the name to the home."""
    wanted = user.encode()
    with opened(path) as file:
        for number, (line, _) in enumerate(lines.sized(file), 1):
            if name_of(line) == wanted:
                words = [word.decode("utf-8", "backslashreplace") for word in _entry(line).split(b":")]
                yield number, (*words, *[None] * _FIELDS)[:_FIELDS]


_FIELDS = 6  # user:password:uid:gid:gecos:home
_LOOKED_AT = 64 * 1024 * 1024  # bytes after a line that are looked at for another
_PIECE = 1024 * 1024


def too_long(size: int) -> str:
    """Why a line is not judged."""
    return f"the line has {size} bytes, and {lines.MOST} are read of one"


_STRAY = " \t\r\n\v\f\u00a0\u200b\u200c\u200d\u2060\ufeff\"'`"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def misread(line: bytes, wanted: bytes, number: int) -> str:
    """Why a line that has this user is not read so; "" where it has not.  What it says holds no secret."""
    if number == 1 and line.startswith(_UTF16):
        return "the file is in UTF-16"
    name = _entry(line).partition(b":")[0].decode("utf-8", "replace")
    if name != wanted.decode("utf-8", "replace") and bare(name) == wanted.decode("utf-8", "replace"):
        return f"its name is {name!a}"
    if wanted not in line:
        return ""
    if re.match(rb"#[ \t]*" + re.escape(wanted) + rb":", line):
        return "the line is a comment"
    if found := re.match(rb"[\"']?" + re.escape(wanted) + rb"[\"']?[ ]*([\t,;=|])", line):
        return f"{found[1].decode()!a} follows the name, where a colon must"
    if b"\r" + wanted + b":" in line:
        return "the line before it ends in CR alone"
    return ""


def bare(name: str) -> str:
    """A name without what is not seen in it, and what strays to its edges."""
    return "".join(one for one in name if one.isprintable()).strip(_STRAY)


def quoted(name: str) -> str:
    """A name as it may be shown: in quotes and escaped, where it has what is not seen."""
    return name if bare(name) == name else repr(name)


def odd(line: bytes, number: int) -> str:
    """Why nobody can type the name that Dovecot takes from this line; "" where anybody can."""
    if number == 1 and line.startswith(_UTF16):
        return "the file is in UTF-16"
    name = name_of(line)
    name = shown_name(name) if b":" not in line or _REST.fullmatch(name.strip()) else name
    if _ORDINARY.fullmatch(name):
        return ""
    text = name.decode("utf-8", "backslashreplace")
    core = bare(text)
    if core == text or _is_no_name(core):
        return ""
    if text.startswith(_BYTE_ORDER):
        return f"there is a byte order mark before the name: {text!r}"
    return f"its name is {text!r}"


def is_entry(line: bytes) -> bool:
    """Whether a line is somebody's: no comment, nor blank, be there a byte order mark before it."""
    name = name_of(line)
    if _ORDINARY.fullmatch(name):
        return True
    return not _is_no_name(bare(name.decode("utf-8", "replace")))


def _is_no_name(core: str) -> bool:
    return not core or core.startswith("#")


_ORDINARY = re.compile(rb"[!$-&(-_a-~][!-~]*(?<![\"'`])")
_BYTE_ORDER = "\ufeff"
_NO_COLON = re.compile(rb"(\s*[^\s;,|]+)[\s;,|]")


def shown_name(name: bytes) -> bytes:
    """A line's name as it may be shown: where no colon ends it, a stored string stands after it.

    A piece of a hash is no name.
    """
    found = _NO_COLON.match(name)
    return without_hash(found[1] + b"..." if found else name)


def without_hash(name: bytes) -> bytes:
    """A name as it may be shown: where columns were mistaken for each other, it is a stored string."""
    bare_name = name.strip()
    if found := _STORED.match(bare_name):
        return found[0] + b"..."
    return bare_name[:6] + b"..." if _REST.fullmatch(bare_name) else name


_STORED = re.compile(rb"\{[A-Za-z][\w.-]*\}(?=.)|\$[\w-]{1,16}[$,](?=.{12})")


# The rest of a hash, as a wrapped line begins with it
_REST = re.compile(rb"(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[A-Za-z0-9./+=$]{24,}")


def goes_on(path: Path, number: int, cut: bytes) -> bytes:
    """A stored string with what the line after this one begins with; b"" where there is none.

    Raises OSError.
    """
    with opened(path) as file:
        line = next((one for one, _ in islice(lines.sized(file), number, number + 1)), b"")
    rest = _entry(line).partition(b":")[0].strip()
    return cut + rest if rest else b""


MARK = b":"


def name_of(line: bytes, mark: bytes = MARK) -> bytes:
    """The user that a line is for; b"" for a comment and for none.  ``mark`` parts the fields."""
    return b"" if line[:1] == b"#" else _entry(line).partition(mark)[0]


def stored_of(line: bytes, mark: bytes = MARK) -> bytes:
    """The stored string of a line, as Dovecot takes it."""
    _, *rest = _entry(line).split(mark, 2)
    return as_stored(rest[0] if rest else b"")


def with_stored(line: bytes, new: bytes, mark: bytes = MARK) -> bytes:
    """The line with another stored string, and all else as it is."""
    body = _entry(line)
    name, *rest = body.split(mark, 2)
    return mark.join([name, new, *rest[1:]]) + line[len(body) :]


def _entry(line: bytes) -> bytes:
    """Dovecot ends a line at LF and takes one CR before it off."""
    return line.rstrip(b"\n").removesuffix(b"\r")


def _record(rest: list[bytes], place: str) -> Record:
    stored = rest[0] if rest else b""
    extra = b":".join(rest[_EXTRA_FIELDS - 1 :]).split()
    words = (word.decode("utf-8", "surrogateescape").partition("=") for word in extra)
    values = tuple((name, value) for name, _, value in words)
    names = tuple(name for name, _ in values)
    # A line without a password is taken as an empty one, not as none.
    return Record(Outcome.FOUND, place, as_stored(stored), names, values=values)


def as_stored(stored: bytes) -> bytes:
    """libpam-pwdfile's ``hash[NN]``: 34 is plain MD5, 56 is DIGEST-MD5, any other crypt."""
    if len(stored) > 4 and stored[:1] not in (b"{", b"$") and stored[-1:] == b"]" and stored[-4:-3] == b"[":
        scheme = {b"34": b"{PLAIN-MD5}", b"56": b"{DIGEST-MD5}"}.get(stored[-3:-1], b"{CRYPT}")
        return scheme + stored[:-4]
    return stored
