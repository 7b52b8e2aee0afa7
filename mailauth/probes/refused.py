"""A configuration that Dovecot does not take: what it complains of, and every line of the other dialect."""

from mailauth.dovecot import conffiles
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.misfits import misfits
from mailauth.dovecot.reader import running_with, tree_of
from mailauth.dovecot.refusal import Refusal
from mailauth.evidence import Accepted
from mailauth.probes.scene import Scene


def observe_accepted(scene: Scene) -> Accepted:
    """Called where doveconf has answered."""
    return Accepted("doveconf -a", scene.config.version, scene.config.file)


def observe_refusal(dovecot: Installation, refusal: Refusal) -> Accepted:
    """Dovecot stops at the first line that it does not know; the files are read for the others.

    Where the files cannot be read, what Dovecot said is all that is known.
    """
    lines = conffiles.Lines(dovecot.path)
    tree = tree_of(dovecot, refusal)
    first = next(
        (
            (number, line.strip())
            for number, line in enumerate(lines.of(refusal.file), 1)
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
        misfits=misfits(tree, refusal.version, lines),
        first_line=first,
        running=running_with(dovecot, tree),
    )
