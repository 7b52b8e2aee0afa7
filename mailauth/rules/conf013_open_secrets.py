"""A file with passwords or hashes in it can be read by every user of the machine.

What you see
    Nothing: logins work.
Why
    The file's mode lets others read it, and every folder above it lets them through.  A stolen hash can
    be guessed at offline, and the database's password opens every mailbox's hash at once.
How we know
    The modes of the files that Dovecot reads were looked at, with those of the folders above them.
What to do
    A passwd-file belongs to root and to the group that auth runs with, mode 0640; 2.3's SQL file is read
    by root, so mode 0600 will do.  The configuration is read by others, too: doveadm pw and dovecot-lda,
    run by any user, stop with status 89 where they cannot read it.  So its secrets go into a file of
    their own, mode 0600, that it includes with !include_try: a process that cannot read it continues
    without it (measured on 2.3.19.1 and 2.4.1).
"""

from dataclasses import replace

from mailauth.evidence import AuthFile, AuthFiles
from mailauth.finding import Certainty, Problem, Severity, rule
from mailauth.remedies import Words, remedy


@rule("CONF013", "Everyone on the machine can read a file with secrets in it", Severity.RISK)
def open_secrets(files: AuthFiles) -> Problem | None:
    found = tuple(one for one in files.files if one.open_to_all)
    if not found:
        return None
    shared = [one for one in found if one.role == "configuration"]
    return Problem(
        says=" ".join(_says(one) for one in found),
        because=(replace(files, files=found),),
        certainty=Certainty.PROVEN,
        remedy=remedy(
            summary=" ".join(
                (
                    *([_OWN_READERS] if len(shared) < len(found) else []),
                    *(_moved(one) for one in shared),
                )
            ),
            commands=tuple(command for one in found if one not in shared for command in _commands(one)),
            careful="A webmail or panel on this machine that reads the same file needs a group of its own."
            if len(shared) < len(found)
            else "Do not make the file itself unreadable: doveadm pw and dovecot-lda read it as any user.",
        ),
    )


_OWN_READERS = "Give read access only to the process that reads it."


def _says(one: AuthFile) -> str:
    what = f"; its secrets: {', '.join(one.secrets)}" if one.secrets else ""
    return f"{one.path} ({one.role}) has mode {one.mode:04o}{what}."


def _moved(one: AuthFile) -> str:
    """The lines go to a file that only root reads."""
    own = f"{one.path.removesuffix('.conf').removesuffix('.conf.ext')}-secret.conf.ext"
    lines = ", ".join(one.secrets)
    return (
        f"Move {lines} (in a block: the whole block) into {own}, mode 0600, and put in its place:"
        f" !include_try {own}"
    )


def _commands(one: AuthFile) -> tuple[Words, ...]:
    if one.reader == "root":
        return (("chmod", "--", "o-rwx", one.path),)
    return (("chgrp", "--", one.group, one.path), ("chmod", "--", "g+r,o-rwx", one.path))
