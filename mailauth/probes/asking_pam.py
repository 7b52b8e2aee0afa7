"""Ask PAM about the password that was given, on demand: one attempt, with the rights that Dovecot has.

As root's worker asks, in Dovecot's own mount namespace, so that the modules find what they look for; with no
limit on the memory, which MEM001 judges.  What the modules write (pam_faillock's tally, the system's log)
they write.
"""

import os
from pathlib import Path

from mailauth.dovecot import pam
from mailauth.errors import CannotObserve
from mailauth.evidence import PamAnswer
from mailauth.probes.lookup import fill_for
from mailauth.probes.scene import Scene
from mailauth.probes.walk import WalkEntry
from mailauth.stores import libpam
from mailauth.stores.pam_said import PamSaid

_SECONDS = 30.0  # pam_unix alone waits some 2 s after a wrong password


def ask(scene: Scene, entry: WalkEntry) -> PamAnswer:
    """Raises CannotObserve where it cannot be asked as Dovecot asks."""
    assert scene.password
    assert scene.names
    passdb, password = entry.passdb, scene.password.text
    service = fill_for(scene, passdb)(pam.read(scene.config, passdb).service, str)
    user, host = scene.names.looked_up, scene.address
    who = scene.config.runs_as(passdb.verified_by)
    if os.geteuid() != 0:
        raise CannotObserve("PAM is asked as root, as Dovecot's worker asks.", needs_root=True)
    if who != "root":
        raise CannotObserve(f"{passdb.verified_by} runs as {who}, and PAM is asked for root's workers only.")
    _check_library(scene)
    said: PamSaid = scene.dovecot.as_it_is(
        lambda: libpam.ask(service, user, password, host), PamSaid, seconds=_SECONDS
    )
    later = [one for one in scene.config.passdbs if one.number > passdb.number and not one.master]
    return PamAnswer("PAM, asked once", passdb.label, service, user, said, bool(later), passdb.number)


def _check_library(scene: Scene) -> None:
    """The modules are loaded by our libpam: it has to be the one that Dovecot has."""
    found = libpam.load()
    if found is None:
        raise CannotObserve("Asking PAM needs libpam.so.0, which is not on this machine.")
    file = found[1]
    try:
        ours, theirs = Path(file).stat(), scene.dovecot.path(file).stat()
    except OSError:
        theirs = None
    if theirs is None or (ours.st_dev, ours.st_ino) != (theirs.st_dev, theirs.st_ino):
        raise CannotObserve("Dovecot has another root with a PAM of its own: run mailauth in there.")
