"""What Dovecot logged while these logins were made: the line that says why a layer breaks."""

import os
import re
import time
from dataclasses import replace

from mailauth import digits
from mailauth.dovecot.logs import LogLine, parse_said, plain
from mailauth.login.judge import Breaks, Fault, Judgement
from mailauth.login.site import Site
from mailauth.probes import log_added
from mailauth.probes.log_added import Mark
from mailauth.probes.log_tail import stamps_of

_SHOWN = 300  # characters of a line
# Seconds for a line to be written: by any process; by one that always says why it fails; between two looks.
_WAIT, _SURELY, _APART = 0.6, 5.0, 0.1
_GRAVE = ("Error", "Fatal", "Panic")
# Where the line is that tells more, beyond the service's own process.
_AUTH = {
    Breaks.PASSDB: ("auth", "auth-worker"),
    Breaks.USERDB: ("auth", "auth-worker"),
    Breaks.AUTH: ("auth",),
}
_TELLING = (Breaks.LOGIN_PROCESS, Breaks.MAIL)
# Dovecot's words, and what they come to; the first that fits.
# Source: Dovecot 2.3.19.1 and 2.4.1 src/lib-storage/mail-storage-service.c, mail-storage.c, mail-user.c,
# mailbox-list.c, src/lib/eacces-error.c, restrict-access.c, module-dir.c; glibc's elf/dl-load.c; measured.
_CAUSES = (
    (
        r"not permitted \(see (first|last)_valid_",
        "the uid or gid is not allowed (first_valid_uid and similar settings)",
    ),
    (r"missing UID|User is missing", "the userdb gives no uid"),
    (r"[Hh]ome dir|Can't expand ~|chdir\(", "the home folder"),
    (r"Plugin '|[Pp]lugin .*(not found|failed)|Couldn't load", "a plugin"),
    (r"initialize quota|quota_|[Qq]uota (root|backend|driver)", "quota"),
    (r"loading shared libraries|[Oo]ut of memory|Cannot allocate memory", "vsz_limit of its service"),
    (r"No space left|Disk quota exceeded|Read-only file system", "the disk takes nothing"),
    (r"Permission denied|EACCES|Operation not permitted", "no permission for the mail's folder"),
    (r"mail storage|mail_location|mail_driver|[Nn]amespace|autodetect", "where the mail is set to be"),
    (r"No such file or directory|Not a directory", "the mail's folder is not there, and cannot be made"),
)


def mark(site: Site) -> Mark:
    """The end of the log now."""
    return log_added.mark(site.dovecot, site.config)


def with_log(judged: Judgement, user: str, site: Site, since: Mark) -> Judgement:
    """The same faults, with the line of the log that tells why, where there is one and we may read it."""
    began = time.monotonic()
    readable = any(os.access(path, os.R_OK) for path, *_ in since.files)
    while any(_processes(fault) for fault in judged.faults):
        lines = _lines(site, since)
        found = tuple(_told(fault, user, lines) for fault in judged.faults)
        silent = [fault for fault in found if _processes(fault) and not fault.log]
        wait = _SURELY if readable and any(fault.breaks in _TELLING for fault in silent) else _WAIT
        if not silent or time.monotonic() - began > wait:
            return replace(judged, faults=found)
        time.sleep(_APART)
    return judged


def cause_of(text: str) -> str:
    """What Dovecot's words come to; "" where they are not known here."""
    return next((cause for words, cause in _CAUSES if re.search(words, text)), "")


def _processes(fault: Fault) -> tuple[str, ...]:
    return _AUTH.get(fault.breaks) or tuple(name for name in (fault.process,) if name)


def _told(fault: Fault, user: str, lines: list[tuple[str, LogLine]]) -> Fault:
    """With the first grave line of the process: of this user's, else of nobody's; a passdb's no is none."""
    own: list[tuple[str, LogLine]] = [
        (line, said)
        for line, said in lines
        if said.process in _processes(fault)
        and (said.level in _GRAVE or (fault.breaks is Breaks.PASSDB and _names(said, user)))
        and _concerns(said, user, lines)
    ]
    own.sort(key=lambda one: not _is(one[1].who, user))
    if not own:
        return fault
    line, said = own[0]
    cause = cause_of(said.text) if fault.breaks is Breaks.MAIL else ""
    return replace(fault, cause=cause, log=line)


def _names(said: LogLine, user: str) -> bool:
    """Whether it names this user: 2.3 has the name in the text."""
    return said.level == "Info" and (_is(said.who, user) or f"({user.casefold()}" in said.text.casefold())


def _concerns(said: LogLine, user: str, lines: list[tuple[str, LogLine]]) -> bool:
    """Whether a line belongs to a session that began now, or of none."""
    if said.who and not digits.are(said.who) and not _is(said.who, user):
        return False
    begun = [
        other.text for _, other in lines if other.process.endswith("-login") and "session=<" in other.text
    ]
    session = said.ids[-1] if len(said.ids) > 1 else ""
    return not session or not begun or any(f"session=<{session}>" in text for text in begun)


def _is(who: str, user: str) -> bool:
    """The same user; a realm may have been added, or taken away."""
    mine, theirs = user.casefold(), who.partition(",")[0].casefold()
    return theirs == mine or theirs.partition("@")[0] == mine or mine.partition("@")[0] == theirs


def _lines(site: Site, since: Mark) -> list[tuple[str, LogLine]]:
    """Each line that was added, fit to be printed, and what it says."""
    stamps = stamps_of(site.config.tree)
    raw, _ = log_added.added(site.dovecot, site.config, since)
    found = []
    for line in raw:
        parts = stamps.split(line)
        said = parse_said(parts[1].rstrip(b"\r\n")) if parts else None
        if said:
            who = f"({said.who})" if said.who else ""
            ids = "".join(f"<{one}>" for one in said.ids)
            found.append((plain(f"{said.process}{who}{ids}: {said.level}: {said.text}", _SHOWN), said))
    return found
