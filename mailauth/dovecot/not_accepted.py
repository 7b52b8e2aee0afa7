"""The sentence of a command that needs a configuration which Dovecot does not accept."""

import shlex
from contextlib import suppress
from pathlib import Path

from mailauth.dovecot import conffiles
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.misfits import misfits
from mailauth.dovecot.reader import check_reader
from mailauth.dovecot.refusal import Refusal
from mailauth.errors import CannotObserve


def sentence(dovecot: Installation, refusal: Refusal) -> str:
    """Dovecot's own words; and where it is the other dialect's file, that it is, and what then to ask.

    Raises CannotObserve where another Dovecot runs with that file, which is the one to ask.
    """
    check_reader(dovecot, refusal)
    place = refusal.place if refusal.at == refusal.file else f"{refusal.file} ({refusal.place})"
    says = f"Dovecot {refusal.version} does not accept {place}: {refusal.words.removesuffix('.')}."
    other = "2.3" if refusal.version.dialect == "2.4" else "2.4"
    if not _of_the_other(dovecot, refusal):
        return says
    listed = shlex.join(["mailauth", "checkup", "-c", refusal.file])
    return (
        f"{says} This file is written for Dovecot {other}: name the Dovecot that runs with it (--pid or"
        f" --container), or see what {refusal.version.dialect} wants instead: {listed}"
    )


def _of_the_other(dovecot: Installation, refusal: Refusal) -> bool:
    """Whether a line that Dovecot complains of, or two of the file, are of the other dialect."""
    with suppress(CannotObserve):
        tree = conffiles.read(Path(refusal.file), dovecot.path)
        found = misfits(tree, refusal.version, conffiles.Lines(dovecot.path))
        return len(found) > 1 or any((one.file, one.line) == (refusal.at, refusal.line) for one in found)
    return False
