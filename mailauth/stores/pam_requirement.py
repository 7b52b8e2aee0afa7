"""The requirements of pam_succeed_if, as far as the account says whether they are met.

Source: Linux-PAM 1.5.2 and 1.7.2, modules/pam_succeed_if/pam_succeed_if.c.  Dovecot sets the remote user to
the user's name and the terminal to "dovecot" (set_pam_items(), src/auth/passdb-pam.c).
"""

import fnmatch
from collections.abc import Callable, Mapping, Sequence

from mailauth.stores.shadow import Account

_FLAGS = frozenset({"debug", "use_uid", "quiet", "quiet_fail", "quiet_success", "audit"})
_WORDS = 3
_OF_THE_ROW = frozenset({"uid", "gid", "shell", "home", "dir", "homedir"})

Compare = Callable[[str, str], bool]


def requirement(
    args: Sequence[str], user: str, account: Account | None, groups: frozenset[str] | None, service: str
) -> tuple[str | None, str]:
    """What the module returns (None: that is not known), and the requirement that decided it."""
    words = [word for word in args if word not in _FLAGS]
    if "use_uid" in args:
        return None, ""
    if len(words) % _WORDS:
        return "service_err", ""
    for at in range(0, len(words), _WORDS):
        left, by, right = words[at : at + _WORDS]
        if left.lower() in _OF_THE_ROW and account is None:
            return "user_unknown", ""
        met = _met((left.lower(), by.lower(), right), user, account, groups, service)
        if met is None:
            return None, ""
        if not met:
            return "auth_err", f'the requirement "{left} {by} {right}"'
    return "success", ""


def _met(
    asked: tuple[str, str, str],
    user: str,
    account: Account | None,
    groups: frozenset[str] | None,
    service: str,
) -> bool | None:
    left, by, right = asked
    if by in ("ingroup", "notingroup"):
        among = account is not None and groups is not None and bool(groups & set(right.split(":")))
        unknown = groups is None and account is not None
        return None if unknown else among == (by == "ingroup")
    values = {"login": user, "name": user, "user": user, "ruser": user, "tty": "dovecot", "service": service}
    if account is not None:
        values |= {"uid": str(account.uid), "gid": str(account.gid), "shell": account.shell}
        values |= dict.fromkeys(("home", "dir", "homedir"), account.home)
    value, compare = values.get(left), _COMPARE.get(by)
    if value is None or compare is None:
        return None
    try:
        return compare(value, right)
    except ValueError:
        return None


_COMPARE: Mapping[str, Compare] = {
    "<": lambda one, other: int(one) < int(other),
    "lt": lambda one, other: int(one) < int(other),
    "<=": lambda one, other: int(one) <= int(other),
    "le": lambda one, other: int(one) <= int(other),
    ">": lambda one, other: int(one) > int(other),
    "gt": lambda one, other: int(one) > int(other),
    ">=": lambda one, other: int(one) >= int(other),
    "ge": lambda one, other: int(one) >= int(other),
    "eq": lambda one, other: int(one) == int(other),
    "ne": lambda one, other: int(one) != int(other),
    "=": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
    "=~": fnmatch.fnmatchcase,
    "glob": fnmatch.fnmatchcase,
    "!~": lambda one, other: not fnmatch.fnmatchcase(one, other),
    "noglob": lambda one, other: not fnmatch.fnmatchcase(one, other),
    "in": lambda one, other: one in other.split(":"),
    "notin": lambda one, other: one not in other.split(":"),
}
