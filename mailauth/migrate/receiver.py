"""The service's ear: Dovecot's auth policy reports, over HTTP on loopback.

Dovecot reports a login after it has answered the client, and does not wait for us: nothing that happens
here can make a login fail or slow.  So the answer comes at once, and the work is done later.

Source: Dovecot 2.3.19.1 and 2.4.1 src/auth/auth-policy.c (auth_policy_report), auth-request-handler.c.
"""

import asyncio
import contextlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

import h11
import msgspec

_MOST = 64 * 1024  # bytes of a report; a password has at most a few hundred
_IDLE = 600.0  # seconds that a connection may say nothing
_ANSWER = b'{"status":0,"msg":""}'  # what a policy server says to let a login go on


class Report(msgspec.Struct):
    """What Dovecot reports of one login.  ``sealed`` is ciphertext."""

    user: str = ""
    sealed: str = ""
    success: bool = False
    policy_reject: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """A successful login whose password came along, sealed."""

    user: str
    sealed: str = field(repr=False)


@dataclass(slots=True)
class Receiver:
    """Takes reports, checks the token, and hands each successful login to ``take``."""

    token: str = field(repr=False)
    take: Callable[[Heard], None]

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of Dovecot's, as long as it lasts."""
        talk = h11.Connection(h11.SERVER, max_incomplete_event_size=_MOST)
        with contextlib.suppress(h11.RemoteProtocolError, ConnectionError, TimeoutError):
            while await self._request(talk, reader, writer):
                talk.start_next_cycle()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def _request(
        self, talk: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Read one request and answer it.  False when the connection is over."""
        request: h11.Request | None = None
        body = bytearray()
        while True:
            event = talk.next_event()
            if event is h11.NEED_DATA:
                if talk.they_are_waiting_for_100_continue:
                    await self._send(talk, writer, h11.InformationalResponse(status_code=100, headers=[]))
                talk.receive_data(await asyncio.wait_for(reader.read(_MOST), _IDLE))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > _MOST:
                    return False
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                break
            else:
                return False
        allowed = self._allowed(request)
        if allowed and b"command=report" in request.target:
            self._heard(bytes(body))  # before the answer: Dovecot may have given up waiting for it
        status = 200 if allowed else 403
        answer = _ANSWER if allowed else b"{}"
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))]
        for part in (
            h11.Response(status_code=status, headers=headers),
            h11.Data(data=answer),
            h11.EndOfMessage(),
        ):
            await self._send(talk, writer, part)
        return talk.our_state is h11.DONE and talk.their_state is h11.DONE

    @staticmethod
    async def _send(talk: h11.Connection, writer: asyncio.StreamWriter, event: h11.Event) -> None:
        if data := talk.send(event):
            writer.write(data)
            await writer.drain()

    def _allowed(self, request: h11.Request) -> bool:
        given = next((value for name, value in request.headers if name == b"x-api-key"), b"")
        return hmac.compare_digest(given.strip(), self.token.encode())

    def _heard(self, body: bytes) -> None:
        try:
            report = msgspec.json.decode(body, type=Report)
        except msgspec.DecodeError:
            return
        if report.success and not report.policy_reject and report.user and report.sealed:
            self.take(Heard(report.user, report.sealed))
