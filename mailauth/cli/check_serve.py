"""``mailauth check serve``: the last report, whoever asks and however often."""

import asyncio
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from multiprocessing.connection import Connection

import click
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from mailauth.check.asked import CheckRun
from mailauth.check.bounded import die_with
from mailauth.check.outcome import CheckReport
from mailauth.check.run import run
from mailauth.errors import CannotObserve, UsageError
from mailauth.listening import http
from mailauth.listening.repeats import Repeats
from mailauth.listening.sockets import listening
from mailauth.render.check_metrics import Checks

_LEAST = 5.0  # seconds between two runs
_BOUNDS = http.Bounds(connections=64, of_one=8, body=0, idle=120.0)  # Prometheus keeps one open
_PATHS = (b"/", b"/metrics")


def serve(asked: CheckRun, listen: tuple[str, int], interval: float) -> None:
    """Until a signal ends it.  Raises UsageError where it cannot listen, CannotObserve when the looker dies.

    The checks run in a process of their own, with no threads: it forks.
    """
    if interval < _LEAST:
        raise UsageError(f"--interval: {_LEAST:g} s at the least; each run logs the canary in.")
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.default_int_handler)
    context = multiprocessing.get_context("fork")
    reader, writer = context.Pipe(duplex=False)
    looker = context.Process(target=_look, args=(asked, interval, writer, os.getpid()))
    looker.start()
    writer.close()
    checks = Checks()
    registry = CollectorRegistry()
    registry.register(checks)
    host, port = listen
    try:
        listener = listening(host, port)
        shown = f"[{host}]" if ":" in host else host
        click.echo(
            f"http://{shown}:{listener.getsockname()[1]}/metrics, checked every {interval:g} s", err=True
        )
        threading.Thread(target=_hear, args=(listener, registry), daemon=True).start()
        while True:
            checks.report = _next(reader)
    except KeyboardInterrupt:
        sys.exit(0)
    finally:
        looker.kill()
        looker.join()


def _hear(listener: socket.socket, registry: CollectorRegistry) -> None:
    """Answer whoever asks, in a thread of its own, and bounded."""

    def answer(asked: http.HttpRequest) -> http.Response:
        if asked.method not in (b"GET", b"HEAD") or asked.target.partition(b"?")[0] not in _PATHS:
            return http.Response(404, b"", (("Connection", "close"),))
        encode, kind = choose_encoder(asked.header(b"accept").decode("latin-1"))
        return http.Response(200, encode(registry), (("Content-Type", kind),))

    server = http.HttpServer(_BOUNDS, answer, Repeats(lambda text: click.echo(text, err=True)))
    asyncio.run(server.serve(listener))


def _next(reader: Connection) -> CheckReport:
    try:
        report: CheckReport = reader.recv()
    except EOFError:
        raise CannotObserve("the process that looks has died; start it again.") from None
    return report


def _look(asked: CheckRun, interval: float, writer: Connection, parent: int) -> None:
    """Look, tell, wait."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with(parent)
    while True:
        began = time.monotonic()
        writer.send(run(asked))
        time.sleep(max(0.0, began + interval - time.monotonic()))
