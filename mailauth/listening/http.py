"""An HTTP server for few and small requests, that nobody can stop by connecting to it.

One thread; each connection is a task with an end: so many in all and of one peer, so many bytes, so many
seconds for a request and between two.  Where there are too many, the one that has been quiet for longest is
closed, of the peer that has most: a new one is always heard.

Source: RFC 9112, by h11; accept(2).
"""

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import field
from ipaddress import IPv6Address, IPv6Network, ip_address

import h11

from mailauth.listening import peers
from mailauth.listening.repeats import Repeats
from mailauth.records import dataclass

_PIECE = 16 * 1024  # bytes read at once
_PAUSE = 0.1  # seconds, where the system has no descriptor for us
_NETWORK = 64  # bits of an IPv6 address that are one peer's


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one service takes."""

    connections: int = 128  # Dovecot's auth makes 100 at the most
    of_one: int = 128  # connections of one address, and of one user where it is on this machine
    head: int = 8 * 1024  # bytes
    body: int = 16 * 1024  # bytes
    request: float = 10.0  # seconds from a request's first byte to its last, and for its answer
    idle: float = 30.0  # seconds before it


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request, whole."""

    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    body: bytes = field(repr=False)

    def header(self, name: bytes) -> bytes:
        return next((value for key, value in self.headers if key == name), b"")


@dataclass(frozen=True, slots=True)
class Response:
    """What is said to it."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True, eq=False)
class _Connection:
    socket: socket.socket
    peer: str
    heard: float
    task: "asyncio.Task[None] | None" = None


@dataclass(slots=True)
class HttpServer:
    """``answer`` must not wait.  ``refused``: why a peer of this uid is not heard, or ""."""

    bounds: Bounds
    answer: Callable[[HttpRequest], Response]
    say: Repeats
    refused: Callable[[int | None], str] = lambda _uid: ""
    _open: set[_Connection] = field(default_factory=set)

    async def serve(self, listener: socket.socket) -> None:
        """Until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(listener)
            except ConnectionError:
                continue
            except OSError as why:  # EMFILE, ENOBUFS: the others have to end first
                self.say("no descriptor for a connection", f"a connection could not be taken: {why.strerror}")
                if self._open:
                    self._close_quietest(Counter(one.peer for one in self._open).most_common(1)[0][0])
                await asyncio.sleep(_PAUSE)
                continue
            accepted.setblocking(False)
            self._take(accepted, address)
            await asyncio.sleep(0)  # sock_accept() waits for nothing where one is there already

    def _take(self, accepted: socket.socket, address: tuple[object, ...]) -> None:
        loop = asyncio.get_running_loop()
        try:
            uid = peers.owner(accepted)
        except OSError:  # it has gone
            accepted.close()
            return
        if why := self.refused(uid):
            self.say(f"a connection was closed: {why}", f"a connection was closed: {why}")
            accepted.close()
            return
        one = _Connection(accepted, _peer(address, uid), loop.time())
        self._make_room(one.peer)
        self._open.add(one)
        one.task = loop.create_task(self._connection(one))
        one.task.add_done_callback(lambda done: self._closed(one, done))  # also of one that never began

    def _closed(self, one: _Connection, done: "asyncio.Task[None]") -> None:
        self._open.discard(one)
        one.socket.close()
        if not done.cancelled() and (bug := done.exception()):
            self.say("a bug in mailauth", f"a bug in mailauth ended a connection: {type(bug).__name__}")

    def _make_room(self, peer: str) -> None:
        """For one more of this peer's."""
        of_peer = Counter(one.peer for one in self._open)
        if of_peer[peer] >= self.bounds.of_one:
            self._close_quietest(peer)
        elif len(self._open) >= self.bounds.connections:
            self._close_quietest(of_peer.most_common(1)[0][0])

    def _close_quietest(self, peer: str) -> None:
        quiet = min((one for one in self._open if one.peer == peer), key=lambda one: one.heard)
        self._open.discard(quiet)
        if quiet.task:
            quiet.task.cancel()
        kind = "a connection was closed for a new one: too many"
        self.say(kind, f"{kind} of {peer}")

    async def _connection(self, one: _Connection) -> None:
        talk = h11.Connection(h11.SERVER, max_incomplete_event_size=self.bounds.head)
        with contextlib.suppress(h11.RemoteProtocolError, OSError, TimeoutError):
            while await self._request(talk, one):
                talk.start_next_cycle()

    async def _request(self, talk: h11.Connection, one: _Connection) -> bool:
        """Read one request and answer it.  False when the connection is over."""
        loop = asyncio.get_running_loop()
        request: h11.Request | None = None
        body = bytearray()
        begun, end = talk.trailing_data[0] != b"", loop.time() + self.bounds.idle
        if begun:
            end = loop.time() + self.bounds.request
        while True:
            event = talk.next_event()
            if event is h11.NEED_DATA:
                if talk.they_are_waiting_for_100_continue:
                    await self._send(talk, one, h11.InformationalResponse(status_code=100, headers=[]))
                piece = await asyncio.wait_for(loop.sock_recv(one.socket, _PIECE), end - loop.time())
                if not begun:
                    begun, end = True, loop.time() + self.bounds.request
                talk.receive_data(piece)
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > self.bounds.body:
                    return False
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                break
            else:
                return False
        one.heard = loop.time()
        found = self.answer(HttpRequest(request.method, request.target, tuple(request.headers), bytes(body)))
        headers = [*found.headers, ("Content-Length", str(len(found.body)))]
        await self._send(
            talk,
            one,
            h11.Response(status_code=found.status, headers=headers),
            h11.Data(data=found.body if request.method != b"HEAD" else b""),
            h11.EndOfMessage(),
        )
        return talk.our_state is h11.DONE and talk.their_state is h11.DONE

    async def _send(self, talk: h11.Connection, one: _Connection, *events: h11.Event) -> None:
        if data := b"".join(talk.send(event) or b"" for event in events):
            loop = asyncio.get_running_loop()
            await asyncio.wait_for(loop.sock_sendall(one.socket, data), self.bounds.request)


def _peer(address: tuple[object, ...], uid: int | None) -> str:
    """Those who share it are one."""
    if uid is not None:
        return f"uid {uid}"
    host = ip_address(str(address[0]).partition("%")[0])
    if isinstance(host, IPv6Address):
        return str(host.ipv4_mapped or IPv6Network((host, _NETWORK), strict=False))
    return str(host)
