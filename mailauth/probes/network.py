"""What listens in Dovecot's network, and how the host that the client connects to is reached.

Everything is read from the kernel: /proc/PID/net of Dovecot's master, and routes over netlink.  With a
host (``--host``) its ports are connected to, without a login: a line in Dovecot's log, and no more.
"""

import errno
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import psutil

from mailauth import digits
from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.children import nobody
from mailauth.dovecot.conf import words
from mailauth.dovecot.doveadm import Installation
from mailauth.errors import CannotObserve
from mailauth.evidence import NotApplicable
from mailauth.evidence.network import Address, Approach, Endpoint, Listener, Listening, Reachable
from mailauth.later import later
from mailauth.probes.process import NotRunning, master_process
from mailauth.probes.scene import Scene

if TYPE_CHECKING:
    from concurrent import futures

    import pyroute2
else:
    futures = later("concurrent.futures")  # 10 ms, and only with a host
    pyroute2 = later("pyroute2")  # 150 ms, and only with a host

PROTOCOLS = {
    "imap": "imap",
    "pop3": "pop3",
    "submission": "submission",
    "sieve": "sieve",
    "managesieve": "sieve",
}
# 2.4's doveconf does not print what is left as it is.
# Source: Dovecot 2.3.19.1 and 2.4.1 src/{imap,pop3,submission}-login/*-login-settings.c; Pigeonhole's.
_PORTS = {
    "imap": {"imap": 143, "imaps": 993},
    "pop3": {"pop3": 110, "pop3s": 995},
    "submission": {"submission": 587, "submissions": 465},
    "sieve": {"sieve": 4190},
}
_LISTEN = "0A"  # TCP_LISTEN, include/net/tcp_states.h
_PATIENCE = 4.0  # seconds: the kernel asks for a neighbour three times, a second each
_MANY = 8  # addresses of one name
_FIB_MATCH = 0x2000  # RTM_F_FIB_MATCH, linux/rtnetlink.h: the route itself is told, with its length
_UNICAST, _LOCAL = 1, 2  # RTN_UNICAST, RTN_LOCAL
_T = TypeVar("_T")


def observe_listening(scene: Scene) -> Listening | NotApplicable:
    """The login services' listeners.  Raises CannotObserve when the kernel's table may not be read."""
    asked = protocols = served(scene.config)
    if scene.named_service:
        if scene.service not in PROTOCOLS:
            return NotApplicable(Listening, f"no login service of Dovecot's is for {scene.service}")
        asked = (PROTOCOLS[scene.service],)
    if not asked:
        return NotApplicable(Listening, "Dovecot serves no protocol that is logged in to")
    listeners = configured(scene.config, (*protocols, *asked))
    if not scene.named_service:  # port 0 is how a protocol that nobody uses is switched off
        asked = tuple(dict.fromkeys(one.protocol for one in listeners if one.port)) or asked
    pid = _master(scene)
    table = tuple(_open(pid))
    strangers = _strangers(listeners, protocols, scene, pid)
    return Listening(
        f"/proc/{pid or 'self'}/net/tcp, doveconf",
        pid is not None,
        protocols,
        asked,
        listeners,
        table,
        strangers,
    )


def observe_reachable(scene: Scene) -> Reachable | NotApplicable:
    """How the host is reached.  Raises CannotObserve when its name has no address here."""
    listening = observe_listening(scene)
    if isinstance(listening, NotApplicable):
        return NotApplicable(Reachable, listening.reason)
    if not scene.host:
        return Reachable("--host", "", 0, ())
    ports = (
        [scene.port]
        if scene.port
        else [one.port for protocol in listening.asked for one in listening.of(protocol)]
    )
    found = addresses(scene.host)
    pid = _master(scene)
    same = pid is None or _same_network(pid)
    own = frozenset(map(ip_address, _in_network(scene, pid, interfaces, frozenset[str])))
    with futures.ThreadPoolExecutor(len(found) * max(len(ports), 1)) as pool:
        pairs = list(product(found, ports))
        said = dict(zip(pairs, pool.map(lambda pair: _connect(*pair), pairs), strict=True))
    return Reachable(
        "the kernel's routes, and a connection without a login",
        scene.host,
        scene.port,
        tuple(
            _approach(address, own, same, tuple((port, said[address, port]) for port in ports))
            for address in found
        ),
    )


def served(config: AuthConfig) -> tuple[str, ...]:
    """The protocols that Dovecot is set to serve, of those that are logged in to."""
    return tuple(dict.fromkeys(PROTOCOLS[word] for word in config.protocols if word in PROTOCOLS))


def configured(config: AuthConfig, protocols: tuple[str, ...]) -> tuple[Listener, ...]:
    """The listeners of these protocols, as they are set."""
    return tuple(one for protocol in dict.fromkeys(protocols) for one in _of(config, protocol))


def addresses(host: str) -> list[Address]:
    """All addresses of a name, in the order that a client here would try them."""
    try:
        told = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as why:
        said = "it is no host name" if isinstance(why, UnicodeError) else why
        raise CannotObserve(f"{host} has no address here ({said}); ask with: getent ahosts {host}") from None
    found = (ip_address(one[4][0].partition("%")[0]) for one in told if isinstance(one[4][0], str))
    return list(dict.fromkeys(found))[:_MANY]


def _of(config: AuthConfig, protocol: str) -> Iterator[Listener]:
    """The protocol's listeners: what doveconf says, and in 2.4 Dovecot's own defaults beneath.

    2.3 prints every listener that there is: its submission-login has none for 465, though its source has
    the port.  With ssl = no none is opened that begins with TLS.  Source: Dovecot 2.3.19.1
    src/submission-login/submission-login-settings.c; service_create_inet_listeners(), src/master/service.c of
    2.3.19.1 and 2.4.1; doveconf of 2.3.13, 2.3.19.1, 2.3.21.1, 2.4.1 and 2.4.5.
    """
    service = "managesieve-login" if protocol == "sieve" else f"{protocol}-login"
    blocks = [block for block in config.tree.all("service") if block.name == service]
    standard = _PORTS[protocol]
    listed = [listener for block in blocks for listener in block.all("inet_listener")]
    printed = config.version.dialect == "2.3" and listed
    named: dict[str, dict[str, str]] = {} if printed else {name: {} for name in standard}
    everywhere = words(config.tree, "listen", ("*", "::")) or ("*", "::")
    for one in listed:
        said = {each.name: each.value for each in one.settings} | {"listen": " ".join(words(one, "listen"))}
        named.setdefault(one.name, {}).update(said)
    for name, said in named.items():
        own = (said.get("listen") or said.get("address") or "").replace(",", " ").split()
        port = said.get("port") or str(standard.get(name, 0))
        tls = said.get("ssl") or ("yes" if name in standard and name != protocol else "no")
        number = digits.number(port) or 0
        if tls == "yes" and config.tree.get("ssl") == "no":
            continue
        yield Listener(protocol, name, tuple(own) or everywhere, number, tls == "yes", bool(own))


def _master(scene: Scene) -> int | None:
    """The master's process id; None when no Dovecot runs.  Raises CannotObserve when we may not see."""
    try:
        return master_process(scene.dovecot, scene.config).pid
    except NotRunning:
        return None


def _open(pid: int | None) -> Iterator[Endpoint]:
    """What listens in the network of a process.  The kernel lists these first, so the rest is not read."""
    for name in ("tcp", "tcp6"):
        path = Path(f"/proc/{pid or 'self'}/net/{name}")
        try:
            with path.open() as table:
                next(table, None)
                for line in table:
                    local, state = line.split()[1], line.split()[3]
                    if state != _LISTEN:
                        break
                    address, _, port = local.partition(":")
                    yield Endpoint(_address(address), int(port, 16))
        except FileNotFoundError:
            continue  # a kernel without IPv6
        except OSError as why:
            raise CannotObserve(f"{path}: cannot be read ({why.strerror}); see: ss -ltn") from None


def _address(text: str) -> Address:
    """As the kernel prints it: groups of four bytes, each in the machine's order."""
    raw = b"".join(bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8))
    return IPv4Address(raw) if len(raw) == 4 else IPv6Address(raw)


def _in_network(scene: Scene, pid: int | None, ask: Callable[[], _T], form: Any) -> _T:
    """Ask where Dovecot lives; ``form``: the type of the answer."""
    if pid is None or _same_network(pid):
        return ask()
    return Installation(scene.dovecot.config, pid).inside(ask, form)


def in_network(scene: Scene, ask: Callable[[], _T], form: Any, *, else_ours: bool = False) -> _T:
    """Ask in the network of the Dovecot that runs, with no right of root's; ``form``: the answer's type.

    Raises CannotObserve when we may not see which that is, unless it is taken for ours then.
    """
    try:
        pid = _master(scene)
    except CannotObserve:
        if scene.dovecot.pid or not else_ours:
            raise
        pid = None
    if pid is None or _same_network(pid):
        return nobody(ask, form)
    return _in_network(scene, pid, ask, form)


def _same_network(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink()
    except OSError:
        return True  # an ordinary user may not look; then it is taken for ours


def interfaces() -> frozenset[str]:
    """The addresses of every interface."""
    return frozenset(
        one.address.partition("%")[0]
        for each in psutil.net_if_addrs().values()
        for one in each
        if one.family in (socket.AF_INET, socket.AF_INET6)
    )


def _strangers(
    listeners: tuple[Listener, ...], protocols: tuple[str, ...], scene: Scene, pid: int | None
) -> tuple[str, ...]:
    """The addresses that ``listen`` names and that a service cannot bind to: no interface has them."""
    wanted = []
    for one in listeners:
        for word in one.addresses if one.port and one.protocol in protocols else ():
            with suppress(ValueError):
                address = ip_address(word.strip("[]"))
                if not (address.is_unspecified or address.is_loopback):
                    wanted.append(address)
    wanted = list(dict.fromkeys(wanted))
    if not wanted:
        return ()
    return _in_network(
        scene, pid, lambda: tuple(str(one) for one in wanted if not _binds(one)), tuple[str, ...]
    )


def _binds(address: Address) -> bool:
    """Whether the kernel would let a service have this address; nothing is sent, and no port is taken."""
    with socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as one:
        try:
            one.bind((str(address), 0))
        except OSError as why:
            return why.errno != errno.EADDRNOTAVAIL
    return True


def _switched_on(path: Path) -> bool:
    with suppress(OSError):
        return path.read_text().strip() != "0"
    return False


def _connect(address: Address, port: int) -> str:
    try:
        socket.create_connection((str(address), port), timeout=_PATIENCE).close()
    except TimeoutError:
        return f"does not answer within {_PATIENCE:.0f} s"
    except OSError as why:
        return (why.strerror or str(why)).lower()
    return "connected"


def _approach(
    address: Address, own: frozenset[Address], same: bool, answers: tuple[tuple[int, str], ...]
) -> Approach:
    """Where the kernel sends what is for this address."""
    here = address in own
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with pyroute2.IPRoute() as kernel:
        try:
            told = kernel.route("get", dst=str(address), family=family, flags=_FIB_MATCH)[0]
        except pyroute2.NetlinkError as why:
            failure = str(why.args[1] if len(why.args) > 1 else why).lower()
            return Approach(address, here, False, "", "", False, "", failure, answers)
        index = told.get_attr("RTA_OIF")
        if index is None:
            device, kind = "several devices", ""  # a route with more than one way
        else:
            link = kernel.get_links(index)[0]
            device, kind = link.get_attr("IFLA_IFNAME"), link.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND")
        local = told["type"] == _LOCAL
        here = here or (same and local)
        routed = told["dst_len"] == address.max_prefixlen and told["type"] == _UNICAST
    held_by = _held_by(address.version, device) if routed else ""
    return Approach(address, here, local, device, kind or "", routed, held_by, "", answers)


def _held_by(version: int, device: str) -> str:
    """The setting that keeps packets from being passed on to the device and back; "" where none does.

    IPv4 asks the interface that a packet comes in by, so both directions need theirs; IPv6 asks "all",
    or, since Linux 6.17, the interface's force_forwarding.
    Source: Linux net/ipv4/route.c ip_route_input_slow(), net/ipv6/ip6_output.c ip6_forward().
    """
    each = Path(f"/proc/sys/net/ipv{version}/conf")
    kind = "forwarding" if version == 4 else "force_forwarding"
    others = [one for one in each.iterdir() if one.name not in ("all", "default", "lo", device)]
    able = _switched_on(each / device / kind), any(_switched_on(one / kind) for one in others)
    if version == 6:
        passes = _switched_on(each / "all" / "forwarding") or all(able)
        return "" if passes else "net.ipv6.conf.all.forwarding"
    if not _switched_on(each.parent / "ip_forward") and not all(able):
        return "net.ipv4.ip_forward"
    held = [device] if not able[0] else [one.name for one in others] if not able[1] else []
    # Of several other interfaces it is not known by which one clients come.
    return f"net.ipv4.conf.{held[0].replace('.', '/')}.forwarding" if len(held) == 1 else ""
