"""The service's ear: Dovecot's auth policy reports, over HTTP on loopback.

Dovecot reports a login after it has answered the client, and does not wait for us: nothing that happens
here can make a login fail or slow.  So the answer comes at once, and the work is done later.

Source: Dovecot 2.3.19.1 and 2.4.1 src/auth/auth-policy.c (auth_policy_report), auth-request-handler.c.
"""

import hmac
from collections.abc import Callable
from dataclasses import field

import msgspec

from mailauth.dovecot.ours import ON_LOGIN_HEADER
from mailauth.listening.http import HttpRequest, Response
from mailauth.listening.repeats import Repeats
from mailauth.migrate.rehash import Rehashed
from mailauth.records import dataclass

_JSON = (("Content-Type", "application/json"),)
_GO_ON = Response(200, b'{"status":0,"msg":""}', _JSON)  # what a policy server says to let a login go on
_REFUSED = Response(403, b"{}", (*_JSON, ("Connection", "close")))


class Report(msgspec.Struct):
    """What Dovecot reports of one login.  ``sealed`` is ciphertext."""

    user: str = ""
    sealed: str = ""
    mac: str = ""
    master: str = ""
    login: str = ""
    service: str = ""
    success: bool = False
    policy_reject: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """A successful login whose password came along, sealed.

    ``user``: as the passdb returned it; ``login``: as the client sent it, by which it is looked up again.
    """

    user: str
    sealed: str = field(repr=False)
    mac: str = field(repr=False)
    login: str = ""
    service: str = ""


@dataclass(slots=True)
class Receiver:
    """Takes reports, checks the token, and hands each successful login to ``take``."""

    token: str = field(repr=False)
    take: Callable[[Heard], None]
    say: Repeats
    count: Callable[[Rehashed], None]  # of what is not taken: every request comes to something

    def answer(self, asked: HttpRequest) -> Response:
        """The report is taken before the answer: Dovecot may have given up waiting for it."""
        given = asked.header(ON_LOGIN_HEADER.lower().encode()).strip()
        if not hmac.compare_digest(given, f"key={self.token}".encode()):
            self.say("a request without our token", "a request without our token was refused")
            self.count(Rehashed.REFUSED)
            return _REFUSED
        if asked.method == b"POST" and b"command=report" in asked.target:
            self._heard(asked.body)
        return _GO_ON

    def _heard(self, body: bytes) -> None:
        try:
            report = msgspec.json.decode(body, type=Report)
        except msgspec.DecodeError:
            self.count(Rehashed.REFUSED)
            return
        if not report.success or report.policy_reject or report.master:
            self.count(Rehashed.NO_LOGIN)
        elif not report.user or not report.sealed:
            self.count(Rehashed.NOT_OURS)
        else:
            self.take(Heard(report.user, report.sealed, report.mac, report.login, report.service))
