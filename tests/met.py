"""A hostile server: while somebody waits for its greeting it looks at who that is."""

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import psutil

# What is left to a process that gave up all it could.
NONE = {"CapEff": "0000000000000000", "CapPrm": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2"}


@contextmanager
def server(meets: Callable[[psutil.Process], Any], found: list[Any]) -> Iterator[int]:
    """A hostile one: while a client waits for its greeting it looks at who that is."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            with suppress(OSError):
                link, _ = listener.accept()
                with link:
                    found.append(meets(client(link.getpeername()[1])))

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join()


@contextmanager
def in_time(seconds: int = 20) -> Iterator[None]:
    """Hanging is a failure; to be used in the main thread."""

    def late(*_: object) -> None:
        raise AssertionError("it hangs, or takes too long")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def client(port: int) -> psutil.Process:
    """Whose the connection from that port is."""
    us = psutil.Process()
    for one in (*us.children(recursive=True), us):
        with suppress(psutil.Error):
            if any(link.laddr.port == port for link in one.net_connections("tcp")):
                return one
    raise AssertionError("nobody's")


def rights(one: psutil.Process) -> dict[str, str]:
    return rights_in(Path(f"/proc/{one.pid}/status").read_text())


def rights_in(status: str) -> dict[str, str]:
    return dict(line.split(":\t") for line in status.splitlines() if ":\t" in line)
