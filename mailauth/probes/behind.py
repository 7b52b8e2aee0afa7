"""Try what passdbs of the drivers oauth2, imap, dict and checkpassword ask: connect, and send nothing.

In a child that is the user that the asking process runs as, where Dovecot lives.
"""

import os
import socket
import stat
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mailauth.clients.sasl import TOKENS
from mailauth.connecting import connect
from mailauth.dovecot import backends, children, environment
from mailauth.dovecot.authconfig import Passdb, ServiceName
from mailauth.dovecot.backends import Asked, Kind
from mailauth.evidence import NotApplicable, Reached, ServersBehind
from mailauth.later import import_now, later
from mailauth.probes import trusting
from mailauth.probes.accounts import as_dovecot
from mailauth.probes.scene import Scene
from mailauth.probes.walk import While, while_failing
from mailauth.visible import visible

if TYPE_CHECKING:
    import ssl
else:
    ssl = later("ssl")

_SECONDS = 3.0  # to connect; whoever takes longer makes logins wait as long
_MOST = 10.0  # with the time to find the host's addresses
_MOST_HEAD = 256  # bytes of a script's first line: execve(2)
_NOT_NOW = "no connection within {:g} s"


def observe_behind(scene: Scene) -> ServersBehind | NotApplicable:
    """Each that has a place.  Raises CannotObserve where settings cannot be read."""
    passdbs = [one for one in scene.config.passdbs if one.driver in backends.DRIVERS and not one.deny]
    by_mechanism = _by_mechanism(scene) if "oauth2" not in {one.driver for one in passdbs} else []
    if not passdbs and not by_mechanism:
        return NotApplicable(ServersBehind, "no passdb asks another server or program of that kind")
    found = tuple(reached for one in passdbs for reached in _of(scene, one))
    return ServersBehind("connect(2), access(2)", (*found, *by_mechanism))


def _by_mechanism(scene: Scene) -> list[Reached]:
    """Of 2.4's mechanisms for tokens, which ask by themselves, without a passdb."""
    offered = [one.name for one in TOKENS if one.name in scene.config.mechanisms]
    if scene.config.version.dialect == "2.3" or not offered:
        return []
    others = [one for one in scene.config.passdbs if not one.deny and not one.master]
    told = backends.of_mechanisms(scene.config, scene.dovecot)
    return _tried_as(scene, told, "auth", " and ".join(offered), alone=not others)


def _of(scene: Scene, passdb: Passdb) -> list[Reached]:
    told = backends.read(scene.config, passdb, scene.dovecot)
    alone = while_failing(scene.config, scene.road, passdb) is While.CLOSED
    return _tried_as(scene, told, passdb.verified_by, passdb.label, alone=alone)


def _tried_as(
    scene: Scene, told: backends.Behind, service: ServiceName, label: str, *, alone: bool
) -> list[Reached]:
    identity, _ = as_dovecot(scene.dovecot, scene.config, service)
    user = scene.config.runs_as(service)
    if any(one.trust for one in told.asked):
        import_now(ssl)
    children.prepare()
    own = environment.given(scene.config.tree)  # SSL_CERT_FILE of whoever called us is nothing of Dovecot's
    found = []
    for one in told.asked:
        problem = scene.dovecot.inside(
            partial(_tried, one), str, identity=identity, environment=own, seconds=_MOST
        )
        program = one.kind is Kind.PROGRAM
        found.append(
            Reached(
                label,
                one.what,
                one.shown,
                problem,
                program,
                user,
                alone=alone,
                settings=told.settings,
                tls=one.trust is not None,
            )
        )
    return found


def _tried(one: Asked) -> str:
    """Why it cannot be used; "" where it can."""
    try:
        match one.kind:
            case Kind.TCP:
                return _as_server(one)
            case Kind.SOCKET:
                with socket.socket(socket.AF_UNIX) as link:
                    link.settimeout(_SECONDS)
                    link.connect(one.place)
            case Kind.PROGRAM:
                return _as_program(one.place)
            case _:
                Path(one.place).stat()
                return "" if os.access(one.place, os.R_OK) else "Permission denied"
    except TimeoutError:
        return _NOT_NOW.format(_SECONDS)
    except socket.gaierror as why:
        return f"the host has no address ({why.strerror})"
    except OSError as why:
        return why.strerror or str(why)
    return ""


def _as_server(one: Asked) -> str:
    """By TLS where it is asked so: its certificate is looked at, and nothing is sent."""
    if one.trust and (problem := trusting.unreadable(one.trust)):
        return problem
    with connect(one.place, one.port, _SECONDS) as link:
        if one.trust:
            try:
                trusting.context(one.trust).wrap_socket(link, server_hostname=one.place).close()
            except ssl.SSLError as why:
                return trusting.refusal(why)
    return ""


def _as_program(path: str) -> str:
    told = Path(path).stat()
    if not stat.S_ISREG(told.st_mode):
        return "it is no file"
    if not os.access(path, os.X_OK):
        return "Permission denied: it may not be run"
    head = b""
    with suppress(PermissionError), Path(path).open("rb") as file:
        head = file.readline(_MOST_HEAD)
    return _head(head)


def _head(head: bytes) -> str:
    """What is wrong with the beginning of a program, as execve(2) reads it."""
    if head and not head.startswith((b"#!", b"\x7fELF")):
        return "the kernel does not run it: it begins neither with #! and an interpreter, nor is it a binary"
    words = head.removeprefix(b"#!").rstrip(b"\n").strip(b" \t").split() if head.startswith(b"#!") else []
    if words and head.endswith(b"\r\n"):
        return "its first line ends in CR LF, as on Windows, so the kernel does not find its interpreter"
    interpreter = words[0].decode("utf-8", "surrogateescape") if words else ""
    if interpreter and not Path(interpreter).exists():
        return f"its interpreter {visible(interpreter, 80)} is not there"
    return ""
