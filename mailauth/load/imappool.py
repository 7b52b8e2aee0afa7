"""Logins by IMAP: each a connection of its own, LOGIN, and LOGOUT.

Source: RFC 9051 6.2.3 (LOGIN), 7.1 (response codes), RFC 5530 (UNAVAILABLE, AUTHENTICATIONFAILED, LIMIT).
"""

import asyncio
import errno
import os
import re
import socket
import ssl
from contextlib import suppress

from mailauth.clients.door import leaves, unchecked
from mailauth.clients.listening import stranger
from mailauth.errors import CannotObserve
from mailauth.load.plan import ImapTarget, on_this_machine
from mailauth.load.pool import Batch, Bounds, Flying, Pool, now
from mailauth.load.tally import REFUSED, LoadTally
from mailauth.load.users import Mix

_GREETING_SECONDS = 10.0
_LOGOUT_SECONDS = 5.0
_MOST = 65536
_SENT_ON = "the hosts file or a packet filter leads to another machine; name that one by --host"
_CODE = re.compile(rb"\[([A-Z-]+)")


class ImapPool(Pool):
    """Connects for each login."""

    def __init__(self, target: ImapTarget, mix: Mix, bounds: Bounds) -> None:
        super().__init__(bounds)
        self._target = target
        self._users = [_literal(one.user.encode("utf-8", "surrogateescape")) for one in mix.accounts]
        self._passwords = [_literal(one.password.raw) for one in mix.accounts]
        self._wrong = _literal(mix.wrong_password.raw)
        self._guess = mix.guess if bounds.guessing else None
        self._sources = list(bounds.sources)
        self._tls = _context(target) if target.tls else None
        self._here = on_this_machine(target)
        self._flying: dict[int, tuple[Flying, asyncio.Task[None]]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._number = 0

    async def open(self) -> None:
        try:
            async with asyncio.timeout(_GREETING_SECONDS):
                reader, writer = await self._connect(0)
                greeting = await reader.readline()
                if self._here and leaves(writer.get_extra_info("socket")):
                    raise self._wrong_server(writer, _SENT_ON)
                writer.close()
        except TimeoutError:
            hint = "" if self._tls else "; a port for TLS wants --tls"
            raise CannotObserve(f"{self._name}: no IMAP greeting came within 10 seconds{hint}.") from None
        except OSError as why:
            if self.gone:
                raise CannotObserve(f"{self._name}: {self.gone}; no password was sent.") from None
            raise CannotObserve(f"{self._name}: cannot be connected to ({_told(why)}).") from None
        if not greeting.startswith(b"* OK"):
            raise CannotObserve(f"{self._name}: does not greet as an IMAP server does.")

    async def close(self) -> None:
        self.give_up(float("inf"), "the load had ended")
        await asyncio.gather(*self._leaving, return_exceptions=True)

    @property
    def _name(self) -> str:
        return f"imap {self._target.host}:{self._target.port}"

    @property
    def flying(self) -> int:
        return len(self._flying)

    @property
    def room(self) -> int:
        return self.in_flight - len(self._flying)

    def send(self, batch: Batch, tally: LoadTally) -> None:
        moment = now()
        for index, wrong, due in batch:
            self._number += 1
            one = Flying(min(due, moment), moment, wrong, self._number, tally)
            task = asyncio.ensure_future(self._login(one, index))
            self._flying[one.number] = (one, task)
            tally.lag.add(moment - due)
            tally.sent += 1

    def waiting_since(self, due: float) -> int:
        return sum(one.due < due for one, _ in self._flying.values())

    def give_up(self, before: float, reason: str) -> None:
        for one, task in [pair for pair in self._flying.values() if pair[0].sent <= before]:
            self._lose(one, reason)
            task.cancel()

    async def _login(self, one: Flying, index: int) -> None:
        writer = None
        try:
            reader, writer = await self._connect(one.number)
            password = self._wrong if one.wrong else self._passwords[index]
            if one.wrong and self._guess:
                password = _literal(self._guess(one.number).raw)
            if not (await reader.readline()).startswith(b"* OK"):
                self._lose(one, "no IMAP greeting")
                return
            for text in (b"a LOGIN " + self._users[index][0], self._users[index][1] + b" " + password[0]):
                writer.write(text + b"\r\n")
                if not (await reader.readline()).startswith(b"+"):
                    self._lose(one, "LOGIN was not taken")
                    return
            writer.write(password[1] + b"\r\n")
            while (line := await reader.readline()).startswith(b"*") and not line.startswith(b"* BYE"):
                pass
            self._answered(one, line)
            await self._leave(reader, writer)
        except (OSError, asyncio.IncompleteReadError, ValueError) as why:
            self._lose(one, _told(why).lower() if isinstance(why, OSError) else "the connection was broken")
        finally:
            if writer:
                writer.close()

    def _answered(self, one: Flying, line: bytes) -> None:
        if not line.startswith((b"a OK", b"a NO", b"a BAD")):
            self._lose(one, "the server said BYE" if line else "the connection was closed")
            return
        if self._flying.pop(one.number, None) is None:
            return
        one.tally.last = now()
        ok = line.startswith(b"a OK")
        reason = "" if ok else _reason(line)
        one.tally.answer(one.number, ok=ok, wrong=one.wrong, reason=reason, took=now() - one.due)
        self.on_room()

    def _lose(self, one: Flying, reason: str) -> None:
        if self._flying.pop(one.number, None) is not None:
            one.tally.lose(one.number, reason)
            self.on_room()

    async def _leave(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Log out; this is not part of the login's time."""
        task = asyncio.current_task()
        assert task
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
        writer.write(b"b LOGOUT\r\n")
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOGOUT_SECONDS):
                await reader.read(_MOST)

    async def _connect(self, number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        source = (self._sources[number % len(self._sources)], 0) if self._sources else None
        reader, writer = await asyncio.open_connection(
            self._target.host, self._target.port, ssl=self._tls, local_addr=source, limit=_MOST
        )
        if self._here and stranger(self._target.port, self._target.ours) is not None:
            raise self._wrong_server(writer, "another user's process took Dovecot's port")
        return reader, writer

    def _wrong_server(self, writer: asyncio.StreamWriter, why: str) -> OSError:
        """To be raised: nothing more is sent."""
        self.gone = why
        writer.close()
        return ConnectionRefusedError(errno.ECONNREFUSED, why)


def _told(why: OSError) -> str:
    """The system's words: asyncio puts its own, with the address, in their place."""
    if isinstance(why, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {why.verify_message}"
    if isinstance(why, ssl.SSLError):
        return "TLS is not spoken there, or not like this: " + (why.reason or "?").lower().replace("_", " ")
    if isinstance(why, socket.gaierror) or not why.errno:
        return why.strerror or str(why) or "the connection was broken"
    return os.strerror(why.errno)


def _reason(line: bytes) -> str:
    code = _CODE.search(line)
    name = code[1].decode() if code else "NO" if line.startswith(b"a NO") else "BAD"
    return REFUSED if name == "AUTHENTICATIONFAILED" else name


def _literal(text: bytes) -> tuple[bytes, bytes]:
    """A literal's announcement and its bytes: any byte may be in it, which a quoted string forbids."""
    return b"{%d}" % len(text), text


def _context(target: ImapTarget) -> ssl.SSLContext:
    """Certificates are checked, but for a server on this machine, whose name is not 127.0.0.1.

    As mail clients check them: from 3.13 on Python would refuse an authority that lacks extensions.
    """
    if on_this_machine(target):
        return unchecked()
    context = ssl.create_default_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
