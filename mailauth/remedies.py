"""The one place where a value becomes configuration or a command of a remedy.

Names, folders and words of a log are written by whoever has an account, and a remedy is applied as root.  So
each place has its form, in a table: what may stand as the value of which setting, as the name of which block,
as which word of which command.  What has not that form is written nowhere: the remedy then says in words what
to do, and ``mailauth fix`` has nothing to apply.

Dovecot's configuration is a line a setting, and ``#``, ``$``, ``<``, quotes and braces mean something in it:
src/config/config-parser.c of Dovecot 2.3.19.1 and 2.4.1.  None of these is in any form here.
"""

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import product, starmap

from mailauth.dovecot.version import DIALECTS, Dialect
from mailauth.finding import Edit, Remedy, StoreChange
from mailauth.records import dataclass
from mailauth.stores import pasted
from mailauth.stores.pasted import Row
from mailauth.visible import is_visible, visible

Words = tuple[str, ...]
Fits = Callable[[str], bool]

RELOAD: Words = ("doveadm", "reload")
REOPEN: Words = ("doveadm", "log", "reopen")
LOG_FIND: Words = ("doveadm", "log", "find")
LOG_ERRORS: Words = ("doveadm", "log", "errors")
FLUSH: Words = ("doveadm", "auth", "cache", "flush")  # all entries
HASH_NEW: Words = pasted.HASH_NEW
HASH_SHOW: Words = ("mailauth", "hash", "show", "-")  # the string is typed, or piped: it is in no argv
LIST_SCHEMES: Words = ("doveadm", "pw", "-l")
_MIGRATE: Words = ("mailauth", "migrate")
PLANS = ("--mend", "--prefix", "--rehash=ARGON2ID")  # what a plan of all rows may be asked for
ON_LOGIN: Words = ("mailauth", "migrate", "on-login", "enable")
# What reads again, or looks: by itself it mends nothing that a person has not mended before.
_MENDS_NOTHING = frozenset({RELOAD, REOPEN, LOG_FIND, LOG_ERRORS, HASH_NEW, HASH_SHOW, LIST_SCHEMES})


@dataclass(frozen=True, slots=True)
class Setting:
    """``name = value``."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Block:
    """``kind name { ... }``."""

    kind: str
    name: str
    inside: tuple["Setting | Block", ...]


Part = Setting | Block


def both(*parts: Part) -> dict[Dialect, tuple[Part, ...]]:
    """The same in both dialects."""
    return dict.fromkeys(DIALECTS, parts)


def block(kind: str, name: str, *inside: Part) -> Block:
    return Block(kind, name, inside)


def remedy(
    summary: str,
    *,
    config: Mapping[Dialect, Iterable[Part]] | None = None,
    file: str = "",
    commands: Iterable[Words] = (),
    careful: str = "",
    edits: Iterable[Edit] = (),
    store: StoreChange | None = None,
    by_hand: bool = False,
    whole: bool = False,
) -> Remedy:
    """The remedy; in words only, where one value in it has not the form of its place.

    ``whole``: a reload is all that it takes; else the words say what to do before it, by hand.
    """
    parts = {dialect: tuple(each) for dialect, each in (config or {}).items()}
    commands, edits = tuple(commands), tuple(edits)
    unfit = [one for each in parts.values() for part in each for one in _unfit_part(part)]
    unfit += [one for command in commands for one in _unfit_command(command)]
    unfit += [one for edit in edits for one in _unfit_edit(edit)]
    if any(parts.values()) and not _path(file):
        unfit.append(_said(file, "the path of a file of Dovecot"))
    if unfit:
        told = "; ".join(dict.fromkeys(unfit))
        return Remedy(
            f"{summary} By hand: mailauth writes and runs nothing here, since {told}.", careful=careful
        )
    text = {dialect: "\n".join(map(_text, each)) for dialect, each in parts.items() if each}
    nothing = not (text or edits or store or whole) and _MENDS_NOTHING.issuperset(commands)
    return Remedy(summary, text, file, commands, careful, edits, store, by_hand or nothing)


def in_database(found: Remedy, row: Row, *, only_blanks: bool) -> Remedy:
    """The remedy with the lines that do it in the database: a new hash is stored, or blanks are taken out.

    ``only_blanks``: they are all that is wrong with the stored string.
    """
    if found.paste or not (found.store or HASH_NEW in found.commands):
        return found
    if found.store is StoreChange.MEND and not only_blanks:
        return found
    lines = [pasted.without_blanks(row) if found.store is StoreChange.MEND else pasted.new_hash(row)]
    if found.store and found.by_hand and (first := pasted.widened(row)):
        lines.insert(0, first)
    return replace(found, paste=tuple(lines), database=row.place)


def enabled(found: Remedy, row: Row | None, conditions: tuple[str, ...]) -> Remedy:
    """The remedy with the line that has the row meet the conditions, where that is plain."""
    line = pasted.enabled(row, conditions) if row else ""
    return replace(found, paste=(line,), database=row.place) if row and line else found


def plan(action: str, passdb: int | None, version: str) -> Words:
    """What would become of all rows.

    ``passdb``: of which store, where there are several; ``version``: of whom, where not the one that runs.
    """
    store = () if passdb is None else ("--passdb", str(passdb))
    return (*_MIGRATE, "plan", action, *store, *(("--dovecot", version) if version else ()))


def start(file: str | None) -> str:
    """The command that starts the Dovecot with this main file: the system's unit has Debian's own."""
    if not file or file == _OF_THE_UNIT or not _path(file):
        return "systemctl start dovecot"
    return shlex.join(("dovecot", "-c", file))


_OF_THE_UNIT = "/etc/dovecot/dovecot.conf"


def of_a_stopped(found: Remedy, file: str | None) -> Remedy:
    """For a Dovecot that does not run: it reads its files, and opens its log, as it starts with ``file``."""
    kept = tuple(one for one in found.commands if one not in (RELOAD, REOPEN))
    if len(kept) == len(found.commands):
        return found
    summary = _RELOADS.sub(lambda at: at[0].replace(at["what"], "start Dovecot"), found.summary)
    if summary == found.summary:
        summary = f"{summary} Then start Dovecot: {start(file)}."
    return replace(found, summary=summary, commands=kept)


_RELOADS = re.compile(r"\b(?:then|and) (?P<what>reload)\b")


def placed(
    found: Remedy, where: Words, typed: Callable[..., Words], in_sentence: Callable[[str], str]
) -> Remedy:
    """Its commands as they are typed for one Dovecot: each runs as shown.

    ``where``: the options that name it to mailauth; ``typed``, ``in_sentence``: as in dovecot/typed.py.
    """

    def put(one: Words) -> Words:
        if one[0] != "mailauth":
            return typed(*one)
        return (*one, *where) if one[:2] == _MIGRATE and not unfit((*one, *where)) else one

    return replace(
        found,
        summary=in_sentence(found.summary),
        commands=tuple(map(put, found.commands)),
        careful=in_sentence(found.careful),
    )


def unfit(command: Words) -> str:
    """Why a command is none that a remedy has; "" where it is one."""
    return "; ".join(_unfit_command(command))


def _text(part: Part, indent: str = "") -> str:
    if isinstance(part, Setting):
        return f"{indent}{part.name} = {part.value}".rstrip()
    inside = "\n".join(_text(one, f"{indent}  ") for one in part.inside)
    return f"{indent}{part.kind} {part.name} {{\n{inside}\n{indent}}}"


def _unfit_part(part: Part) -> Iterator[str]:
    table, name, value = (
        (VALUES, part.name, part.value) if isinstance(part, Setting) else (BLOCKS, part.kind, part.name)
    )
    if name not in table or not table[name](value):
        yield _said(value, name)
    if isinstance(part, Block):
        for one in part.inside:
            yield from _unfit_part(one)


def _unfit_command(command: Words) -> Iterator[str]:
    shapes = [one for one in _COMMANDS if one[0](command[0]) and len(one) == len(command)] if command else []
    if any(all(fits(word) for fits, word in zip(one, command, strict=True)) for one in shapes):
        return
    for shape in shapes[:1]:
        wrong = [word for fits, word in zip(shape, command, strict=True) if not fits(word)]
        yield from (_said(word, f"a word of {visible(command[0], _SHOWN)}") for word in wrong)
    if not shapes:
        yield _said(" ".join(command), "a command that a remedy has")


def _unfit_edit(edit: Edit) -> Iterator[str]:
    if not _path(edit.file):
        yield _said(edit.file, "the path of a file of Dovecot")
    for text in (edit.old, edit.new):
        if not all(is_visible(line.replace("\t", " ")) for line in text.split("\n")):
            yield _said(text, f"a line of {visible(edit.file, _SHOWN)}")


_SHOWN = 80  # characters of a value that was not taken


def _said(value: str, place: str) -> str:
    return f"{visible(value, _SHOWN)!r} has not the form of {place}"


def _form(pattern: str) -> Fits:
    """The whole text, in ASCII."""
    compiled = re.compile(pattern, re.ASCII)
    return lambda text: compiled.fullmatch(text) is not None


def _path(text: str) -> bool:
    """An absolute path without a way back, all of it to be seen."""
    return 1 < len(text) <= _LONGEST and text[0] == "/" and is_visible(text) and ".." not in text.split("/")


def of_mail(text: str) -> bool:
    """A folder that may be a mail folder's: the userdb's rows name it, and never the system's own.

    Source of the names: Filesystem Hierarchy Standard 3.0, chapters 3 to 5.
    """
    parts = text.split("/")[1:]
    if not _path(text) or not parts[-1] or parts[0] in _SYSTEMS:
        return False
    return parts[0] != "var" or any("mail" in part for part in parts[1:])


def _one_users_mail(text: str) -> bool:
    """The same, and never a whole disk's or every user's."""
    return of_mail(text) and text.count("/") > 1


_LONGEST = 4095  # PATH_MAX without its NUL
_SYSTEMS = frozenset(
    ("bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "nix", "opt", "proc", "root", "run")
) | frozenset(("sbin", "snap", "sys", "usr"))

_NUMBER = _form(r"[0-9]{1,12}")
_VERSION = _form(r"[0-9]{1,2}(\.[0-9]{1,3}){1,3}")
_SIZE = _form(r"[0-9]{1,12}[BkMGT]?|unlimited")
_MODE = _form(r"0[0-7]{0,3}")
_ACCOUNT = _form(r"[a-z_][a-z0-9_.-]{0,31}")
_SCHEME = _form(r"[A-Z0-9][A-Z0-9_.-]{0,39}")
_NAMES = _form(r"[a-z0-9][a-z0-9_-]{0,39}( [a-z0-9][a-z0-9_-]{0,39}){0,19}")
# A domain as DNS has them, and at most its 253 characters; none: nothing is added.
_DOMAIN = _form(r"(?=.{0,253}\Z)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.|\Z))*(?<!\.)")
_SERVICE = _form(r"[a-z][a-z0-9_-]{0,39}")

# What may stand as the value of a setting.
VALUES: Mapping[str, Fits] = {
    "address": _form(r"\*, ::"),
    "auth_allow_cleartext": _form("yes|no"),
    "auth_allow_weak_schemes": _form("yes|no"),
    "auth_debug_passwords": _form("no"),
    "auth_default_domain": _DOMAIN,
    "auth_default_realm": _DOMAIN,
    "auth_master_user_separator": _form(r"[*+/!|,;:~^=&-]"),
    "auth_mechanisms": _NAMES,
    "auth_username_format": _form(r"%L?u|%\{user( \| lower)?\}"),
    "auth_username_translation": _form(""),
    "auth_verbose_passwords": _form("sha1:6"),
    "auth_worker_max_count": _NUMBER,
    "client_limit": _NUMBER,
    "default_pass_scheme": _SCHEME,
    "default_password_scheme": _SCHEME,
    "disable_plaintext_auth": _form("yes|no"),
    "first_valid_gid": _NUMBER,
    "first_valid_uid": _NUMBER,
    "group": _ACCOUNT,
    "last_valid_gid": _NUMBER,
    "last_valid_uid": _NUMBER,
    "listen": _form(r"\*, ::"),
    "mail_gid": _ACCOUNT,
    "mail_home": _form(r"/var/vmail/(%d/%n|%\{user \| domain\}/%\{user \| username\})"),
    "mail_max_userip_connections": _NUMBER,
    "mail_uid": _ACCOUNT,
    "mode": _MODE,
    "port": _form(r"[0-9]{1,5}"),
    "process_limit": _NUMBER,
    "protocols": _NAMES,
    "user": _ACCOUNT,
    "vsz_limit": _SIZE,
}

# What may stand as the name of a block.
BLOCKS: Mapping[str, Fits] = {
    "inet_listener": _form(r"[A-Za-z][A-Za-z0-9_-]{0,39}"),
    "passdb": _form(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}"),
    "protocol": _SERVICE,
    "service": _SERVICE,
    "unix_listener": _form(
        r"(?=.{1,107}\Z)(?!.*\.\.)/?[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*"
    ),
}

_OPTIONS_END = _form("--")
_OPERAND: Fits = lambda text: 0 < len(text) <= _LONGEST and is_visible(text)  # noqa: E731 - a line of the table
_IDS = _form(r"[0-9]{1,10}:[0-9]{1,10}")
_MODE_CHANGE = _form(r"(g\+[rx]|a\+x|o-rwx|g\+r,o-rwx|0750)")


def _exactly(*words: str) -> tuple[Fits, ...]:
    return tuple(_form(re.escape(word)) for word in words)


# Every command of every remedy, word by word.
_COMMANDS: tuple[tuple[Fits, ...], ...] = (
    *starmap(_exactly, (RELOAD, REOPEN, LOG_FIND, LOG_ERRORS, FLUSH, LIST_SCHEMES, HASH_NEW, HASH_SHOW)),
    *(
        (*_exactly(*_MIGRATE), *what, *pid, *config)
        for what, pid, config in product(
            (
                _exactly("on-login", "enable"),
                *(
                    (*_exactly("plan"), _form("|".join(PLANS)), *store, *version)
                    for store, version in product(
                        ((), (*_exactly("--passdb"), _NUMBER)), ((), (*_exactly("--dovecot"), _VERSION))
                    )
                ),
            ),
            ((), (*_exactly("--pid"), _NUMBER)),
            ((), (*_exactly("-c"), _path)),
        )
    ),
    (*_exactly("doveadm", "auth", "cache", "flush", "--"), _OPERAND),
    (*_exactly("chmod"), _OPTIONS_END, _MODE_CHANGE, _path),
    (*_exactly("chgrp"), _OPTIONS_END, _form(r"[0-9]{1,10}|[a-z_][a-z0-9_.-]{0,31}"), _path),
    (*_exactly("chown", "-R"), _OPTIONS_END, _IDS, _one_users_mail),
    (
        *_exactly("install", "-d", "-m", "0700", "-o"),
        _NUMBER,
        *_exactly("-g"),
        _NUMBER,
        _OPTIONS_END,
        _one_users_mail,
    ),
    (*_exactly("mkdir", "-p"), _OPTIONS_END, _path),
    (*_exactly("sysctl", "-w"), _OPTIONS_END, _form(r"net(\.[a-z0-9_-]{1,20}){1,6}=1")),
)
