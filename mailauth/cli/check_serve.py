"""``mailauth check serve``: the last report, whoever asks and however often."""

import multiprocessing
import os
import signal
import sys
import time
from multiprocessing.connection import Connection

import click
from prometheus_client import CollectorRegistry, start_http_server

from mailauth.check.asked import Asked
from mailauth.check.bounded import die_with
from mailauth.check.outcome import Report
from mailauth.check.run import run
from mailauth.errors import CannotObserve, UsageError
from mailauth.render.check_metrics import Checks

_LEAST = 5.0  # seconds between two runs


def serve(asked: Asked, listen: tuple[str, int], interval: float) -> None:
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
        try:
            server, _ = start_http_server(port, host, registry)
        except OSError as why:
            raise UsageError(f"--listen {host}:{port}: cannot be listened on ({why.strerror}).") from None
        shown = f"[{host}]" if ":" in host else host
        click.echo(f"http://{shown}:{server.server_port}/metrics, checked every {interval:g} s", err=True)
        while True:
            checks.report = _next(reader)
    except KeyboardInterrupt:
        sys.exit(0)
    finally:
        looker.kill()
        looker.join()


def _next(reader: Connection) -> Report:
    try:
        report: Report = reader.recv()
    except EOFError:
        raise CannotObserve("the process that looks has died; start it again.") from None
    return report


def _look(asked: Asked, interval: float, writer: Connection, parent: int) -> None:
    """Look, tell, wait."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with(parent)
    while True:
        began = time.monotonic()
        writer.send(run(asked))
        time.sleep(max(0.0, began + interval - time.monotonic()))
