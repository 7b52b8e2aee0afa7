"""What PAM's modules return for an account, as far as its rows and a few files say.

A module that is not known here may return anything.  Source: Linux-PAM 1.5.2 and 1.7.2, modules/pam_*; the
rows of pam_unix, pam_succeed_if, pam_nologin and pam_faillock were measured with Dovecot, too.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum

from mailauth.records import dataclass
from mailauth.stores import pam_lists, shadow
from mailauth.stores.pam_line import Line
from mailauth.stores.pam_lists import Listed, Who
from mailauth.stores.pam_requirement import requirement
from mailauth.stores.shadow import Account

SUCCESS = frozenset({"success"})
_FAILS = frozenset({"auth_err"})
_IGNORE = frozenset({"ignore"})
_EITHER = SUCCESS | _IGNORE
ANYTHING = frozenset({"success", "ignore", "auth_err", "user_unknown"})
_LEAST_REGULAR, _NOBODY = 1000, 65534
_SHORTEST = 13  # characters of a hash: crypt(3)


class Why(Enum):
    """Why a module says no, whatever the password is."""

    LOCKED = "the account is locked"
    NO_PASSWORD = "the account has no password"  # noqa: S105 - a reason
    NO_ROW = "the account has no row in /etc/shadow"
    PREFIX = "the hash is written as Dovecot writes it"
    EXPIRED = "the account has expired"
    AGED = "the password has expired"
    CLOSED = "who verifies may not read /etc/shadow"
    ABSENT = "a module is not installed"
    BROKEN = "a line that PAM cannot use"
    NOLOGIN = "logins are turned off"
    REQUIREMENT = "a requirement is not met"
    TALLY = "too many failed logins"
    DENIES = "the service denies everybody"
    SHELL = "the shell is not in /etc/shells"
    LISTED = "a list of names refuses the user"
    ACCESS = "a table of who may log in from where refuses the user"
    HOURS = "a table of who may log in when refuses the user now"
    PROGRAM = "a program that is to be asked is not there"
    SHADOWED = "the hash is in /etc/shadow, where it is not looked for"
    MISSING = "PAM has no file for the service"


@dataclass(frozen=True, slots=True)
class Said:
    """What one line can return.  ``why``: a reason to fail, of the line at ``place``; ``says``: in words.

    ``blank``: it takes any password, since the account has none.  ``well``: the codes without the reason.
    """

    codes: frozenset[str]
    why: Why | None = None
    says: str = ""
    place: str = ""
    blank: bool = False
    well: frozenset[str] = SUCCESS


@dataclass(frozen=True, slots=True)
class Seen:
    """What decides, of the system: the account (None: unknown), and who asks.

    ``groups`` is None where they are not all known.  ``closed``: why the worker cannot read /etc/shadow.
    ``tally``: of a line of pam_faillock, how many failures count, or None; ``nologin``: the file of a line of
    pam_nologin that is there, or "".  ``address``: where the client is, "" where that is not known;
    ``there``: whether a file or a folder is; ``now``: day and time as pam_lists has them, None where the zone
    is not known.
    """

    user: str
    account: Account | None
    groups: frozenset[str] | None
    today: int
    closed: str
    worker_is_root: bool
    absent: frozenset[str]
    shells: frozenset[str] | None
    service: str
    tally: Callable[[Line], str]
    nologin: Callable[[Line], str]
    address: str
    file: Callable[[str], Listed | None]
    there: Callable[[str], bool]
    now: Callable[[], tuple[int, int] | None]
    anybody: bool = False  # the account is made up: what depends on whose it is is not known


def returns(line: Line, seen: Seen, *, right: bool) -> Said:
    """What a line returns for the right password, or for a wrong one."""
    if line.substack:
        return Said(_IGNORE)
    if not line.module:
        return Said(
            frozenset({"perm_denied"}),
            Why.BROKEN,
            f"{line.place} is no line that PAM can use, or it includes a file that is not there",
            line.place,
        )
    if line.module in seen.absent:
        says = f"{line.module} ({line.place}) is not installed"
        return Said(frozenset({"module_unknown"}), Why.ABSENT, says, line.place, well=ANYTHING)
    if seen.anybody and line.name in OF_THE_USER:
        return Said(ANYTHING)
    judge = _MODULES.get((line.kind, line.name)) or _MODULES.get(("", line.name))
    return judge(line, seen, right) if judge else Said(ANYTHING)


def unasked(before: Sequence[Line], line: Line, said: Said) -> Said:
    """What pam_unix returns that asks for no password (use_first_pass), with these lines before it.

    Each module of them that is not known here may have asked; those that are, but for pam_unix, do not.
    """
    if (line.kind, line.name) != ("auth", "pam_unix") or "use_first_pass" not in line.args or said.blank:
        return said
    names = [one.name for one in before if not one.substack]
    if "pam_unix" in names or said.codes.isdisjoint(SUCCESS):
        return said
    if any(("auth", name) not in _MODULES and ("", name) not in _MODULES for name in names):
        return Said(ANYTHING)
    says = f"{line.module} ({line.place}) has use_first_pass, and no module before it asks for the password"
    return Said(_FAILS, Why.BROKEN, says, line.place)


def hash_of(account: Account) -> tuple[str, str] | None:
    """The stored string that pam_unix takes, and its place; None where there is none."""
    if not account.shadowed:
        return account.field, account.place
    return (account.shadow.hash, account.shadow.place) if account.shadow else None


def locked(stored: str) -> tuple[Why, str] | None:
    """Why no password can match what stands there; None where one can, or where it is empty."""
    if not stored:
        return None
    bare = stored.lstrip("!")
    if stored[0] == "{" and "}" in stored:
        scheme = stored[: stored.index("}") + 1]
        return Why.PREFIX, f"has {scheme} before its hash, as Dovecot writes it: crypt(3) takes no hash so"
    if bare != stored and len(bare) >= _SHORTEST:
        return Why.LOCKED, 'is locked: there is a "!" before its hash (passwd -l, usermod -L)'
    if len(bare) < _SHORTEST or stored[0] == "*":
        return Why.NO_PASSWORD, f"has no password: {stored[:3]!r} stands where the hash would be"
    return None


def kept(stored: str) -> str:
    """The hash that there is but for a lock's "!" before it; "" where there is none."""
    bare = stored.lstrip("!")
    return "" if locked(bare) else bare


def _unix_auth(line: Line, seen: Seen, right: bool) -> Said:
    account = seen.account
    if account is None or seen.user[:1] in ("-", "+"):
        return Said(frozenset({"user_unknown"}))
    found = hash_of(account)
    if account.shadowed and seen.closed:
        return Said(_FAILS, Why.CLOSED, seen.closed, line.place)
    if found is None:
        says = f"{account.name} is in {account.place}, and has no row in {shadow.SHADOW}"
        return Said(frozenset({"authinfo_unavail"}), Why.NO_ROW, says, account.place)
    stored, place = found
    if not stored:
        if "nullok" in line.args:
            return Said(SUCCESS, blank=True)
        if {"nullok_secure", "nullresetok"} & set(line.args):
            return Said(ANYTHING)
        says = f"{account.name} has no password: the field is empty ({place}), and {line.place} has no nullok"
        return Said(_FAILS, Why.NO_PASSWORD, says, place)
    if why := locked(stored):
        return Said(_FAILS, why[0], f"{account.name} {why[1]} ({place})", place)
    return Said(SUCCESS if right else _FAILS)


def _unix_account(line: Line, seen: Seen, _right: bool) -> Said:
    account = seen.account
    if account is None:
        return Said(frozenset({"user_unknown"}))
    if not account.shadowed:
        return Said(SUCCESS)
    if seen.closed:
        return Said(ANYTHING)
    row = account.shadow
    if row is None:
        return Said(SUCCESS if "broken_shadow" in line.args else frozenset({"authinfo_unavail"}))
    codes, says = shadow.expiry(row, seen.today)
    if codes == SUCCESS:
        return Said(SUCCESS)
    why = Why.EXPIRED if "acct_expired" in codes else Why.AGED
    return Said(codes, why, f"{account.name}: {says} ({row.place})", row.place)


def _nologin(line: Line, seen: Seen, _right: bool) -> Said:
    well = SUCCESS if "successok" in line.args else _IGNORE
    file = seen.nologin(line)
    if not file or (seen.account and seen.account.uid == 0):
        return Said(well)
    if seen.account is None:
        return Said(frozenset({"user_unknown"}))
    says = f"{file} is there, and {line.module} ({line.place}) lets in root alone"
    return Said(_FAILS, Why.NOLOGIN, says, line.place, well=well)


def _faillock(line: Line, seen: Seen, _right: bool) -> Said:
    well = _IGNORE if "authfail" in line.args else SUCCESS
    if seen.account is None:
        return Said(ANYTHING)
    says = seen.tally(line)
    if says:
        return Said(_FAILS, Why.TALLY, says, line.place, well=well)
    return Said(well)


def _succeed_if(line: Line, seen: Seen, _right: bool) -> Said:
    codes, says = requirement(line.args, seen.user, seen.account, seen.groups, seen.service)
    if codes is None:
        return Said(ANYTHING)
    if codes != "auth_err":
        return Said(frozenset({codes}))
    return Said(_FAILS, Why.REQUIREMENT, f"{says} is not met by {seen.user} ({line.place})", line.place)


def _listfile(line: Line, seen: Seen, _right: bool) -> Said:
    return _ruled(line, Why.LISTED, pam_lists.listfile(line.args, _who(seen), seen.file))


def _access(line: Line, seen: Seen, _right: bool) -> Said:
    return _ruled(line, Why.ACCESS, pam_lists.access(line.args, _who(seen), seen.file, seen.there))


def _time(line: Line, seen: Seen, _right: bool) -> Said:
    return _ruled(line, Why.HOURS, pam_lists.hours(_who(seen), seen.file, seen.now()))


def _exec(line: Line, seen: Seen, _right: bool) -> Said:
    return _ruled(line, Why.PROGRAM, pam_lists.program(line.args, line.kind, seen.there))


def _who(seen: Seen) -> Who:
    return Who(seen.user, seen.account, seen.groups, seen.address, seen.service)


def _ruled(line: Line, why: Why, ruled: pam_lists.Ruled) -> Said:
    if ruled.codes is None:
        return Said(ANYTHING)
    if not ruled.says or ruled.codes & _EITHER:
        return Said(ruled.codes)
    return Said(ruled.codes, why, f"{ruled.says} ({line.module}, {line.place})", line.place)


def _localuser(_line: Line, seen: Seen, _right: bool) -> Said:
    return Said(SUCCESS if seen.account else frozenset({"perm_denied"}))


def _usertype(line: Line, seen: Seen, _right: bool) -> Said:
    """Regular are those from UID_MIN on, 1000 where login.defs is as it comes; not nobody."""
    if seen.account is None or 0 < seen.account.uid < _LEAST_REGULAR:
        return Said(ANYTHING)
    regular = seen.account.uid not in (0, _NOBODY)
    return Said(SUCCESS if regular == ("isregular" in line.args) else _FAILS)


def _rootok(_line: Line, seen: Seen, _right: bool) -> Said:
    return Said(SUCCESS if seen.worker_is_root else _FAILS)


def _shells(line: Line, seen: Seen, _right: bool) -> Said:
    if seen.account is None or seen.shells is None:
        return Said(ANYTHING)
    if seen.account.shell in seen.shells:
        return Said(SUCCESS)
    says = f"the shell {seen.account.shell!r} of {seen.user} is not in /etc/shells ({line.place})"
    return Said(_FAILS, Why.SHELL, says, line.place)


def _deny(line: Line, _seen: Seen, _right: bool) -> Said:
    return Said(_FAILS, Why.DENIES, f"{line.module} ({line.place}) denies everybody", line.place)


def _always(codes: frozenset[str]) -> "Judge":
    return lambda _line, _seen, _right: Said(codes)


OF_THE_USER = frozenset(
    {
        *("pam_succeed_if", "pam_shells", "pam_faillock", "pam_localuser"),
        *("pam_listfile", "pam_access", "pam_time"),
    }
)
"""Followed where it is known who asks, from where, and in which groups."""
Judge = Callable[[Line, Seen, bool], Said]
_MODULES: Mapping[tuple[str, str], Judge] = {
    ("auth", "pam_unix"): _unix_auth,
    ("account", "pam_unix"): _unix_account,
    ("session", "pam_unix"): _always(SUCCESS),
    ("", "pam_permit"): _always(SUCCESS),
    ("", "pam_deny"): _deny,
    ("auth", "pam_env"): _always(_EITHER),
    ("auth", "pam_cap"): _always(_EITHER),
    ("auth", "pam_faildelay"): _always(_IGNORE),
    ("auth", "pam_group"): _always(_IGNORE),
    ("", "pam_warn"): _always(_IGNORE),
    ("", "pam_echo"): _always(_IGNORE),
    ("", "pam_nologin"): _nologin,
    ("auth", "pam_faillock"): _faillock,
    ("account", "pam_faillock"): _always(SUCCESS),
    ("", "pam_succeed_if"): _succeed_if,
    ("", "pam_localuser"): _localuser,
    ("auth", "pam_rootok"): _rootok,
    ("", "pam_usertype"): _usertype,
    ("", "pam_shells"): _shells,
    ("", "pam_listfile"): _listfile,
    ("", "pam_access"): _access,
    ("account", "pam_time"): _time,
    ("", "pam_exec"): _exec,
}
