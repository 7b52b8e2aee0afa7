"""A configuration that Dovecot does not take: what it complains of, and every line of the other dialect."""

from functools import cache
from pathlib import Path

from mailauth.dovecot import conf
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.misfits import misfits
from mailauth.dovecot.refusal import Refusal
from mailauth.errors import CannotObserve
from mailauth.evidence import Accepted
from mailauth.probes.scene import Scene


def observe_accepted(scene: Scene) -> Accepted:
    """Called where doveconf has answered."""
    return Accepted("doveconf -a", scene.config.version, scene.config.file)


def observe_refusal(dovecot: Installation, refusal: Refusal) -> Accepted:
    """Dovecot stops at the first line that it does not know; the files are read for the others.

    Where the files cannot be read, what Dovecot said is all that is known.
    """

    @cache
    def lines(file: str) -> tuple[str, ...]:
        try:
            return tuple(dovecot.path(file).read_text("utf-8", "replace").split("\n"))
        except OSError:
            return ()

    def line_of(file: str, number: int) -> str:
        return lines(file)[number - 1].strip() if 0 < number <= len(lines(file)) else ""

    try:
        tree = conf.read(Path(refusal.file), dovecot.path)
    except CannotObserve:
        tree = conf.parse("")
    first = next(
        (
            (number, line.strip())
            for number, line in enumerate(lines(refusal.file), 1)
            if line.strip() and not line.strip().startswith("#")
        ),
        (1, ""),
    )
    return Accepted(
        source="doveconf -a",
        version=refusal.version,
        file=refusal.file,
        words=refusal.words,
        place=refusal.place,
        setting=refusal.setting,
        misfits=misfits(tree, refusal.version, line_of),
        first_line=first,
    )
