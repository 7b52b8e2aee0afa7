"""Clients of the auth socket with nothing around them: what ``mailauth load`` is compared with.

``closed``: as fast as it goes; a blocking socket, ``window`` requests written at once, their answers counted.
``paced``: a fixed rate, one thread that sends when it is time, one that reads; latencies from the due time.
"""

import base64
import os
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path


def connect(path: Path, number: int) -> socket.socket:
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(60.0)
    link.connect(str(path))
    link.sendall(b"VERSION\t1\t2\nCPID\t%d\n" % (os.getpid() + (number << 22)))
    told = b""
    while not told.endswith(b"DONE\n"):
        told += link.recv(8192)
    return link


def line(number: int, user: str, password: bytes) -> bytes:
    response = base64.b64encode(b"\0" + user.encode() + b"\0" + password)
    return b"AUTH\t%d\tPLAIN\tservice=imap\tsecured\tno-penalty\tresp=%b\n" % (number, response)


def closed(path: Path, user: str, password: bytes, window: int, seconds: float) -> float:
    """Logins a second.  The best client there could be: it makes its text once, and parses nothing."""
    text = b"".join(line(number, user, password) for number in range(1, window + 1))
    with connect(path, 1) as link:
        done, began = 0, time.perf_counter()
        while (took := time.perf_counter() - began) < seconds:
            link.sendall(text)
            left = window
            while left:
                data = link.recv(1 << 16)
                assert b"FAIL" not in data
                left -= data.count(b"\n")
            done += window
    return done / took


@dataclass(frozen=True, slots=True)
class Paced:
    """``p95``: seconds, of requests of which none failed."""

    p95: float
    failed: int


def paced(path: Path, user: str, password: bytes, rate: float, seconds: float) -> Paced:
    """Open loop: what is due is sent, whatever has been answered."""
    count = int(rate * seconds)
    took, failed = [0.0] * count, 0
    with connect(path, 2) as link:
        began = time.perf_counter() + 0.05

        def send() -> None:
            for number in range(count):
                time.sleep(max(began + number / rate - time.perf_counter(), 0))
                link.sendall(line(number + 1, user, password))

        sender = threading.Thread(target=send)
        sender.start()
        rest, seen = b"", 0
        while seen < count:
            *lines, rest = (rest + link.recv(1 << 16)).split(b"\n")
            now = time.perf_counter()
            for one in lines:
                kind, number, *_ = one.split(b"\t")
                took[int(number) - 1] = now - (began + (int(number) - 1) / rate)
                failed += kind != b"OK"
                seen += 1
        sender.join()
    return Paced(sorted(took)[int(0.95 * (count - 1) + 0.5)], failed)
