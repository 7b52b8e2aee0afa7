"""Log in as a mail client does, where auth has taken the login: IMAP or POP3, until the inbox is open.

What runs after auth (the login process, the mail process, its plugins and folders) shows only so.
The inbox is opened to be read, and closed again.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from mailauth.clients.door import Answer, Door, Step, Told
from mailauth.clients.sasl import Mechanism
from mailauth.clients.talk import converse, prepare
from mailauth.dovecot.entering import users_of
from mailauth.errors import CannotObserve
from mailauth.evidence import Logins, MailSession, NotApplicable
from mailauth.evidence.network import Listening
from mailauth.probes.doors import doors
from mailauth.probes.network import in_network, observe_listening
from mailauth.probes.real_login import mechanism_of
from mailauth.probes.scene import Scene

_PROTOCOLS = ("imap", "pop3")
# What a step is called where it fails, in each protocol's own words.
_STEPS = {
    ("imap", Step.TLS): "STARTTLS",
    ("imap", Step.AUTH): "AUTHENTICATE",
    ("imap", Step.MAIL): "EXAMINE INBOX",
    ("pop3", Step.TLS): "STLS",
    ("pop3", Step.AUTH): "AUTH",
    ("pop3", Step.MAIL): "STAT",
}


def observe_session(scene: Scene, logins: Logins | None) -> MailSession | NotApplicable:
    """One session on the first listener that there is.  Raises CannotObserve when Dovecot may not be seen."""
    if logins is None or not all(reply.ok for reply in logins.replies) or scene.password is None:
        return NotApplicable(MailSession, "auth did not take the login")
    if scene.road and scene.road.by_address:
        return NotApplicable(MailSession, "the entry decides by the client's address")
    listening = observe_listening(scene)
    if isinstance(listening, NotApplicable):
        return NotApplicable(MailSession, listening.reason)
    told, mechanism, its = None, mechanism_of(scene), users_of(scene.dovecot.pid)
    for door in _doors(scene, listening):
        if told is not None and door.tls != "starttls":
            break
        prepare(door, mechanism)
        its_own = replace(door, ours=door.ours | its)
        told = in_network(scene, partial(converse, its_own, mechanism, scene.user, scene.password.raw), Told)
        if told.answer is Answer.NOT_TRIED:
            raise CannotObserve(f"{door}: {told.said}; no password was sent.")
        if told.answer is not Answer.NOT_OFFERED:
            return _session(door, told, mechanism, scene)
    if told is None:
        return NotApplicable(MailSession, "no port for IMAP or POP3 is open that takes a client as it is")
    return NotApplicable(MailSession, f"{door.protocol} takes no password there")


def _other_client(scene: Scene, door: Door) -> str:
    """Auth said yes and no to the same password: it was asked about two clients."""
    asked = f"{scene.service} from {scene.address or 'no address'}"
    return (
        f"auth takes the login of {asked}, and refuses it in our own session on {door} (from this machine,"
        f" TLS: {door.tls}): service, address or TLS decide; only the client's own login shows it."
    )


def _session(door: Door, told: Told, mechanism: Mechanism, scene: Scene) -> MailSession | NotApplicable:
    ended_at = "" if told.answer is Answer.IN else _STEPS.get((door.protocol, told.step), "the greeting")
    if ended_at and told.step in (Step.AUTH, Step.MAIL) and scene.address not in ("", door.host):
        return NotApplicable(MailSession, f"a session of our own is not one from {scene.address}")
    if told.answer is Answer.REFUSED and told.step is Step.AUTH:
        raise CannotObserve(_other_client(scene, door))
    ended_at += f" {mechanism.name}" if told.step is Step.AUTH and ended_at else ""
    return MailSession("a session of our own", str(door), ended_at, told.said)


def _doors(scene: Scene, listening: Listening) -> Iterator[Door]:
    """Listeners that are open; with STARTTLS next, for where that must come before the password."""
    secured = scene.config.tree.get("ssl", "yes") != "no"
    opened = {endpoint.port for endpoint in listening.open}
    for protocol in listening.asked:
        if protocol not in _PROTOCOLS:
            continue
        for listener, address in doors(scene.config.tree, listening, protocol):
            if listener.port in opened:
                yield Door(protocol, address, listener.port, "tls" if listener.tls else "plain")
                if secured and not listener.tls:
                    yield Door(protocol, address, listener.port, "starttls")
