"""Dovecot's auth-client protocol: what imap-login speaks to ask whether a password is right.

Source: Dovecot 2.3.19.1 and 2.4.1, doc "Authentication Protocol v1.2"; src/auth/auth-client-connection.c.
"""

import base64
import contextlib
import itertools
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from mailauth.dovecot import entering, inroot, processes
from mailauth.errors import CannotObserve, NoAnswerInTime
from mailauth.oserrors import unseen
from mailauth.records import dataclass

_MAX_LINE, _MAX_LINES = 8192, 1000
_SECURED = ("secured",)


@dataclass(frozen=True, slots=True)
class AuthReply:
    """The answer to one authentication: ``ok``, the reply's fields, and how long it took (seconds)."""

    ok: bool
    fields: tuple[str, ...]
    seconds: float

    @property
    def code(self) -> str:
        """Dovecot's reason: "temp_fail", "authz_fail", "user_disabled", "pass_expired", or ""."""
        return next((f.removeprefix("code=") for f in self.fields if f.startswith("code=")), "")


class NotDovecots(CannotObserve):
    """Another user's process listens there: no password is for it."""


class AuthSocket:
    """A connection to Dovecot's ``auth-client`` socket.

    Raises CannotObserve when the socket is absent, forbidden, silent, or not Dovecot's; NotDovecots, before
    anything is sent, where it is neither root's, nor of who calls, nor of the Dovecot in whose root it is.
    Use the socket named ``auth-client``: a login socket keeps a success waiting for a master request.
    """

    _connections = itertools.count()

    def __init__(self, path: Path, timeout: float = 90.0) -> None:
        self._path = path
        self._requests = 0
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        self.greeting: tuple[str, ...] = ()
        self._file = self._socket.makefile("rwb")
        try:
            inroot.connect(self._socket, path)
            self._refuse_others()
            # A process may hold several connections; Dovecot wants each to show another PID.
            client = os.getpid() + (next(self._connections) << 22)
            self._send(f"VERSION\t1\t2\nCPID\t{client & 0x7FFFFFFF}\n")
            self.greeting = self._greeted(time.monotonic() + timeout)
        except OSError as why:
            self.close()
            raise unseen(str(path), why, "the auth socket does not answer") from why
        except CannotObserve:
            self.close()
            raise

    def _refuse_others(self) -> None:
        _, user = processes.peer(self._socket)
        if user not in {0, os.geteuid()} | entering.users_of(inroot.process_of(self._path)):
            raise NotDovecots(
                f"{self._path}: a process of user {user} listens there, not root's Dovecot, and nothing was"
                " sent; if it is your Dovecot, name it by --pid."
            )

    def _greeted(self, until: float) -> tuple[str, ...]:
        lines: list[str] = []
        while not lines or lines[-1] != "DONE":
            if len(lines) >= _MAX_LINES or time.monotonic() > until:
                raise CannotObserve(f"{self._path}: what listens there is no auth of Dovecot's.")
            lines.append(self._line())
        return tuple(lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # what was still to be sent is of no use now
            self._file.close()
        self._socket.close()

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The SASL mechanisms that the server offers, as it names them."""
        return tuple(line.split("\t")[1] for line in self.greeting if line.startswith("MECH\t"))

    def plain(
        self,
        user: str,
        password: bytes,
        *,
        service: str = "imap",
        penalty: bool = False,
        address: str = "",
        client: tuple[str, ...] = _SECURED,
    ) -> AuthReply:
        """Ask with SASL PLAIN whether ``password`` is right for ``user``, who is at ``address``.

        ``penalty`` lets a failure count towards Dovecot's auth penalty for this client; ``client`` is what
        else a login process says of the connection ("secured=tls", "lport=993").
        Raises CannotObserve when the server goes away or does not answer in time.
        """
        message = b"\0" + user.encode() + b"\0" + password
        return self.authenticate(
            "PLAIN", lambda _: message, service=service, penalty=penalty, address=address, client=client
        )

    def authenticate(
        self,
        mechanism: str,
        answer: Callable[[bytes | None], bytes],
        *,
        begins: bool = True,
        service: str = "imap",
        penalty: bool = False,
        address: str = "",
        client: tuple[str, ...] = _SECURED,
    ) -> AuthReply:
        """Ask with any SASL mechanism: ``answer`` is given each challenge, and None where the client begins.

        Raises CannotObserve as ``plain`` does, and whatever ``answer`` raises.
        """
        self._requests += 1
        number = str(self._requests)
        words = ["AUTH", number, mechanism, f"service={service}", *client]
        if address:
            words.append(f"rip={address}")
        if not penalty:
            words.append("no-penalty")
        if begins:
            words.append(f"resp={base64.b64encode(answer(None)).decode()}")  # must be the last
        began = time.monotonic()
        try:
            self._send("\t".join(words) + "\n")
            for _ in range(_MAX_LINES):
                kind, *rest = self._line().split("\t")
                if not rest or rest[0] != number:
                    continue
                if kind == "CONT":
                    said = answer(self._challenge(rest[1] if len(rest) > 1 else ""))
                    self._send(f"CONT\t{number}\t{base64.b64encode(said).decode()}\n")
                elif kind in ("OK", "FAIL"):
                    fields = tuple(field for field in rest[1:] if field)
                    return AuthReply(kind == "OK", fields, time.monotonic() - began)
            raise CannotObserve(f"{self._path}: auth answers everything but what was asked.")
        except TimeoutError as why:
            waited = time.monotonic() - began
            raise NoAnswerInTime(f"{self._path}: auth did not answer within {waited:.0f} s.") from why
        except OSError as why:
            raise CannotObserve(f"{self._path}: the auth process stopped answering ({why}).") from why

    def _challenge(self, told: str) -> bytes:
        try:
            return base64.b64decode(told)
        except ValueError:
            raise CannotObserve(
                f"{self._path}: what listens there does not speak Dovecot's auth protocol (a challenge is no"
                " base64)."
            ) from None

    def _send(self, text: str) -> None:
        self._file.write(text.encode())
        self._file.flush()

    def _line(self) -> str:
        line = self._file.readline(_MAX_LINE)
        if not line.endswith(b"\n"):
            raise CannotObserve(f"{self._path}: the auth process closed the connection.")
        return line.decode("utf-8", "replace").rstrip("\n")
