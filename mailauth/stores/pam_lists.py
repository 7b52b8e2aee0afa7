"""What PAM's modules with lists of their own say of a user: pam_listfile, pam_access, pam_time, pam_exec.

Source: Linux-PAM 1.5.2 and 1.7.2, modules/pam_*.  Dovecot sets the client's address as the remote host, the
user's name as the remote user, and "dovecot" as the terminal (set_pam_items(), src/auth/passdb-pam.c).
What depends on something that is not known may be said in both ways.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence

from mailauth.records import dataclass
from mailauth.stores.shadow import Account

SUCCESS, IGNORE = "success", "ignore"
_TTY = "dovecot"
ACCESS, TIME = "/etc/security/access.conf", "/etc/security/time.conf"
ACCESS_MORE = "/etc/security/access.d"
# What no remote host is called.
_LOCAL = re.compile(r"(?:tty[0-9]*|:[0-9]+|vc/[0-9]+|pts/?[0-9]*|cron|crond|console)", re.IGNORECASE)
_DAYS = {"su": 1, "mo": 2, "tu": 4, "we": 8, "th": 16, "fr": 32, "sa": 64, "wk": 62, "wd": 65, "al": 127}
_SPAN = re.compile(r"((?:[A-Za-z]{2})+)([0-9]{4})-([0-9]{4})")
_WEEK = 127
_FIELDS_OF_TIME, _FIELDS_OF_ACCESS = 4, 3
_LIST = ", \t"

Maybe = bool | None
"""None: it is not known."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks to be let in.  ``groups``: None where not all are known; ``address``: "" where it is not."""

    user: str
    account: Account | None
    groups: frozenset[str] | None
    address: str
    service: str

    def is_in(self, group: str) -> Maybe:
        if self.account is None:
            return False
        return None if self.groups is None else group in self.groups


@dataclass(frozen=True, slots=True)
class Listed:
    """A text file as a module finds it.  ``odd``: why pam_listfile does not take it; "" where it does."""

    text: str
    odd: str = ""


@dataclass(frozen=True, slots=True)
class Ruled:
    """What it returns, one of these; ``says``: in words, why it refuses."""

    codes: frozenset[str] | None
    says: str = ""


OPEN = Ruled(None)
_YES = Ruled(frozenset({SUCCESS}))
File = Callable[[str], Listed | None]


def listfile(args: Sequence[str], who: Who, file: File) -> Ruled:
    """By one list of names."""
    given = dict(one.split("=", 1) for one in args if "=" in one)
    item, name, sense = given.get("item", ""), given.get("file", ""), given.get("sense", "")
    known = {"item", "file", "sense", "onerr"} >= set(given)
    if not known or not name or sense not in ("allow", "deny"):
        return OPEN
    onerr = {"succeed": SUCCESS, "fail": "service_err"}.get(given.get("onerr", "fail"))
    if onerr is None:
        return OPEN
    found = file(name)
    if found is None:
        return Ruled(frozenset({onerr}), f"{name} is not there")
    if found.odd:
        return Ruled(frozenset({"auth_err"}), f"{name} {found.odd}")
    lines = [line for line in (one.rstrip("\r") for one in found.text.split("\n")) if line]
    there = _listed_as(item, lines, who)
    if there is None:
        return OPEN
    if there == (sense == "allow"):
        return _YES
    return Ruled(frozenset({"auth_err"}), _of_list(item, name, lines, who, there=there))


def _listed_as(item: str, lines: Sequence[str], who: Who) -> Maybe:
    values = {"user": who.user, "ruser": who.user, "tty": _TTY}
    if item in values:
        return values[item] in lines
    if item == "rhost" and who.address:
        return who.address in lines
    if item == "shell" and who.account:
        return (who.account.shell or "/bin/sh") in lines
    if item == "group":
        return _any(who.is_in(one) for one in lines)
    return None


def _of_list(item: str, name: str, lines: Sequence[str], who: Who, *, there: bool) -> str:
    if item == "group":
        return f"{'a' if there else 'no'} group of {who.user} is listed in {name}"
    subjects = {"tty": _TTY, "rhost": who.address, "shell": f"the shell of {who.user}"}
    subject = subjects.get(item, who.user)
    if there:
        return f"{subject} is listed in {name}"
    like = next((one for one in lines if one.strip().casefold() == subject.casefold()), "")
    return f"{subject} is not listed in {name}" + (f", where {like!r} is another name" if like else "")


def access(args: Sequence[str], who: Who, file: File, more: Callable[[str], bool]) -> Ruled:
    """By a table of who may log in from where; the first line that fits decides.

    ``more``: whether a folder is there, whose files are read where no line of the usual file fits.
    """
    if who.account is None:
        return Ruled(frozenset({"user_unknown"}))
    given = dict(one.split("=", 1) for one in args if "=" in one)
    name = given.get("accessfile", ACCESS)
    found = file(name)
    if found is None and "accessfile" in given:
        return Ruled(frozenset({"abort"}), f"{name} is not there")
    codes: set[str] = set()
    split = _any_of(given.get("fieldsep", ":")), _any_of(given.get("listsep", _LIST))
    groups = "nodefgroup" not in args
    for number, line in enumerate(found.text.splitlines(keepends=True) if found else (), 1):
        fits = _fits(line, who, split, groups=groups) if line[:1] in ("+", "-") else False
        if fits is False:
            continue
        codes.add(SUCCESS if line.startswith("+") else "perm_denied")
        if fits and line.endswith("\n"):  # releases differ in what they make of a last line without one
            return Ruled(frozenset(codes), f"{name}:{number} ({line.strip()}) refuses {who.user}")
    if name == ACCESS and more(ACCESS_MORE):
        return OPEN
    return Ruled(frozenset({*codes, SUCCESS}))


def _any_of(letters: str) -> str:
    """An expression for what is between two words; without a letter nothing is."""
    return f"[{re.escape(letters)}]+" if letters else "(?!)"


def _fits(line: str, who: Who, split: tuple[str, str], *, groups: bool) -> Maybe:
    by_field, by_list = split
    fields = [one for one in re.split(by_field, line.rstrip(), maxsplit=2) if one]
    if len(fields) < _FIELDS_OF_ACCESS:
        return False
    users, froms = ([one for one in re.split(by_list, text) if one] for text in fields[1:])
    return _both(
        _in_list(users, lambda one: _is_user(one, who, groups=groups)),
        _in_list(froms, lambda one: _is_from(one, who)),
    )


def _in_list(words: Sequence[str], fits: Callable[[str], Maybe]) -> Maybe:
    """One of the words before EXCEPT, and none of those behind it."""
    parts: list[list[str]] = [[]]
    for word in words:
        if word.upper() == "EXCEPT":
            parts.append([])
        else:
            parts[-1].append(word)
    if not parts[-1] and len(parts) > 1:
        del parts[-1]  # behind the last one is nothing
    found = _any(fits(word) for word in parts.pop())
    for part in reversed(parts):  # a line can have as many as its writer likes
        found = _both(_any(fits(word) for word in part), None if found is None else not found)
    return found


def _is_user(word: str, who: Who, *, groups: bool) -> Maybe:
    if word.upper() == "ALL" or word == who.user:
        return True
    if word.startswith("(") and word.endswith(")"):
        return who.is_in(word[1:-1])
    if "@" in word or word.casefold() == who.user.casefold():
        return None
    return who.is_in(word) if groups else False


def _is_from(word: str, who: Who) -> Maybe:
    if word.upper() == "ALL" or word == who.address:
        return True
    if word.upper() in ("LOCAL", "NONE") or _LOCAL.fullmatch(word) or word.startswith("."):
        return False if who.address else None
    if not who.address or word.startswith("@"):
        return None
    if word.endswith("."):
        return f"{who.address}.".startswith(word)
    try:
        net = ipaddress.ip_network(word, strict=False)
        return ipaddress.ip_address(who.address) in net if net.prefixlen else None
    except ValueError:
        return None  # a name, which the resolver may know


def hours(who: Who, file: File, now: tuple[int, int] | None) -> Ruled:
    """By a table of who may log in when.  ``now``: the day (0 is Sunday), and the time as 1305 for 13:05."""
    found = file(TIME)
    text = re.sub(r"\\\n", " ", found.text) if found else ""
    for line in text.split("\n"):
        fields = line.partition("#")[0].split(";")
        if len(fields) != _FIELDS_OF_TIME:
            continue
        service, tty, user, times = fields
        if user.strip().startswith("@"):
            meant: Maybe = None
        else:
            meant = _both(_logic(user, who.user), _both(_logic(service, who.service), _logic(tty, _TTY)))
        if meant is False:
            continue
        within = None if now is None else _logic(times, now)
        if within is False and meant:
            says = f"{TIME} lets {who.user} in at {times.strip()} only, and now is another time"
            return Ruled(frozenset({"perm_denied"}), says)
        if not within:
            return OPEN
    return _YES


def _logic(text: str, value: str | tuple[int, int]) -> Maybe:
    """Names or times with !, & and |, from the left to the right; None where a ! is before more than one."""
    words = re.findall(r"[A-Za-z0-9*_\-./:]+|[&|!]", text)
    nots = words.count("!")
    if nots > 1 or (nots and words[0] != "!") or (nots and {"&", "|"} & set(words)):
        return None
    names = words[nots::2]
    if any(one in "&|!" for one in names) or any(one not in "&|" for one in words[nots + 1 :: 2]):
        return None
    found: Maybe = False
    for at, name in enumerate(names):
        fits = _same(name, value) if isinstance(value, str) else _within(name, value)
        if fits is None:
            return None
        fits = fits != bool(nots)
        both = at and words[nots + 2 * at - 1] == "&"
        found = found and fits if both else found or fits
    return found


def _same(pattern: str, value: str) -> bool:
    head, star, tail = pattern.partition("*")
    if not star:
        return pattern == value
    return value.startswith(head) and value.endswith(tail)


def _within(span: str, now: tuple[int, int]) -> Maybe:
    """Whether a moment is in it; None for one that is not written as it should be."""
    found = _SPAN.fullmatch(span)
    if not found:
        return None
    marked = 0
    for at in range(0, len(found[1]), 2):
        day = _DAYS.get(found[1][at : at + 2].lower())
        if day is None:
            return None
        marked ^= day
    today, (begin, end) = 1 << now[0], (int(found[2]), int(found[3]))
    if begin < end:
        return bool(today & marked) and begin <= now[1] < end
    if today & marked and now[1] >= begin:
        return True
    marked = (marked << 1) | (marked >> 6)
    return bool(today & marked & _WEEK) and now[1] <= end


def program(args: Sequence[str], kind: str, runs: Callable[[str], bool]) -> Ruled:
    """Of pam_exec, as far as its program is there.  ``runs``: whether one is."""
    only = next((one.removeprefix("type=") for one in args if one.startswith("type=")), "")
    if only and only != ("open_session" if kind == "session" else kind):
        return Ruled(frozenset({IGNORE}))
    path = next((one for one in args if one.startswith("/")), "")
    if path and not runs(path):
        return Ruled(frozenset({"system_err"}), f"its program {path} is not there, or may not be run")
    return OPEN


def _any(some: Iterable[Maybe]) -> Maybe:
    found = list(some)
    return True if True in found else None if None in found else False


def _both(one: Maybe, other: Maybe) -> Maybe:
    if one is False or other is False:
        return False
    return None if None in (one, other) else True
