"""The process that has to read a passwd-file may not read it.

What you see
    Every login fails with "Temporary authentication failure"; the log says "open(...) failed:
    Permission denied (euid=... missing +r perm".  mailauth and doveadm pw, run by root, see nothing odd.
Why
    A passwd-file is opened by the auth process, which is not root: it runs as default_internal_user,
    which is dovecot.  2.3's dovecot-sql.conf.ext is read by root before that, and may be root's alone.
How we know
    The modes and owners of the file and of every folder above it were compared with the user and
    groups that the service runs as.
What to do
    Give the file the group that auth runs with, and let the group read it; or, where another program needs
    the group that the file has, give service auth that group (extra_groups).
"""

from dataclasses import replace

from mailauth.evidence import AuthFile, AuthFiles
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import Words, remedy


@rule(
    "CONF012",
    "The auth process may not read its passwd-file",
    Severity.BLOCKS_LOGIN,
    bears=Bears.CLOSED_FILE,
    watch="server",
)
def unreadable(files: AuthFiles) -> Problem | None:
    stopped = [one for one in files.files if one.stopped_by]
    if not stopped:
        return None
    return Problem(
        says=" ".join(_says(one) for one in stopped),
        because=(replace(files, files=tuple(stopped)),),
        certainty=Certainty.LIKELY,
        remedy=remedy(
            summary="Give read access to the process that reads it, and to nobody else." + _beside(stopped),
            commands=tuple(command for one in stopped for command in _commands(one)),
        ),
    )


def _says(one: AuthFile) -> str:
    what = "cannot be read" if one.closed else f"cannot be reached through {one.stopped_by}"
    if one.closed and one.stopped_by != one.path:
        what = f"is {one.stopped_by}, and cannot be read"
    return f"{one.path} {what} by {one.reader}, which reads it ({one.stopped_why})."


def _commands(one: AuthFile) -> tuple[Words, ...]:
    mode = "g+r" if one.closed else "g+x"
    return (("chgrp", "--", one.group, one.stopped_by), ("chmod", "--", mode, one.stopped_by))


def _beside(stopped: list[AuthFile]) -> str:
    """What lets it in, and takes the file from nobody else."""
    groups = sorted({one.other_group for one in stopped if one.other_group})
    if not groups:
        return ""
    named = " ".join(groups)
    return (
        f" Where another program reads the file as group {named}, leave its owner and mode as they are, and"
        f" put Dovecot into that group: service auth {{ extra_groups = {named} }}, then reload."
    )
