"""What may happen to a migration: a kill, a full disk, a network cut, a restart, another writer."""

import resource
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil

from mailauth.errors import Refused
from mailauth.hashes import Password, generate
from mailauth.lab.ports import HOST
from mailauth.stores import replace
from tests.migrate.kills import Bench

_WRITES, _APART = 3, 0.08  # by another writer; seconds between them
_TRIES = 50


class Wire:
    """A port that leads to a database, until it is cut: then each end gets a reset, and nobody gets in."""

    def __init__(self, port: int) -> None:
        self._to, self._cut, self._ends = port, False, list[socket.socket]()
        self._heard = socket.create_server((HOST, 0))
        self.port = int(self._heard.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._heard.accept()
                far = None if self._cut else socket.create_connection((HOST, self._to))
                self._ends += [near, *([far] if far else [])]
                if far is None:
                    self._reset(near)
                    continue
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    @staticmethod
    def _pump(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)

    @staticmethod
    def _reset(end: socket.socket) -> None:
        with suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            end.shutdown(socket.SHUT_RDWR)
        end.close()

    def cut(self) -> None:
        self._cut = True
        for end in self._ends:
            self._reset(end)
        self._ends = []

    def mend(self) -> None:
        self._cut = False

    def close(self) -> None:
        self.cut()
        self._heard.close()


class Disk:
    """A small file system of its own, where we may mount one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        words = ["mount", "-t", "tmpfs", "-o", "size=512k,mode=0700", "tmpfs", str(path)]
        self.ours = subprocess.run(words, capture_output=True, check=False).returncode == 0

    def fill(self) -> None:
        with suppress(OSError), (self.path / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        with suppress(OSError), (self.path / "filler").open("ab", buffering=0) as file:
            while True:
                file.write(b"\0")

    def empty(self) -> None:
        (self.path / "filler").unlink(missing_ok=True)

    def close(self) -> None:
        if self.ours:
            subprocess.run(["umount", "-l", str(self.path)], capture_output=True, check=False)


def full_for(process: subprocess.Popen[str]) -> None:
    """No file that the program, or what it runs, writes may grow any more: to it, every disk is full."""
    with suppress(psutil.NoSuchProcess):
        tool = psutil.Process(process.pid)
        for one in [tool, *tool.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess, OSError):
                resource.prlimit(one.pid, resource.RLIMIT_FSIZE, (0, 0))


def connections_end(found: Bench) -> None:
    """The database ends every session of the lab's."""
    assert found.server
    statement = {
        "pgsql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()",
        "mysql": "KILL USER lab",
    }[found.lab.driver]
    with suppress(Exception):  # ours may be among them
        found.server.execute(statement)


def other_writer(found: Bench, users: list[str]) -> None:
    """Gives some users another password, as a panel does."""
    for user in users[:_WRITES]:
        word = found.words[user] + b"-new"
        stored = generate("SSHA", Password(word))
        put(found, user, stored)
        found.words[user], found.wrote[user] = word, stored
        time.sleep(_APART)


def killed_beside(process: subprocess.Popen[str], write: Callable[[], None], seconds: float) -> None:
    """Killed so many seconds after the other writer has begun."""
    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write)
        time.sleep(seconds)
        process.kill()
        writer.result()


def put(found: Bench, user: str, stored: str) -> None:
    """The user has this string then, there before or not; tried again while others hold the store."""
    for _ in range(_TRIES):
        try:
            if found.lab.driver == "passwd-file":
                _in_file(found, user, stored)
            elif user in found.before:
                statement = f"UPDATE users SET password = '{stored}' WHERE userid = '{user}'"
                found.lab.store.execute(statement)  # type: ignore[attr-defined]
            else:
                found.lab.store.set_password(user, stored)
        except Refused:
            time.sleep(0.05)
        except Exception as why:  # a driver's: the row is locked, or was added by the other one meanwhile
            if not any(word in str(why).lower() for word in ("lock", "unique", "duplicate")):
                raise
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"{user}: the other writer never got in")


def _in_file(found: Bench, user: str, stored: str) -> None:
    path = found.lab.store.path
    assert path
    with replace.opened(path) as there, replace.locked(there) as place, place.reader() as file:
        lines = file.read().splitlines(keepends=True)
        head = user.encode() + b":"
        ours = head + stored.encode() + b"\n"
        changed = [ours if line.startswith(head) else line for line in lines]
        replace.replace(place, changed if ours in changed else [*changed, ours])
