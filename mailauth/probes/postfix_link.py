"""Whether a Postfix can ask auth: its socket's path, owner and mode, and what Postfix itself logs of it.

smtpd runs as mail_owner, and connects to smtpd_sasl_path as that user.
Source: Postfix 3.10 SASL_README.html; src/xsasl/xsasl_dovecot_server.c ("SASL: Connect to ... failed");
Dovecot 2.3.19.1 src/auth/main.c, auth_socket_type_get(): what a socket answers follows from its name.
"""

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

from mailauth.dovecot import inroot
from mailauth.dovecot.doveadm import Identity
from mailauth.dovecot.logs import plain
from mailauth.dovecot.redact import redacted
from mailauth.errors import CannotObserve
from mailauth.evidence import NotApplicable, PostfixLink
from mailauth.evidence.postfix import Smtpd, SocketFault
from mailauth.probes.log_tail import SYSLOG_FILES
from mailauth.probes.postfix_ports import Instance, instances, services
from mailauth.probes.scene import Scene

_TAIL = 256 * 1024
_SAYS = re.compile(
    rb"postfix\S{0,100}/smtpd\[\d+\]: ((?:warning: SASL: Connect to "
    rb"|fatal: no SASL authentication mechanisms|warning: SASL authentication failure: "
    rb"|warning: xsasl_dovecot_)[^\n]*)"
)
# What auth takes for something else than a client, by the last word of the socket's name.
_OTHERS = ("userdb", "master", "login", "token")
_ROOT = 0


def observe_postfix_link(scene: Scene) -> PostfixLink | NotApplicable:
    """The first Postfix service whose socket it cannot use; else the first that asks this Dovecot."""
    links: list[PostfixLink] = []
    for one in instances(scene):
        with suppress(CannotObserve, OSError):  # not ours to look at, half installed, or gone meanwhile
            for smtpd, _ in services(one, scene):
                if smtpd and not smtpd.asks.startswith("inet:"):
                    links.append(_link(one, smtpd, scene))
    if not links:
        return NotApplicable(PostfixLink, "no Postfix here asks this Dovecot by a socket")
    return next((link for link in links if link.problem), links[0])


def _link(one: Instance, smtpd: Smtpd, scene: Scene) -> PostfixLink:
    user = one.ask("-hx", "mail_owner").strip() or "postfix"
    who = one.root.identity(user)
    place = one.root.path(smtpd.asks)
    listener = _listener(smtpd.asks, scene)
    mode, owner = None, ""
    fault: SocketFault | None
    fault, problem = SocketFault.MISSING, "there is no such socket"
    try:
        found = place.stat()
    except FileNotFoundError:
        if not listener:
            problem += ", and Dovecot has no such unix_listener in service auth"
    else:
        mode = stat.S_IMODE(found.st_mode)
        owner = f"of {_named(one, 'passwd', found.st_uid)}:{_named(one, 'group', found.st_gid)}"
        fault, problem = _problem(smtpd.asks, found, user, who)
    logged = _logged(one) if problem else ""
    return PostfixLink(
        "postconf", smtpd.name, smtpd.asks, problem, mode, owner, user, logged, listener, fault
    )


def _problem(
    path: str, found: os.stat_result, user: str, who: Identity | None
) -> tuple[SocketFault | None, str]:
    """Why a socket that is there cannot be used."""
    kind = path.rpartition("/")[2].rpartition("-")[2]
    if not stat.S_ISSOCK(found.st_mode):
        return SocketFault.NO_SOCKET, "that is no socket"
    if kind in _OTHERS:
        says = f"that socket answers {kind} requests, and takes no logins of a client"
        return SocketFault.NOT_FOR_CLIENTS, says
    if who and not _may(found, who):
        return SocketFault.CLOSED, f"{user}, whom smtpd runs as, may not write to it"
    return None, ""


def _may(found: os.stat_result, who: Identity) -> bool:
    """Whether that user may connect: a socket wants w."""
    if who.uid == _ROOT:
        return True
    if who.uid == found.st_uid:
        return bool(found.st_mode & stat.S_IWUSR)
    if found.st_gid in who.groups:
        return bool(found.st_mode & stat.S_IWGRP)
    return bool(found.st_mode & stat.S_IWOTH)


def _listener(path: str, scene: Scene) -> str:
    """The unix_listener of service auth that makes this socket, as it is named; "" where there is none."""
    for block in scene.config.tree.all("service"):
        for each in block.all("unix_listener") if block.name == "auth" else ():
            name = each.get("path") or each.name
            full = name if name.startswith("/") else f"{scene.config.base_dir}/{name}"
            if full == path or Path(full).name == Path(path).name:
                return name
    return ""


def _named(one: Instance, table: str, number: int) -> str:
    with suppress(OSError):
        for line in one.root.read(f"/etc/{table}").splitlines():
            fields = line.split(":")
            if len(fields) > 2 and fields[2] == str(number):
                return fields[0]
    return str(number)


def _logged(one: Instance) -> str:
    """Postfix's last line of it, from its own log file or syslog's."""
    names = [*filter(None, (_maillog(one),)), *SYSLOG_FILES]
    for name in names:
        with suppress(OSError), inroot.opened(one.root.path(name)) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            if found := _SAYS.findall(file.read(_TAIL)):
                return plain(redacted(found[-1]).decode("utf-8", "backslashreplace"), 200)
    return ""


def _maillog(one: Instance) -> str:
    with suppress(CannotObserve):
        return one.ask("-hx", "maillog_file").strip()
    return ""
