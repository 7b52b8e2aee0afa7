"""Rows of passwd(5) and shadow(5), and what has expired.

Source: passwd(5), shadow(5); Linux-PAM 1.5.2 and 1.7.2, modules/pam_unix/passverify.c (is_pwd_shadowed(),
check_shadow_expiry()).
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import field, replace

from mailauth import digits
from mailauth.records import dataclass

PASSWD, SHADOW, GROUP = "/etc/passwd", "/etc/shadow", "/etc/group"
_FIELDS = {PASSWD: 7, SHADOW: 9, GROUP: 4}


@dataclass(frozen=True, slots=True)
class Account:
    """A row of /etc/passwd, and its row of /etc/shadow, if it has one.  Days since 1970; -1: not set.

    ``place``: of the row that has the hash.
    """

    name: str
    uid: int
    gid: int
    home: str
    shell: str
    field: str = field(repr=False)  # the password's, of /etc/passwd
    place: str
    shadow: "Shadow | None" = None

    @property
    def shadowed(self) -> bool:
        return is_elsewhere(self.name, self.field)


@dataclass(frozen=True, slots=True)
class Shadow:
    """A row of /etc/shadow."""

    hash: str = field(repr=False)
    place: str
    changed: int = -1
    most: int = -1
    inactive: int = -1
    expires: int = -1


def is_elsewhere(name: str, field: str) -> bool:
    """Whether a field of passwd(5) says that the hash is in /etc/shadow."""
    return field in ("x", f"##{name}")


_LEAST = 4  # fields, without which a line is no row


def passwords(text: str) -> dict[str, str]:
    """The password field of each name, of either file; the first row of a name counts."""
    found: dict[str, str] = {}
    for line in text.split("\n"):
        parts = line.split(":")
        if parts[0] and len(parts) >= _LEAST:
            found.setdefault(parts[0], parts[1])
    return found


def rows(text: str, file: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a name, with their lines' numbers; the first one counts."""
    for number, line in enumerate(text.split("\n"), 1):
        parts = line.split(":")
        if parts[0] == name and len(parts) >= _LEAST:
            yield number, [*parts, *[""] * (_FIELDS[file] - len(parts))]


def account(passwd: str, name: str) -> Account | None:
    """The row of /etc/passwd; None where there is none that counts."""
    for number, row in rows(passwd, PASSWD, name):
        uid, gid = digits.number(row[2]), digits.number(row[3])
        if uid is not None and gid is not None:
            return Account(name, uid, gid, row[5], row[6], row[1], f"{PASSWD}:{number}")
    return None


def shadow(text: str, name: str) -> Shadow | None:
    """The row of /etc/shadow."""
    for number, row in rows(text, SHADOW, name):
        changed, most, inactive, expires = (_day(row[at]) for at in (2, 4, 6, 7))
        return Shadow(row[1], f"{SHADOW}:{number}", changed, most, inactive, expires)
    return None


def groups(text: str, name: str, gid: int) -> frozenset[str]:
    """The groups of an account, its own among them."""
    found = set()
    for line in text.split("\n"):
        parts = line.split(":")
        if len(parts) >= _FIELDS[GROUP] and (parts[2] == str(gid) or name in parts[3].strip().split(",")):
            found.add(parts[0])
    return frozenset(found)


def _day(text: str) -> int:
    day = digits.number(text)
    return -1 if day is None else day


def expiry(row: Shadow, today: int) -> tuple[frozenset[str], str]:
    """What pam_unix returns for the account, and why; both, where releases of it differ by a day."""
    if 0 <= row.expires <= today:
        return frozenset({"acct_expired"}), f"the account expired {_date(row.expires)} (chage -E)"
    if row.changed == 0:
        return frozenset({"new_authtok_reqd"}), "root has set that the password must be changed (chage -d 0)"
    if row.changed < 0 or row.changed > today or row.most < 0:
        return frozenset({"success"}), ""
    age = today - row.changed
    aged = f"the password is {age} days old, and may be {row.most} days old (chage -M)"
    if row.inactive >= 0 and age > row.most + row.inactive:
        return frozenset({"authtok_expired"}), f"{aged}, and {row.inactive} more (chage -I)"
    code = "new_authtok_reqd"
    if age > row.most:
        at_the_end = {"authtok_expired"} if row.inactive >= 0 and age == row.most + row.inactive else set()
        return frozenset({code, *at_the_end}), aged
    if age == row.most:
        return frozenset({"success", code}), aged
    return frozenset({"success"}), ""


def _date(day: int) -> str:
    return f"on day {day} since 1970" if day > 1_000_000 else f"on {_iso(day)}"


def _iso(day: int) -> str:
    return (dt.date(1970, 1, 1) + dt.timedelta(days=day)).isoformat()


def with_row(one: Account, row: Shadow | None) -> Account:
    """The account with its row of /etc/shadow."""
    return replace(one, shadow=row)
