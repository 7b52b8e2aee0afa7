"""Whose connection it is, and who has to give way where there are too many."""

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mailauth.listening import peers
from mailauth.listening.http import Bounds, HttpServer, Response
from mailauth.listening.repeats import Repeats
from mailauth.listening.sockets import listening
from tests.listening.attacker import NOBODY, attack, attacking

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@contextmanager
def serving(bounds: Bounds, said: list[str]) -> Iterator[int]:
    """A server that answers all; its port."""
    listener = listening("127.0.0.1", 0)
    loop = asyncio.new_event_loop()
    server = HttpServer(bounds, lambda _: Response(200, b"well"), Repeats(said.append))
    task = loop.create_task(server.serve(listener))
    thread = threading.Thread(target=loop.run_until_complete, args=(asyncio.wait([task]),))
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        listener.close()
        for one in asyncio.all_tasks(loop):
            one.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def test_whose_a_connection_is() -> None:
    """Also while its owner holds it only; once it is closed it is nobody's, and not root's."""
    with listening("127.0.0.1", 0) as listener:
        listener.settimeout(60)
        port = listener.getsockname()[1]
        with attacking("idle", port, 1):
            accepted, _ = listener.accept()
            assert peers.owner(accepted) == NOBODY
            accepted.close()
        attack("gone", port, feed=REQUEST)
        accepted, _ = listener.accept()
        assert accepted.recv(100) == REQUEST
        assert peers.owner(accepted) is None
        accepted.close()


def test_who_has_most_gives_way() -> None:
    """One user's many connections close each other, and not another's."""
    said: list[str] = []
    with serving(Bounds(connections=8, of_one=4), said) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as first:
            for what in ("idle", "half"):
                with attacking(what, port, 50):
                    first.sendall(REQUEST)
                    assert b"well" in first.recv(4096)
            for uid in (NOBODY, NOBODY + 1, NOBODY - 1):
                with attacking("idle", port, 4, uid=uid), attacking("idle", port, 4, uid=uid - 10):
                    first.sendall(REQUEST)
                    assert b"well" in first.recv(4096)
        assert said


def test_a_slow_request_and_a_silent_connection_end() -> None:
    """Whoever it is, and however slowly it goes on."""
    with serving(Bounds(request=0.2, idle=0.2), []) as port:
        for begun in (b"", REQUEST[:10]):
            with socket.create_connection(("127.0.0.1", port), timeout=60) as one:
                one.sendall(begun)
                assert one.recv(100) == b""
