"""A configuration that Dovecot does not take: what it complains of, and every line of the other dialect."""

from contextlib import suppress
from pathlib import Path

from mailauth.dovecot import conf, conffiles
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.misfits import misfits
from mailauth.dovecot.refusal import Refusal
from mailauth.errors import CannotObserve
from mailauth.evidence import Accepted
from mailauth.probes.scene import Scene

_BASE_DIR = "/run/dovecot"  # the default


def observe_accepted(scene: Scene) -> Accepted:
    """Called where doveconf has answered."""
    return Accepted("doveconf -a", scene.config.version, scene.config.file)


def observe_refusal(dovecot: Installation, refusal: Refusal) -> Accepted:
    """Dovecot stops at the first line that it does not know; the files are read for the others.

    Where the files cannot be read, what Dovecot said is all that is known.
    """
    lines = conffiles.Lines(dovecot.path)
    try:
        tree = conffiles.read(Path(refusal.file), dovecot.path)
    except CannotObserve:
        tree = conf.parse("")
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
        running=_master(dovecot, tree.get("base_dir") or _BASE_DIR),
    )


def _master(dovecot: Installation, base_dir: str) -> int:
    """The master that runs; 0 where none is seen."""
    with suppress(OSError, ValueError):
        number = dovecot.pid or int(dovecot.path(f"{base_dir}/master.pid").read_text())
        if Path(f"/proc/{number}/comm").read_text().strip() == "dovecot":
            return number
    return 0
