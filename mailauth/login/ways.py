"""Which ways there are: the layers, then each protocol as the server listens, with what is offered."""

from collections.abc import Iterator

from mailauth.clients.door import Door, Tls
from mailauth.clients.sasl import MECHANISMS, TOKENS
from mailauth.login.site import Site
from mailauth.login.way import Layer, Way
from mailauth.probes.doors import doors, proxied
from mailauth.records import dataclass

PROTOCOLS = ("imap", "pop3", "submission", "sieve")  # Dovecot's own; smtp is Postfix's
_TIMEOUT = 5.0  # seconds: who greets does so at once


@dataclass(frozen=True, slots=True)
class Choice:
    """What is asked for; what is left empty is taken as the server offers it.

    ``host``: connect there, from here, and not to what the listeners are bound to.  ``smtp``: Postfix's
    doors, where they were named; else those that were found.  ``address``: where the client is, as the auth
    socket and doveadm get it; else the loopback.  ``every``: each mechanism at each door; else PLAIN, and
    each of the others at one door of the protocol.  ``insecure``: the password may go to a host that was
    named without TLS, or with a certificate that is not verified.
    """

    protocols: tuple[str, ...] = ()
    mechanisms: tuple[str, ...] = ()
    tls: tuple[Tls, ...] = ()
    host: str = ""
    smtp: tuple[Door, ...] = ()
    address: str = ""
    every: bool = False
    timeout: float = _TIMEOUT
    insecure: bool = False


def ways(site: Site, choice: Choice) -> tuple[Way, ...]:
    """All of them, from the stored string outwards."""
    found = [*_doors(site, choice), *(one for one in smtp_doors(site, choice) if _wanted(one.tls, choice))]
    absent = tuple(_absent(site, choice))
    served = [door.protocol for door in found]
    services = list(dict.fromkeys([*served, *(way.service for way in absent)])) or ["imap"]
    offered = mechanisms(site, choice)
    first = offered[0]
    # A token is not what is stored, and doveadm asks by PLAIN.
    of_a_password = () if first in {one.name for one in TOKENS} else (Layer.HASH, Layer.TEST, Layer.LOGIN)
    return (
        *(Way(layer) for layer in of_a_password),
        *(Way(Layer.SOCKET, services[0], name) for name in offered),
        *(Way(Layer.SOCKET, name, first) for name in services[1:]),
        *absent,
        *_door_ways(found, offered, choice),
    )


def mechanisms(site: Site, choice: Choice) -> tuple[str, ...]:
    """The mechanisms to try, PLAIN first: those asked for, else those configured that are known here.

    Those that send a token are tried where there are no others.
    """
    if choice.mechanisms:
        return choice.mechanisms
    configured = site.config.mechanisms or ("PLAIN",)
    passwords = tuple(one.name for one in MECHANISMS if one.name in configured)
    return passwords or tuple(one.name for one in TOKENS if one.name in configured) or ("PLAIN",)


def _door_ways(found: list[Door], offered: tuple[str, ...], choice: Choice) -> Iterator[Way]:
    """Each door with the first mechanism, each protocol's best secured door with the others.

    At its other secured doors the others are only to be offered: that costs no login.
    """
    for protocol in dict.fromkeys(door.protocol for door in found):
        own = [door for door in found if door.protocol == protocol]
        others = own if choice.every else own[-1:]
        pairs = [(offered[0], door) for door in own]
        pairs += [(name, door) for name in offered[1:] for door in others]
        rest = [door for door in own[:-1] if door.tls != "plain" or own[-1].tls == "plain"]
        unasked = [] if choice.every else [(name, door) for name in offered[1:] for door in rest]
        outside = bool(choice.host) or (protocol == "smtp" and bool(choice.smtp))
        yield from (Way(Layer.DOOR, protocol, name, door, outside=outside) for name, door in pairs)
        yield from (Way(Layer.DOOR, protocol, name, door, unasked=True) for name, door in unasked)


def smtp_doors(site: Site, choice: Choice) -> tuple[Door, ...]:
    """Postfix's: those that were named, else those that were found."""
    if choice.smtp or site.postfix is None or (choice.protocols and "smtp" not in choice.protocols):
        return choice.smtp
    found: list[Door] = []
    for one in site.postfix.asking:
        kinds: tuple[Tls, ...] = (
            ("tls",) if one.wrapped else ("plain", *(("starttls",) if one.starttls else ()))
        )
        where, guarded = choice.host or one.host, bool(choice.host) and not choice.insecure
        found += [Door("smtp", where, one.port, tls, choice.timeout, guarded=guarded) for tls in kinds]
    return tuple(sorted(found, key=lambda door: door.tls == "tls"))


def _absent(site: Site, choice: Choice) -> Iterator[Way]:
    """Protocols that were asked for and are not served; ports that only a proxy may connect to."""
    served = site.listening.protocols if site.listening else ()
    for name in choice.protocols:
        if name in PROTOCOLS and name not in served:
            yield Way(Layer.DOOR, name, "PLAIN", None, f"protocols does not name {name}")
    for name in served if site.listening else ():
        if choice.host or (choice.protocols and name not in choice.protocols):
            continue
        if site.listening and (behind := proxied(site.config.tree, site.listening, name)):
            ports = ", ".join(str(one.port) for one in behind)
            why = f"port {ports} takes connections through HAProxy only (haproxy = yes)"
            yield Way(Layer.DOOR, name, proxied=why)


def _doors(site: Site, choice: Choice) -> Iterator[Door]:
    """What Dovecot listens on: without TLS, with STARTTLS, with TLS from the first byte on."""
    listening = site.listening
    if listening is None:
        return
    tree = site.config.tree
    secured = tree.get("ssl", "yes") != "no"
    for protocol in listening.protocols:
        if choice.protocols and protocol not in choice.protocols:
            continue
        for listener, address in doors(tree, listening, protocol):
            kinds: tuple[Tls, ...] = ("tls",) if listener.tls else ("plain", "starttls")
            for tls in kinds:
                if _wanted(tls, choice) and (secured or tls == "plain"):
                    guarded = bool(choice.host) and not choice.insecure
                    where = choice.host or address
                    yield Door(protocol, where, listener.port, tls, choice.timeout, guarded=guarded)


def _wanted(tls: Tls, choice: Choice) -> bool:
    return not choice.tls or tls in choice.tls


def not_tried(every: tuple[Way, ...]) -> str:
    """One line on the mechanisms that are not tried at each port; "" where there are none."""
    names = ", ".join(dict.fromkeys(way.mechanism for way in every if way.unasked))
    return f"{names}: tried at the best secured port of each protocol; --every: at each." if names else ""
