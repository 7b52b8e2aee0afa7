"""SASL mechanisms that take a password, from the client's side.

Source: RFC 4616 (PLAIN), RFC 2195 (CRAM-MD5), RFC 5802 and 7677 (SCRAM, by the library scramp),
draft-murchison-sasl-login-00 (LOGIN); RFC 7628 (OAUTHBEARER), and Dovecot 2.3.19.1 src/auth/mech-oauth2.c
(XOAUTH2), where the password is a token.
"""

import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from mailauth.later import import_now, later
from mailauth.records import dataclass

if TYPE_CHECKING:
    import scramp
else:
    scramp = later("scramp")  # 20 ms


class CannotSayError(ValueError):
    """What this mechanism cannot carry (a password that is no UTF-8), or what a server cannot mean."""


class Exchange(Protocol):
    """One authentication: the client's answers, in turn.  ``answer(None)`` begins.

    Raises CannotSayError when the server's word is not what the mechanism has it say: a false signature, too.
    """

    def answer(self, challenge: bytes | None) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Mechanism:
    """``begins``: the client speaks first; ``sends_password``: as it is, so that TLS is asked for."""

    name: str
    start: Callable[[str, bytes], Exchange]
    begins: bool
    sends_password: bool


def load(mechanism: Mechanism) -> None:
    """Import what it needs: to be called before a fork."""
    if mechanism.name.startswith("SCRAM-"):
        import_now(scramp)


class _Plain:
    def __init__(self, user: str, password: bytes) -> None:
        self._message = b"\0" + user.encode("utf-8", "surrogateescape") + b"\0" + password

    def answer(self, challenge: bytes | None) -> bytes:  # noqa: ARG002 - it never depends on what was said
        return self._message


class _Login:
    def __init__(self, user: str, password: bytes) -> None:
        self._answers = [password, user.encode("utf-8", "surrogateescape")]

    def answer(self, challenge: bytes | None) -> bytes:  # noqa: ARG002 - "Username:" and "Password:"
        if not self._answers:
            raise CannotSayError("LOGIN: the server asks for a third answer")
        return self._answers.pop()


class _CramMd5:
    def __init__(self, user: str, password: bytes) -> None:
        self._user, self._password = user.encode("utf-8", "surrogateescape"), password

    def answer(self, challenge: bytes | None) -> bytes:
        digest = hmac.new(self._password, challenge or b"", "md5").hexdigest()
        return self._user + b" " + digest.encode()


class _Scram:
    def __init__(self, name: str, user: str, password: bytes) -> None:
        try:
            self._client = scramp.ScramClient([name], user, password.decode())
        except UnicodeDecodeError:
            raise CannotSayError(f"{name} takes UTF-8 only, and the password is not") from None
        self._name, self._step = name, 0

    def answer(self, challenge: bytes | None) -> bytes:
        self._step += 1
        said = (challenge or b"").decode("utf-8", "replace")
        try:
            if self._step == 1:
                return bytes(self._client.get_client_first().encode())
            if self._step == 2:
                self._client.set_server_first(said)
                return bytes(self._client.get_client_final().encode())
            self._client.set_server_final(said)
        except (scramp.ScramException, ValueError) as why:
            raise CannotSayError(f"{self._name}: the server's answer is not right ({why})") from None
        return b""


class _Token:
    """The token; and after a refusal, which comes as JSON, the word that ends the exchange."""

    def __init__(self, message: bytes, after: bytes) -> None:
        self._answers = [after, message]

    def answer(self, challenge: bytes | None) -> bytes:  # noqa: ARG002 - it never depends on what was said
        return self._answers.pop() if self._answers else b""


def _xoauth2(user: str, password: bytes) -> Exchange:
    name = user.encode("utf-8", "surrogateescape")
    return _Token(b"user=%b\x01auth=Bearer %b\x01\x01" % (name, password), b"")


def _oauthbearer(user: str, password: bytes) -> Exchange:
    name = user.encode("utf-8", "surrogateescape").replace(b"=", b"=3D").replace(b",", b"=2C")
    return _Token(b"n,a=%b,\x01auth=Bearer %b\x01\x01" % (name, password), b"\x01")


def _scram(name: str) -> Mechanism:
    return Mechanism(name, lambda user, password: _Scram(name, user, password), True, sends_password=False)


MECHANISMS: tuple[Mechanism, ...] = (
    Mechanism("PLAIN", _Plain, True, sends_password=True),
    Mechanism("LOGIN", _Login, False, sends_password=True),
    Mechanism("CRAM-MD5", _CramMd5, False, sends_password=False),
    _scram("SCRAM-SHA-1"),
    _scram("SCRAM-SHA-256"),
)
PLAIN = MECHANISMS[0]
# The password is a token, so that no password is ever tried by one of these.
TOKENS: tuple[Mechanism, ...] = (
    Mechanism("XOAUTH2", _xoauth2, True, sends_password=True),
    Mechanism("OAUTHBEARER", _oauthbearer, True, sends_password=True),
)


def find(name: str) -> Mechanism | None:
    """The mechanism of that name, in any case of letters; None: it is not known here."""
    return next((one for one in (*MECHANISMS, *TOKENS) if one.name == name.upper()), None)
