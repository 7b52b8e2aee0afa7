"""The way to the server: what listens, how its address is reached, and what its certificates say."""

from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address

from mailauth.evidence.fact import Evidence
from mailauth.records import dataclass

Address = IPv4Address | IPv6Address
ANY = {4: ip_address("0.0.0.0"), 6: ip_address("::")}  # noqa: S104 - what a socket is bound to


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A TCP socket that listens."""

    address: Address
    port: int

    def takes(self, address: Address) -> bool:
        """Whether a connection to ``address`` ends here.  Dovecot's own [::] takes no IPv4."""
        return self.address in (address, ANY[address.version])

    def __str__(self) -> str:
        shown = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{shown}:{self.port}"


@dataclass(frozen=True, slots=True)
class Listener:
    """An ``inet_listener`` of a login service, as configured.  ``port`` 0: switched off."""

    protocol: str
    name: str
    addresses: tuple[str, ...]  # "*", "::", "192.0.2.1", a name
    port: int
    tls: bool  # from the first byte on; else by STARTTLS, where TLS is offered at all
    own: bool = False  # the addresses are set for this listener; else by the general ``listen``

    @property
    def service(self) -> str:
        return "managesieve-login" if self.protocol == "sieve" else f"{self.protocol}-login"


@dataclass(frozen=True, slots=True)
class Listening(Evidence):
    """What the login services are set to listen on, and what listens in Dovecot's network.

    ``asked``: the protocols that are judged; ``protocols``: those that Dovecot is set to serve.
    ``strangers``: addresses that ``listen`` names and no interface of Dovecot's network has.
    """

    runs: bool
    protocols: tuple[str, ...]
    asked: tuple[str, ...]
    listeners: tuple[Listener, ...]
    open: tuple[Endpoint, ...]
    strangers: tuple[str, ...] = ()

    def of(self, protocol: str) -> tuple[Listener, ...]:
        """The protocol's listeners that are not switched off."""
        return tuple(one for one in self.listeners if one.protocol == protocol and one.port)

    def opened(self, protocol: str) -> tuple[Endpoint, ...]:
        """What listens on the protocol's ports."""
        ports = {one.port for one in self.of(protocol)}
        return tuple(one for one in self.open if one.port in ports)

    @property
    def local_only(self) -> bool:
        """No listener takes a connection from another machine."""
        return not any(
            not one.address.is_loopback for protocol in self.protocols for one in self.opened(protocol)
        )

    @property
    def seen(self) -> str:
        parts = []
        for protocol in self.asked:
            here = ", ".join(str(one) for one in self.opened(protocol)) or "nowhere"
            ports = ", ".join(str(one.port) for one in self.of(protocol)) or "none"
            parts.append(f"{protocol}: port {ports} configured, listens on {here}")
        return "; ".join(parts) or "no protocol is served"


@dataclass(frozen=True, slots=True)
class Approach:
    """One address of the host that the client connects to, as it is reached from here.

    ``here``: an interface of Dovecot's network has it; ``local``: one of mailauth's own has.
    ``device``: what the kernel sends through, "" where it has no route; ``kind``: what that device is
    ("veth", "tun", ...: "" for a card); ``routed``: by a route of its own, a /32 or /128.
    ``held_by``: the kernel's setting that keeps this machine from passing packets on to the device, or "".
    ``answers``: for each port, "connected", or why not.
    """

    address: Address
    here: bool
    local: bool
    device: str
    kind: str
    routed: bool
    held_by: str
    failure: str
    answers: tuple[tuple[int, str], ...]

    @property
    def elsewhere(self) -> bool:
        """Something answers there that is not Dovecot's own network: a proxy or a router in front of it."""
        way_on = self.here or self.local or self.routed
        return not way_on and any(answer == "connected" for _, answer in self.answers)

    @property
    def seen(self) -> str:
        if not self.device:
            way = f"no route ({self.failure})"
        elif self.here:
            way = "is Dovecot's own"
        else:
            kind = f" ({self.kind})" if self.kind else ""
            way = f"through {self.device}{kind}" + (", by a route of its own" if self.routed else "")
        said = ", ".join(f"port {port} {answer}" for port, answer in self.answers)
        return f"{self.address}: {way}" + (f", {said}" if said else "")


@dataclass(frozen=True, slots=True)
class Reachable(Evidence):
    """How the host that the client connects to is reached: "" where none was named.

    ``port``: the one asked for, or 0.
    """

    host: str
    port: int
    approaches: tuple[Approach, ...]

    @property
    def seen(self) -> str:
        return "; ".join(one.seen for one in self.approaches) or "no host was named"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A server certificate.  ``covers``: it is valid for the host asked about; None: none was asked.

    ``presented``: a client gets it now; else it is in a file, and Dovecot may have an older one.
    ``serves``: the block that it stands in, where only some clients get it.  ``asked``: by the files, the
    client that was asked about is one who gets it; where none was, any may be.
    """

    place: str
    names: tuple[str, ...]
    begins: datetime
    ends: datetime
    presented: bool
    covers: bool | None
    serves: str = ""
    asked: bool = True


@dataclass(frozen=True, slots=True)
class Certificates(Evidence):
    """The certificates that clients get, and those in the files, at the time ``now``."""

    now: datetime
    host: str
    certificates: tuple[Certificate, ...]

    @property
    def telling(self) -> tuple[Certificate, ...]:
        """Those that a client gets; without a look at that, those in the files."""
        presented = tuple(one for one in self.certificates if one.presented)
        return presented or tuple(one for one in self.certificates if one.asked) or self.certificates

    @property
    def seen(self) -> str:
        return "; ".join(map(_shown, self.certificates))


def _shown(one: Certificate) -> str:
    place = f"{one.place} ({one.serves})" if one.serves else one.place
    return f"{place}: {', '.join(one.names) or 'no name'}, {one.begins:%Y-%m-%d} to {one.ends:%Y-%m-%d}"


@dataclass(frozen=True, slots=True)
class TlsFlaw:
    """A certificate or key that Dovecot cannot use.

    ``setting`` is the one that names the file; ``file``: "" where it names none.
    """

    setting: str
    file: str
    problem: str
    missing: bool  # then Dovecot refuses the whole configuration


@dataclass(frozen=True, slots=True)
class TlsFiles(Evidence):
    """The files with certificates and keys that Dovecot is set to use, and what is wrong with them.

    ``required``: a password is taken on a secured connection only (ssl = required).
    """

    files: tuple[str, ...]
    flaws: tuple[TlsFlaw, ...]
    required: bool = False

    @property
    def seen(self) -> str:
        if not self.flaws and not self.files:
            return "no certificate is configured"
        flaws = "; ".join(
            f"{one.file}: {one.problem}" if one.file else f"{one.setting} {one.problem}" for one in self.flaws
        )
        return flaws or f"{', '.join(self.files)}: certificate and key belong together"
