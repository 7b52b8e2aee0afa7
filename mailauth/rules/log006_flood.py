"""Dovecot logs the same error without a pause.

What you see
    The disk fills within hours: thousands of equal lines a second.  Where LDAP is behind it, logins hang.
Why
    auth connects to an LDAP server again immediately while a login waits for it.  Where the port takes the
    connection and closes it (a proxy whose backend is down, ldap:// on a port for TLS), nothing slows that
    down: 1,300 to 8,200 lines a second, 12 to 72 GB a day, measured on 2.3.19.1 and 2.4.1.  Source:
    ldap_input(), src/auth/db-ldap.c of both.
How we know
    Dovecot's log has at least 200 such lines without a pause, 20 a second or more, the last one less than 5
    seconds before it was read.  Bytes a day are those of these lines; the filesystem is asked what is free.
What to do
    Fix what the lines name.  logrotate does not help: it runs once a day, or once an hour.
"""

from mailauth.evidence import ContainerLog, Filesystems, Logins, LogTrouble, LogWindow, LookedUp, Said
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.rules import flood_case


@rule(
    "LOG006",
    flood_case.TITLE,
    Severity.RISK,
    bears=Bears.NOTHING,
    watch="workers",
)
def flood(
    log: LogWindow,
    disks: Filesystems | None,
    container: ContainerLog | None,
    logins: Logins | None,
    lookups: LookedUp | None,
) -> Problem | None:
    found = flood_case.flooding(log)
    if not found:
        return None
    size = sum(one.bytes_rate for one in found)
    blocks = any(flood_case.cure(one.text).waits for one in found) and not _gets_in(logins, lookups)
    ends = dict.fromkeys(flood_case.cure(one.text).ends for one in found)
    careful = dict.fromkeys(flood_case.careful(one.text) for one in found)
    return Problem(
        says=" ".join(_says(one, blocks=blocks) for one in found) + flood_case.lands(size, disks, container),
        because=(log, *(one for one in (disks, container) if one)),
        certainty=Certainty.PROVEN,
        severity=Severity.BLOCKS_LOGIN if blocks else Severity.RISK,
        remedy=Remedy(summary=" ".join(ends), careful=" ".join(careful)),
    )


def _says(one: LogTrouble, *, blocks: bool) -> str:
    meaning = flood_case.meaning(one.text, one.says)
    waits = flood_case.cure(one.text).waits
    hangs = flood_case.HANGS if waits else ""
    if waits and not blocks:
        hangs += " This user can log in without it."
    return f"Dovecot says, {flood_case.speed(one.rate, one.bytes_rate)}: {one.text}{meaning}.{hangs}"


def _gets_in(logins: Logins | None, lookups: LookedUp | None) -> bool:
    """By a login made now, or by passdbs before that server, for all that was seen."""
    if logins is not None:
        return all(reply.ok for reply in logins.replies)
    if lookups is None or lookups.right is None or not lookups.right.lets_in:
        return False
    return not any(step.said is Said.UNASKED for step in lookups.right.steps)
