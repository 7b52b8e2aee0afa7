"""Forks of a process that has imported mailauth: what each would spend on its imports is spent once.

Run as a script, ``python -m tests.cli.forking SOCKET``.  For each request it forks, and the fork becomes what
``python -m mailauth WORDS`` is: with its own streams, environment, memory and ending, and nothing done
before it but imports.  ``running.py`` is the caller's side.
"""

import gc
import importlib
import json
import os
import pkgutil
import runpy
import socket
import sys
from typing import Any

import mailauth

_MOST = 1 << 17  # bytes of a request
_STREAMS = 3
_LIBRARIES = (
    "argon2.low_level",
    "cryptography.x509",
    "psycopg",
    "pymysql.cursors",
    "rich.progress",
    "rich.table",
    "sqlite3",
)
_NOT_IMPORTED = ("mailauth.__main__", "mailauth.lab", "mailauth.cli.demo", "mailauth.cli.lab")


def _import() -> None:
    """All that commands are made of but the lab, which reads the environment as it is imported."""
    for name in _LIBRARIES:
        importlib.import_module(name)
    for one in pkgutil.walk_packages(mailauth.__path__, "mailauth."):
        if not one.name.startswith(_NOT_IMPORTED):
            importlib.import_module(one.name)
    gc.collect()
    gc.freeze()  # else each fork's first collection would copy every page


def _serve(channel: socket.socket) -> bool:
    """Fork for each request; True in a fork, False when the caller has ended."""
    while True:
        said, streams, _, _ = socket.recv_fds(channel, _MOST, _STREAMS)
        if not said:
            return False
        child = os.fork()
        if child == 0:
            channel.close()
            _become(json.loads(said), streams)
            return True
        for one in streams:
            os.close(one)
        channel.send(str(child).encode())
        _, status = os.waitpid(child, 0)
        channel.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(request: dict[str, Any], streams: list[int]) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.update(request["environment"])
    sys.argv[1:] = request["words"]


if __name__ == "__main__":
    _import()
    if _serve(socket.socket(fileno=int(sys.argv[1]))):
        runpy.run_module("mailauth", run_name="__main__", alter_sys=True)
