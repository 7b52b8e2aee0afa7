"""A file that a passdb is set to read is not there.

What you see
    passwd-file: every user is unknown; the log says "missing passwd file".  2.3's dovecot-sql.conf.ext:
    no login works, since the auth process does not start ("Can't open configuration file").
Why
    It was moved, a path was mistyped (2.3's options stand before it in args, not behind), or Dovecot runs in
    a container or chroot that has no such file.
How we know
    The path that doveconf reports was looked at, in the root that Dovecot has.
What to do
    Put the file there, or name the right one.
"""

import re
from dataclasses import replace

from mailauth.evidence import AuthFile, AuthFiles, AuthStart, UserdbAnswer
from mailauth.evidence.userdb import UserdbSaid
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.rules import passdb_case


@rule(
    "CONF015",
    "A file that a passdb reads is missing",
    Severity.BLOCKS_LOGIN,
    bears=Bears.CLOSED_FILE,
    watch="server",
)
def file_missing(files: AuthFiles, start: AuthStart | None, answer: UserdbAnswer | None) -> Problem | None:
    found = [one for one in files.files if one.missing and one.role != "configuration"]
    if answer is not None and answer.fileless[0]:
        found = [one for one in found if not one.by_userdbs]  # USERDB005 names it
    if not found:
        return None
    ends, also = passdb_case.stops_auth(start, found)
    spared = _spared(found, answer)
    summary, behind = (
        "Put the file there, or name the right one and reload; doveconf -n shows where it is set.",
        "",
    )
    if any(_OPTIONS.search(one.path) for one in found):
        behind = " What stands behind the path is taken for a part of it."
        summary = (
            "Write the options before the path in args (scheme=NAME username_format=%u /PATH), and reload."
        )
    return Problem(
        says=" ".join(f"{one.path} ({one.role}) does not exist, or is not a file." for one in found)
        + behind
        + also
        + spared,
        because=(replace(files, files=tuple(found)), *ends),
        certainty=Certainty.LIKELY if spared else Certainty.PROVEN,
        severity=Severity.RISK if spared else None,
        remedy=Remedy(summary=summary),
    )


_OPTIONS = re.compile(r"\s(?:scheme|username_format)=")  # of 2.3's args


def _spared(found: list[AuthFile], answer: UserdbAnswer | None) -> str:
    """That a user gets along without these files, by another userdb; "" where none is seen to."""
    if answer is None or answer.said is not UserdbSaid.FOUND or not all(one.by_userdbs for one in found):
        return ""
    return f" The other userdbs still find {answer.user!r}."
