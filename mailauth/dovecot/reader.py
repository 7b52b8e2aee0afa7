"""Who runs with a configuration file that the Dovecot that was asked does not accept."""

import shutil
from contextlib import suppress
from pathlib import Path

from mailauth.dovecot import conf, conffiles, inroot, masters, processes, programs
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.refusal import Refusal
from mailauth.errors import CannotObserve

_BASE_DIR = "/run/dovecot"  # the default


def check_reader(dovecot: Installation, refusal: Refusal) -> None:
    """Raises CannotObserve where the Dovecot that runs with this file is another one than what refuses it.

    An executable that an upgrade replaced is the same one: what is on the disk is what starts next.
    """
    pid = 0 if dovecot.pid else running_with(dovecot, tree_of(dovecot, refusal))
    if not pid:
        return
    says = f"{refusal.file}: Dovecot {refusal.version} of this machine does not take it, but"
    try:
        elsewhere = not Path(f"/proc/{pid}/root").samefile("/")
        runs = Path(f"/proc/{pid}/exe").readlink()
    except PermissionError:
        raise CannotObserve(
            f"{says} only root may see whether the Dovecot that runs with it (process {pid}) is another one.",
            needs_root=True,
        ) from None
    except OSError:  # it ended just now
        return
    if elsewhere:
        raise CannotObserve(
            f"{says} the Dovecot that runs with it (process {pid}) has another root: name it by --pid {pid}.",
            needs_option=True,
        )
    runs = runs.with_name(runs.name.removesuffix(" (deleted)"))
    ours = shutil.which("dovecot") or shutil.which("dovecot", path=programs.PATH)
    if ours and Path(ours).resolve() != runs.resolve():
        raise CannotObserve(
            f"{says} the Dovecot that runs with it (process {pid}) is {runs}: put the folder of its doveconf"
            " first in PATH.",
            needs_option=True,
        )


def tree_of(dovecot: Installation, refusal: Refusal) -> conf.Block:
    """As the files have it, since doveconf prints none of it; empty where they cannot be read."""
    try:
        return conffiles.read(Path(refusal.file), dovecot.path)
    except CannotObserve:
        return conf.parse("")


def running_with(dovecot: Installation, tree: conf.Block) -> int:
    """The master that runs with this configuration; 0 where none is seen."""
    base_dir = tree.get("base_dir") or _BASE_DIR
    with suppress(OSError, ValueError):
        number = dovecot.pid or int(inroot.content(dovecot.path(f"{base_dir}/master.pid"), inroot.NUMBER))
        named = processes.name(number) == "dovecot"
        if named and masters.listens(number, base_dir) is not False:
            return number
    return 0
