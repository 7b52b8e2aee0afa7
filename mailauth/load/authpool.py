"""Logins at the auth socket: many requests at once on each of a few connections.

Source: Dovecot 2.3.19.1 and 2.4.1, doc "Authentication Protocol v1.2"; src/auth/auth-client-connection.c
(several AUTH with different IDs may be under way on a connection), src/auth/main.c (auth_die: after a
reload the old auth process goes on until its clients disconnect), src/master/service.c
(SERVICE_DIE_TIMEOUT_MSECS: after six seconds it gets SIGTERM).
"""

import asyncio
import base64
import secrets
import socket
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import stamina
import stamina.instrumentation

from mailauth import digits
from mailauth.dovecot import inroot
from mailauth.errors import CannotObserve
from mailauth.hashes import Password
from mailauth.load.pool import Batch, Bounds, Flying, Pool, now
from mailauth.load.tally import REFUSED, LoadTally
from mailauth.load.users import Mix
from mailauth.oserrors import unseen

_GREETING_SECONDS = 10.0
_RENEW_SECONDS = 2.0  # six seconds after a reload the master ends what has not gone by itself
_BACK_SECONDS = 60.0  # how long a server may be away before the load ends
_MAX_LINE = 65536


class AuthPool(Pool):
    """Connections to ``path``, an auth-client socket.  no-penalty is sent unless penalties are wanted.

    Each connection is renewed every few seconds, as login processes come and go: otherwise a load
    would keep the old auth process alive after a ``doveadm reload``, and measure that.
    """

    def __init__(self, path: Path, mix: Mix, bounds: Bounds, connections: int) -> None:
        super().__init__(bounds)
        self.path = path
        self._connections = connections
        self._run = secrets.token_hex(4).encode()
        self._accounts = [_response(one.user, one.password) for one in mix.accounts]
        self._users = [one.user for one in mix.accounts]
        self._wrong = [_response(user, mix.wrong_password) for user in self._users]
        self._guess = mix.guess if bounds.guessing else None
        self._waived = b"" if bounds.penalties else b"\tno-penalty"
        self._sources = [f"\trip={source}".encode() for source in bounds.sources] or [b""]
        self._links: list[_Link] = []
        self._retired: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._number = 0
        self._turn = 0
        self._flying = 0
        self._closed = False

    async def open(self) -> None:
        for _ in range(self._connections):
            self._links.append(await self._connect())

    async def close(self) -> None:
        self._closed = True
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for link in (*self._links, *self._retired):
            link.lose_all("the load had ended")
            link.close()

    @property
    def flying(self) -> int:
        return self._flying

    @property
    def room(self) -> int:
        return self.in_flight - self._flying if self._links else 0

    def send(self, batch: Batch, tally: LoadTally) -> None:
        moment = now()
        links = self._links
        lines: list[list[bytes]] = [[] for _ in links]
        number, turn, sources = self._number, self._turn, self._sources
        for index, wrong, due in batch:
            number += 1
            turn = (turn + 1) % len(links)
            links[turn].flying[number] = Flying(min(due, moment), moment, wrong, number, tally)
            response = self._wrong[index] if wrong else self._accounts[index]
            if wrong and self._guess:
                response = _response(self._users[index], self._guess(number))
            lines[turn].append(
                b"AUTH\t%d\tPLAIN\tservice=imap\tsecured%b\tsession=load%b%x%b\tresp=%b\n"
                % (number, self._waived, self._run, number, sources[number % len(sources)], response)
            )
            tally.lag.add(moment - due)
        self._number, self._turn = number, turn
        tally.sent += len(batch)
        self._flying += len(batch)
        for link, text in zip(links, lines, strict=True):
            if text:
                link.write(b"".join(text))

    def waiting_since(self, due: float) -> int:
        return sum(one.due < due for link in (*self._links, *self._retired) for one in link.flying.values())

    def give_up(self, before: float, reason: str) -> None:
        for link in (*self._links, *self._retired):
            old = []
            for one in link.flying.values():  # in the order of sending
                if one.sent > before:
                    break
                old.append(one)
            for one in old:
                del link.flying[one.number]
                self.over()
                one.tally.lose(one.number, reason)
            if old and link in self._retired and not link.flying:
                link.close()

    def renew(self) -> None:
        if self._tasks:
            return  # the last ones are still being renewed, or the server is away
        old = [link for link in self._links if now() - link.since > _RENEW_SECONDS]
        for link in old[: max(1, self._connections // 2)]:
            self._start(self._replace(link))

    # What a link tells

    def over(self) -> None:
        self._flying -= 1

    def is_lost(self, link: "_Link") -> None:
        self._retired.discard(link)
        if link in self._links:
            self._links.remove(link)
            if not self._closed:
                self._start(self._reopen())
        self.on_room()

    # Connections come and go

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _replace(self, old: "_Link") -> None:
        with suppress(CannotObserve):  # the old one goes on
            new = await self._connect()
            if old not in self._links:  # it was lost meanwhile, and another is on its way
                new.close()
                return
            self._links[self._links.index(old)] = new
            if old.flying:
                self._retired.add(old)
                old.retired = True
            else:
                old.close()

    async def _reopen(self) -> None:
        stamina.instrumentation.set_on_retry_hooks(())  # it would print; what comes of it is counted
        try:
            async for attempt in stamina.retry_context(
                on=CannotObserve, attempts=None, timeout=_BACK_SECONDS, wait_initial=0.01, wait_max=0.25
            ):
                with attempt:
                    self._links.append(await self._connect())
        except CannotObserve as why:
            if not self._links:
                self.gone = str(why)
        self.on_room()

    async def _connect(self) -> "_Link":
        loop = asyncio.get_running_loop()
        link = _Link(self)
        try:
            await asyncio.to_thread(link.reach, self.path)
            await loop.create_unix_connection(lambda: link, sock=link.socket)
            await asyncio.wait_for(link.greeted, _GREETING_SECONDS)
        except TimeoutError:
            link.close()
            silent = OSError(0, f"no greeting within {_GREETING_SECONDS:.0f} seconds")
            raise unseen(str(self.path), silent, "the auth socket does not answer") from None
        except OSError as why:
            link.close()
            raise unseen(str(self.path), why, "the auth socket does not answer") from None
        except BaseException:  # the load has ended meanwhile
            link.close()
            raise
        return link


class _Link(asyncio.Protocol):
    """One connection."""

    def __init__(self, pool: AuthPool) -> None:
        self.flying: dict[int, Flying] = {}
        self.retired = False
        self.since = now()
        self.greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pool = pool
        self.socket: socket.socket | None = None
        self._closed = False
        self._transport: asyncio.Transport | None = None
        self._rest = b""

    def reach(self, path: Path) -> None:
        """Connect, in a thread: nobody may be waiting for it any more when it is done."""
        self.socket = connected(path)
        if self._closed:
            self.socket.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        # Dovecot wants another PID of each connection (2.3 auth-client-connection.c, "CPID").
        transport.write(b"VERSION\t1\t2\nCPID\t%d\n" % (secrets.randbits(30) + 1))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if not self.greeted.done():
            self.greeted.set_exception(OSError(0, "it closed the connection"))
            self.greeted.exception()  # nobody may be waiting for it any more
        self.lose_all("the connection was closed")
        self._pool.is_lost(self)

    def write(self, text: bytes) -> None:
        if self._transport:
            self._transport.write(text)

    def close(self) -> None:
        self._closed = True
        if self._transport:
            self._transport.close()
        elif self.socket:
            self.socket.close()

    def lose_all(self, reason: str) -> None:
        lost = list(self.flying.values())
        self.flying.clear()
        for one in lost:
            self._pool.over()
            one.tally.lose(one.number, reason)

    def data_received(self, data: bytes) -> None:
        moment = now()
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        flying = self.flying
        for line in lines:
            kind, _, rest = line.partition(b"\t")
            if kind in {b"OK", b"FAIL"}:
                text, _, fields = rest.partition(b"\t")
                one = None if (sent := digits.number(text)) is None else flying.pop(sent, None)
                if one is None:
                    self._pool.late += 1
                    continue
                self._pool.over()
                ok = kind == b"OK"
                one.tally.last = moment
                one.tally.answer(
                    one.number,
                    ok=ok,
                    wrong=one.wrong,
                    reason="" if ok else _reason(fields),
                    took=moment - one.due,
                )
            elif kind == b"DONE" and not self.greeted.done():
                self.greeted.set_result(None)
        if len(self._rest) > _MAX_LINE:
            self.close()
        if self.retired and not flying:
            self.close()
        self._pool.on_room()


def _reason(fields: bytes) -> str:
    """Dovecot's code of a FAIL; without one it is a password that is not right, or a user not there."""
    for field in fields.split(b"\t"):
        if field.startswith(b"code="):
            return field[5:].decode("ascii", "replace")
    return REFUSED


def _response(user: str, password: Password) -> bytes:
    return base64.b64encode(b"\0" + user.encode("utf-8", "surrogateescape") + b"\0" + password.raw)


def connected(path: Path) -> socket.socket:
    """To be written to and read without waiting.  Raises OSError."""
    found = socket.socket(socket.AF_UNIX)
    try:
        found.settimeout(_GREETING_SECONDS)
        inroot.connect(found, path)
        found.setblocking(False)
    except BaseException:
        found.close()
        raise
    return found
