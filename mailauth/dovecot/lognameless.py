"""What clients did that left without a name: no login of theirs failed, and none was tried.  Pure.

Source of the words: client-common.c client_get_extra_disconnect_reason() and src/imap-login,
src/pop3-login, Dovecot 2.3.19.1 and 2.4.1; those of a TLS handshake are OpenSSL's own.
"""

from collections.abc import Iterable
from datetime import datetime

from mailauth.dovecot.logs import LogEvent
from mailauth.dovecot.messages import LogKind
from mailauth.records import dataclass

_MOST = 2000  # addresses with what they did
_NO_TLS = "spoke no TLS on a port that wants it"
_CHECKUP = "mailauth checkup"
# Words of the line, what they come to, and the command that says more.
_DID: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("wrong version number", "http request", "https proxy request"), _NO_TLS, _CHECKUP),
    (
        ("unknown ca", "certificate unknown", "bad certificate", "certificate expired", "unknown_ca"),
        "refused the certificate in the TLS handshake",
        "mailauth explain NET003",
    ),
    (
        ("unsupported protocol", "no shared cipher", "version too low", "no suitable", "protocol version"),
        "found no TLS version or cipher in common",
        _CHECKUP,
    ),
    (("SSL_accept", "SSL handshake", "TLS handshak"), "broke off the TLS handshake", _CHECKUP),
    (("Too many",), "sent commands of another protocol", _CHECKUP),
    (("before auth was ready",), "left before auth was ready", _CHECKUP),
    (("didn't finish SASL auth",), "began to log in, and did not finish", "mailauth explain AUTH003"),
    (("no auth attempts",), "connected, and did not try to log in", "mailauth explain AUTH002"),
)


@dataclass(frozen=True, slots=True)
class NamelessRow:
    """What one address did, how often; ``following``: the command that says more."""

    address: str
    times: int
    did: str
    following: str
    first: str
    last: str


@dataclass(slots=True)
class Nameless:
    """How often one address did one of these."""

    times: int = 0
    first: datetime | None = None
    last: datetime | None = None


def of(event: LogEvent) -> int | None:
    """Which of the table's lines; None where the line is of a client with a name, or of no client."""
    if event.kind is not LogKind.OTHER or event.user or not event.ip or not event.process.endswith("-login"):
        return None
    found = (at for at, (words, _, _) in enumerate(_DID) if any(one in event.text for one in words))
    return next(found, None)


def add(table: dict[tuple[str, int], Nameless], event: LogEvent) -> None:
    """Count it; of more addresses than are kept none is counted."""
    at = of(event)
    if at is None or ((event.ip, at) not in table and len(table) >= _MOST):
        return
    one = table.setdefault((event.ip, at), Nameless())
    one.times += 1
    if event.when is not None:
        one.first, one.last = one.first or event.when, event.when


def rows(table: dict[tuple[str, int], Nameless], most: int) -> list[NamelessRow]:
    """Those who did it most often."""
    ranked: Iterable[tuple[tuple[str, int], Nameless]] = sorted(table.items(), key=lambda one: -one[1].times)
    return [
        NamelessRow(ip, one.times, *_DID[at][1:], _shown(one.first), _shown(one.last))
        for (ip, at), one in list(ranked)[:most]
    ]


def _shown(when: datetime | None) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S}" if when else ""
