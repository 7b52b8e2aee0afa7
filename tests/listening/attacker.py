"""An ordinary user who connects, and does not behave; run as a program, told what to do by its arguments.

``take``: listen on the port, and say the errno, or 0.  ``idle`` and ``half``: so many connections that say
nothing, or half a request, kept open until standard input ends; whether each is open still is said then.
``gone``: each sends standard input, a whole request, and closes at once.
"""

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

NOBODY = 65534
_HALF = b"POST /?command=report HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"


def attack(what: str, port: int, count: int = 1, uid: int = NOBODY, feed: bytes = b"") -> str:
    """Its answer, once it has ended."""
    done = subprocess.run(_words(what, port, count, uid), input=feed, capture_output=True, check=True)
    return done.stdout.decode().split("\n", 1)[-1].strip()


@contextmanager
def attacking(what: str, port: int, count: int, uid: int = NOBODY) -> Iterator[None]:
    """As long as its connections are to be there."""
    with subprocess.Popen(
        _words(what, port, count, uid), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as one:
        assert one.stdout
        assert one.stdout.readline() == b"ready\n"
        yield


def _words(what: str, port: int, count: int, uid: int) -> list[str]:
    return [sys.executable, __file__, what, str(port), str(count), str(uid)]


def main(what: str, port: int, count: int, uid: int) -> None:
    socket.socket().close()  # all is loaded that an ordinary user may not read
    if uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    if what == "take":
        sys.stdout.write(f"ready\n{_taken(port)}")
        return
    feed = sys.stdin.buffer.read() if what == "gone" else _HALF if what == "half" else b""
    made = []
    for _ in range(count):
        one = socket.socket()
        one.settimeout(60)
        try:
            one.connect(("127.0.0.1", port))
            one.sendall(feed)
        except OSError:
            pass  # closed already
        if what == "gone":
            one.close()
        made.append(one)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()


def _taken(port: int) -> str:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
            one.listen()
        except OSError as why:
            return errno.errorcode[why.errno or 0]
    return "taken"


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
