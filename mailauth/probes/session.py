"""Log in as a mail client does, where auth has taken the login: IMAP or POP3, until the inbox is open.

What runs after auth (the login process, the mail process, its plugins and folders) shows only so.
The inbox is opened to be read, and closed again.
"""

import imaplib
import poplib
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from mailauth.evidence import Logins, MailSession, NotApplicable
from mailauth.evidence.network import ANY, Address, Listening
from mailauth.probes.network import in_network, observe_listening
from mailauth.probes.scene import Scene

_TIMEOUT = 12.0  # seconds for each answer
_MOST = 200  # characters of an answer
_LOOPBACK = {4: "127.0.0.1", 6: "::1"}


@dataclass(frozen=True, slots=True)
class _Door:
    protocol: str
    host: str
    port: int
    tls: bool


Step = tuple[str, str]  # what failed, and what the server said; ("", "") where nothing did


def observe_session(scene: Scene, logins: Logins | None) -> MailSession | NotApplicable:
    """One session on the first listener that there is.  Raises CannotObserve when Dovecot may not be seen."""
    if logins is None or not all(reply.ok for reply in logins.replies) or scene.password is None:
        return NotApplicable(MailSession, "auth did not take the login")
    if any("allow_" in name for case in scene.cases for name in case.record.fields):
        return NotApplicable(MailSession, "the entry decides by the client's address")
    listening = observe_listening(scene)
    if isinstance(listening, NotApplicable):
        return NotApplicable(MailSession, listening.reason)
    door = next(_doors(scene, listening), None)
    if door is None:
        return NotApplicable(MailSession, "no port for IMAP or POP3 is open that takes a client as it is")
    talk = partial(_TALKS[door.protocol], door, scene.user.encode(), scene.password.raw)
    ended = in_network(scene, talk)
    if ended is None:
        return NotApplicable(MailSession, f"{door.protocol} takes no password there")
    return MailSession("a session of our own", f"{door.protocol} {door.host}:{door.port}", *ended)


def _doors(scene: Scene, listening: Listening) -> Iterator[_Door]:
    """Listeners that are open, those without TLS from the first byte on before the others."""
    tree = scene.config.tree
    proxied = {
        one.name
        for block in tree.all("service")
        for one in block.all("inet_listener")
        if one.get("haproxy") == "yes"
    }
    protocols = [one for one in listening.asked if one in _TALKS]
    for protocol in protocols:
        for listener in sorted(listening.of(protocol), key=lambda one: one.tls):
            if listener.name in proxied:
                continue
            for endpoint in listening.open:
                if endpoint.port == listener.port:
                    yield _Door(protocol, _host(endpoint.address), endpoint.port, listener.tls)


def _host(address: Address) -> str:
    return _LOOPBACK[address.version] if address == ANY[address.version] else str(address)


def _unchecked() -> ssl.SSLContext:
    """TLS without a look at the certificate: other rules look at it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _imap(door: _Door, user: bytes, password: bytes) -> Step | None:
    step = "the greeting"
    try:
        if door.tls:
            link: imaplib.IMAP4 = imaplib.IMAP4_SSL(
                door.host, door.port, ssl_context=_unchecked(), timeout=_TIMEOUT
            )
        else:
            link = imaplib.IMAP4(door.host, door.port, timeout=_TIMEOUT)
        try:
            if "LOGINDISABLED" in link.capabilities and "STARTTLS" in link.capabilities:
                step = "STARTTLS"
                link.starttls(_unchecked())
            if "AUTH=PLAIN" not in link.capabilities:
                return None
            step = "AUTHENTICATE PLAIN"
            link.authenticate("PLAIN", lambda _: b"\0%b\0%b" % (user, password))
            step = "EXAMINE INBOX"
            said, told = link.select("INBOX", readonly=True)
            if said != "OK":
                return step, _shown(told[0])
            return "", ""
        finally:
            link.shutdown()
    except (imaplib.IMAP4.error, OSError) as why:
        return step, _shown(why.args[0] if why.args else why)


def _pop3(door: _Door, user: bytes, password: bytes) -> Step | None:
    step = "the greeting"
    try:
        if door.tls:
            link: poplib.POP3 = poplib.POP3_SSL(door.host, door.port, context=_unchecked(), timeout=_TIMEOUT)
        else:
            link = poplib.POP3(door.host, door.port, timeout=_TIMEOUT)
        try:
            offered = link.capa()
            if "USER" not in offered and "STLS" in offered and not door.tls:
                step = "STLS"
                link.stls(_unchecked())
                offered = link.capa()
            if "USER" not in offered:
                return None
            step = "USER and PASS"
            link.user(user.decode())
            link.pass_(password.decode())
            return "", ""
        finally:
            link.close()
    except UnicodeDecodeError:
        return None
    except (poplib.error_proto, OSError) as why:
        return step, _shown(why.args[0] if why.args else why)


def _shown(said: object) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return "".join(char if char.isprintable() else "?" for char in text)[:_MOST]


_TALKS: dict[str, Callable[[_Door, bytes, bytes], Step | None]] = {"imap": _imap, "pop3": _pop3}
