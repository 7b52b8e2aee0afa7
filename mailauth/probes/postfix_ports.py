"""The ports at which a Postfix takes logins and asks this Dovecot: what postconf says of each that runs.

Postfix is distinguished from one that asks another Dovecot by the socket that it asks: smtpd_sasl_path, from
the queue directory where it is relative, or where smtpd is in a chroot there.
Source: Postfix 3.10 SASL_README.html, "Postfix to Dovecot SASL communication"; master(5), postconf(1).
"""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from mailauth import digits, loopback
from mailauth.dovecot import entering, processes
from mailauth.dovecot.conf import Block
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.processes import named
from mailauth.errors import CannotObserve
from mailauth.evidence.postfix import PostfixPorts, Smtpd
from mailauth.probes.network import interfaces
from mailauth.probes.process import master_process
from mailauth.probes.scene import Scene
from mailauth.records import dataclass

_DEFAULT = "/etc/postfix"
_SECONDS = 10.0  # for each postconf, which takes some milliseconds
_WANTED = (
    "smtpd_sasl_auth_enable",
    "smtpd_sasl_type",
    "smtpd_sasl_path",
    "smtpd_tls_security_level",
    "smtpd_use_tls",
    "smtpd_tls_wrappermode",
    "queue_directory",
    "inet_interfaces",
    "inet_protocols",
)
_PORTS = {"smtp": 25, "smtps": 465, "submissions": 465, "submission": 587}  # in /etc/services, by any age
_OVERRIDE = re.compile(r"(\S+)/inet/(\w+) = (.*)")


@dataclass(frozen=True, slots=True)
class Instance:
    """A Postfix: where it lives, and its folder with main.cf, "" for its default."""

    root: Installation
    folder: str
    beside: bool  # the main one of the machine, or the container, that Dovecot lives in

    def ask(self, *options: str) -> str:
        """What postconf prints.  Raises CannotObserve."""
        # Not with Dovecot's configuration: both have -c.
        folder = ("-c", self.folder) if self.folder else ()
        ran = self.root.run("postconf", *folder, *options, timeout=_SECONDS)
        if ran.status:
            raise CannotObserve(f"postconf: {ran.err.strip()[:200]}")
        return ran.out


def observe_postfix(scene: Scene) -> PostfixPorts:
    """Each Postfix that runs in Dovecot's network, and the one that is installed beside it."""
    asking: dict[tuple[str, int], Smtpd] = {}
    notes: list[str] = []
    sources: list[str] = []
    for one in instances(scene):
        with suppress(CannotObserve, OSError):  # not ours to look at, half installed, or gone meanwhile
            for smtpd, other in services(one, scene):
                if smtpd and is_at_home(smtpd, one):
                    asking.setdefault((smtpd.host, smtpd.port), smtpd)
                elif one.beside and not smtpd:  # elsewhere it is another Dovecot's matter
                    notes.append(other)
            sources.append(_source(one))
    return PostfixPorts(", ".join(sources) or "/proc", tuple(asking.values()), tuple(notes))


def instances(scene: Scene) -> Iterator[Instance]:
    """Those that run, then the one whose postconf is there: it may be stopped."""
    here, default = scene.dovecot.pid or "self", False
    with suppress(CannotObserve, psutil.Error):
        here = master_process(scene.dovecot, scene.config).pid
    for pid in named("master"):
        with suppress(OSError):
            # of one of an ordinary user's it may be as long as that user likes
            argv = [one.decode("utf-8", "surrogateescape") for one in processes.command(pid)]
            if "postfix" not in argv[0] or not _counts(here, pid):
                continue
            folder = argv[argv.index("-c") + 1] if "-c" in argv[:-1] else ""
            folder = folder or processes.variable(pid, "MAIL_CONFIG")
            ours = _same("self", pid, "root")
            beside = folder in ("", _DEFAULT) and _same(here, pid, "root")
            yield Instance(Installation(pid=None if ours else pid), folder, beside)
            default = default or beside
    if not default:
        yield Instance(Installation(pid=scene.dovecot.pid), "", beside=True)


def _counts(here: int | str, pid: int) -> bool:
    """Whether it is in Dovecot's network, and root runs it, or who runs Dovecot.  Raises OSError.

    Any other user could name a port of theirs, and a password that is typed would go there; also one who
    starts a program of root's, such as su, by the name of master.
    """
    uids = (0, os.geteuid() if here == "self" else entering.rights(int(here)).uid)
    alike = _same(here, pid, "ns/net") and _same(here, pid, "ns/user")
    roots = entering.rights(pid).uid in uids  # first: what is root's by then becomes no user's program
    program = Path(f"/proc/{pid}/exe").readlink().name.removesuffix(" (deleted)")
    return alike and roots and program == "master"


def _same(one: int | str, other: int | str, what: str) -> bool:
    """Raises OSError where that is not ours to see."""
    return Path(f"/proc/{one}/{what}").samefile(f"/proc/{other}/{what}")


def is_at_home(smtpd: Smtpd, one: Instance) -> bool:
    """Whether a password that is typed may go there: to an address of this machine.

    Who owns a container in Dovecot's network can name any host, and have a certificate for it.
    """
    return one.beside or loopback.is_here(smtpd.host) or smtpd.host in interfaces()


def _source(one: Instance) -> str:
    """Where it was seen which services take logins."""
    if not may_take_logins(one):
        return f"{one.folder or _DEFAULT}/main.cf and master.cf"
    return f"postconf -c {one.folder}" if one.folder else "postconf"


def may_take_logins(one: Instance) -> bool:
    """Whether its files name the setting that makes an smtpd take logins, which is off by default.

    Read before postconf is asked, which takes longer than all the rest of a look at a healthy server.
    Source: postconf(5), smtpd_sasl_auth_enable; "#" begins a comment where it is a line's first character
    but white space.
    """
    folder = one.folder or _DEFAULT
    try:
        texts = [one.root.read(f"{folder}/{name}") for name in ("main.cf", "master.cf")]
    except (OSError, CannotObserve):
        return True  # postconf knows where they are, or why not
    lines = (line.lstrip() for text in texts for line in text.splitlines())
    return any("smtpd_sasl_auth_enable" in line and not line.startswith("#") for line in lines)


def services(one: Instance, scene: Scene) -> Iterator[tuple[Smtpd | None, str]]:
    """Each smtpd that takes logins: as one that asks this Dovecot, or with the reason why it is none."""
    if not may_take_logins(one):
        return
    lines = one.ask("-x", *_WANTED).splitlines()
    general = dict.fromkeys(_WANTED, "")
    general |= {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}
    own: dict[str, dict[str, str]] = {}
    for line in one.ask("-Px").splitlines():
        if found := _OVERRIDE.match(line):
            own.setdefault(found[1], {})[found[2]] = found[3]
    if not any(settings.get("smtpd_sasl_auth_enable") == "yes" for settings in (general, *own.values())):
        return  # whatever master.cf has
    for line in one.ask("-Mx").splitlines():
        columns = line.split()
        if len(columns) < 8 or columns[1] != "inet" or columns[7] != "smtpd":
            continue
        name, settings = columns[0], {**general, **own.get(columns[0], {})}
        if settings["smtpd_sasl_auth_enable"] != "yes" or not (port := _port(name)):
            continue
        if settings["smtpd_sasl_type"] != "dovecot":
            yield None, f"Postfix's {name} asks {settings['smtpd_sasl_type']}, not Dovecot (smtpd_sasl_type)"
            continue
        asks = _asks(settings, in_chroot=columns[4] == "y")
        if not _asks_this(asks, one, scene):
            yield (
                None,
                f"Postfix's {name} asks {asks}, which is not this Dovecot's (smtpd_sasl_path)",
            )
            continue
        wrapped = settings["smtpd_tls_wrappermode"] == "yes"
        starttls = (
            settings["smtpd_tls_security_level"] not in ("", "none") or settings["smtpd_use_tls"] == "yes"
        )
        yield Smtpd(name, _host(name, settings), port, wrapped, starttls, asks), ""


def _port(name: str) -> int:
    """Of "submission", "587", "127.0.0.1:587", "[::1]:smtp"; 0 where the name is not known."""
    word = name.rpartition(":")[2]
    if digits.are(word):
        return digits.number(word) or 0
    with suppress(OSError):
        return _PORTS.get(word) or socket.getservbyname(word, "tcp")
    return 0


def _host(name: str, settings: dict[str, str]) -> str:
    """An address that leads there."""
    if host := name.rpartition(":")[0].strip("[]"):
        return host
    addresses = settings["inet_interfaces"].replace(",", " ").split()
    loopback = "::1" if settings["inet_protocols"] == "ipv6" else "127.0.0.1"
    if not addresses or {"all", "loopback-only", "localhost", "127.0.0.1"} & set(addresses):
        return loopback
    return addresses[0].strip("[]")


def _asks(settings: dict[str, str], *, in_chroot: bool) -> str:
    """The socket as Postfix opens it: "/var/spool/postfix/private/auth", or "inet:host:port"."""
    path = settings["smtpd_sasl_path"]
    if path.startswith("inet:"):
        return path
    path, queue = path.removeprefix("unix:"), settings["queue_directory"]
    return f"{queue}/{path.lstrip('/')}" if in_chroot or not path.startswith("/") else path


def _asks_this(asks: str, one: Instance, scene: Scene) -> bool:
    """Whether it is a socket of this Dovecot's; or, beside it, one that is nobody's."""
    auth = [block for block in scene.config.tree.all("service") if block.name == "auth"]
    if asks.startswith("inet:"):
        listeners = [each for block in auth for each in block.all("inet_listener")]
        return asks.rpartition(":")[2] in {each.get("port") for each in listeners}
    names = [_listener(each, scene.config.base_dir) for block in auth for each in block.all("unix_listener")]
    if asks in names and (one.beside or _same_folder(asks, one.root, scene.dovecot)):
        return True
    place = one.root.path(asks)
    for name in names:
        with suppress(OSError):
            if place.samefile(scene.dovecot.path(name)):
                return True
    with suppress(CannotObserve):
        return one.beside and not one.root.has(asks)
    return False


def _same_folder(name: str, one: Installation, other: Installation) -> bool:
    """Whether the same path is the same place for both, be there a socket or not."""
    with suppress(OSError):
        parent = str(Path(name).parent)
        return one.path(parent).samefile(other.path(parent))
    return False


def _listener(block: Block, base: str) -> str:
    name = block.get("path") or block.name
    return name if name.startswith("/") else f"{base}/{name}"
