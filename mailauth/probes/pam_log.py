"""What PAM's modules logged of the user, where the system has a file for that."""

import os
import shutil

from mailauth.dovecot import inroot, journalctl, pam, pamlog
from mailauth.dovecot.logs import plain
from mailauth.dovecot.redact import redacted
from mailauth.errors import CannotObserve
from mailauth.evidence import NotApplicable, PamLog
from mailauth.oserrors import unseen
from mailauth.probes.lookup import fill_for
from mailauth.probes.scene import Scene
from mailauth.probes.system_look import of_accounts

FILES = ("/var/log/auth.log", "/var/log/secure")  # Debian's and Red Hat's
_TAIL = 256 * 1024
_IDENT = "auth"  # the name of the program that PAM is loaded into
_LINES, _JOURNAL_MOST = "2000", 4 * 1024 * 1024
_SHOWN, _LONG = 3, 200


def observe_pam_log(scene: Scene) -> PamLog | NotApplicable:
    """The last lines.  Raises CannotObserve."""
    asked = [one for one in of_accounts(scene) if one.driver == "pam"]
    if not asked or scene.names is None or scene.names.refused:
        return NotApplicable(PamLog, "PAM is not asked for this name")
    read = (pam.read(scene.config, one) for one in asked)
    services = frozenset(
        fill_for(scene, passdb)(one.service, str).lower() for passdb, one in zip(asked, read, strict=True)
    )
    source, lines = _read(scene)
    said = pamlog.said_of(lines, scene.names.looked_up, services)
    shown = [(plain(redacted(text.encode()).decode(), _LONG), when) for text, when in said.items()]
    return PamLog(source, tuple(shown[-_SHOWN:]))


def _read(scene: Scene) -> tuple[str, list[str]]:
    """Where the lines are, and the last of them: in a file of syslog's, or in this machine's journal."""
    for name in FILES:
        try:
            with inroot.opened(scene.dovecot.path(name)) as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
                return name, file.read(_TAIL).decode("utf-8", "backslashreplace").splitlines()
        except FileNotFoundError:
            continue
        except OSError as why:
            raise unseen(name, why) from None
    program = shutil.which("journalctl")
    if program is None or scene.dovecot.pid:
        raise CannotObserve(
            f"neither {' nor '.join(FILES)} is there; journalctl -t auth shows what PAM says."
        )
    _, said, _ = journalctl.ask(program, _IDENT, "--since", "-24h", "-n", _LINES, most=_JOURNAL_MOST)
    return "the journal", pamlog.of_journal(said)
