"""Users and groups of the system that Dovecot runs on, which may have another root than ours."""

import grp
import os
import pwd
import re

from mailauth import digits
from mailauth.dovecot.authconfig import AuthConfig, ServiceName
from mailauth.dovecot.doveadm import Identity, Installation
from mailauth.errors import CannotObserve
from mailauth.oserrors import unseen

_NUMBER = re.compile(r"[0-9]{1,20}", re.ASCII)  # as strtoul(3) takes it: no other script's digits
_KEPT = 3  # name, password and number of an entry
_OWN = frozenset({"files", "compat", "systemd", "db"})  # sources that hold no more than the machine's own


def number(dovecot: Installation, name: str, table: str) -> int | None:
    """A uid or gid ("passwd", "group"), by number or by its name; None where that system has no such name.

    Raises CannotObserve where names of another root come from more than its files.
    """
    if not name or _NUMBER.fullmatch(name):
        return digits.number(name)
    if not dovecot.pid:
        try:
            return pwd.getpwnam(name).pw_uid if table == "passwd" else grp.getgrnam(name).gr_gid
        except (KeyError, ValueError):  # the second: of a name with NUL in it
            return None
    try:
        rows = dovecot.read(f"/etc/{table}").splitlines()
    except FileNotFoundError:
        return None
    except OSError as why:
        raise unseen(f"/etc/{table}", why, f"whether there is {name!r} cannot be seen") from None
    found = (row.split(":") for row in rows)
    own = next((digits.number(row[2]) for row in found if row[0] == name and len(row) >= _KEPT), None)
    if own is None and (more := other_sources(dovecot, table)):
        raise CannotObserve(
            f"{name!r} is not in /etc/{table} of that root, and names come from {more} there too: in it,"
            f" getent {table} {name} shows it."
        )
    return own


def name_of(dovecot: Installation, uid: int | None) -> str:
    """The name of an account by its number; "" where there is none."""
    try:
        rows = dovecot.read("/etc/passwd").splitlines()
    except OSError:
        return ""
    found = (row.split(":") for row in rows)
    return next((row[0] for row in found if len(row) >= _KEPT and row[2] == str(uid)), "")


def other_sources(dovecot: Installation, table: str) -> str:
    """What else that system asks for names (nsswitch.conf)."""
    try:
        text = dovecot.read("/etc/nsswitch.conf")
    except OSError:
        return ""
    line = re.search(rf"^\s*{table}:([^\n#]*)", text, re.MULTILINE)
    sources = re.sub(r"\[[^\]]*\]", " ", line[1]).split() if line else []
    return ", ".join(one for one in sources if one not in _OWN)


def as_dovecot(
    dovecot: Installation, config: AuthConfig, service: ServiceName
) -> tuple[Identity | None, bool]:
    """Who to become in order to ask as the service does (None: nobody), and whether we are alike then."""
    name = config.runs_as(service)
    us = os.geteuid()
    identity = Identity(0, 0) if name == "root" else dovecot.identity(name)
    if identity is None:
        return None, False
    if identity.uid == us:
        return None, True
    return (identity, True) if us == 0 else (None, False)
