"""A file with passwords or hashes in it can be read by every user of the machine.

What you see
    Nothing: logins work.
Why
    The file's mode lets others read it, and every folder above it lets them through.  A stolen hash can
    be guessed at offline, and the database's password opens every mailbox's hash at once.
How we know
    The modes of the files that Dovecot reads were looked at, with those of the folders above them.
What to do
    A passwd-file belongs to root and to the group that auth runs with, mode 0640; everything else is
    read by root, so mode 0600 will do.
"""

from mailauth.evidence import AuthFile, AuthFiles
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule


@rule("CONF013", "Everyone on the machine can read a file with secrets in it", Severity.RISK)
def open_secrets(files: AuthFiles) -> Problem | None:
    found = [one for one in files.files if one.open_to_all]
    if not found:
        return None
    return Problem(
        says=" ".join(f"{one.path} ({one.role}) has mode {one.mode:04o}." for one in found),
        because=(files,),
        certainty=Certainty.PROVEN,
        remedy=Remedy(
            summary="Let only the process that reads it have it.",
            commands=tuple(command for one in found for command in _commands(one)),
            careful="A webmail or panel on this machine that reads the same file needs a group of its own.",
        ),
    )


def _commands(one: AuthFile) -> tuple[str, ...]:
    if one.reader == "root":
        return (f"chmod o-rwx {one.path}",)
    return (f"chgrp {one.group} {one.path}", f"chmod g+r,o-rwx {one.path}")
