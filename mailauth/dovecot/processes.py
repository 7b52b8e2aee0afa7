"""What the kernel says of processes: by their name, which every look asks first, and of one by its number.

On a mail server there are thousands of them.
"""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_MOST_WORDS = 128 * 1024  # bytes: as many as execve(2) takes of one word


def named(name: str) -> Iterator[int]:
    """The PIDs of this name, of at most 15 bytes: the kernel keeps no more.  Source: proc_pid_comm(5)."""
    wanted = f"{name}\n".encode()
    for pid in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - half the time of Path's
        with suppress(OSError), open(f"/proc/{pid}/comm", "rb", buffering=0) as comm:  # noqa: PTH123
            if comm.read() == wanted:
                yield int(pid)


def command(pid: int | str) -> list[bytes]:
    """The words that it was started with.  Raises OSError when it has ended.

    It may have put anything there, of any length (PR_SET_MM of prctl(2)).
    """
    with open(f"/proc/{pid}/cmdline", "rb") as words:  # noqa: PTH123
        return words.read(_MOST_WORDS).split(b"\0")


def variable(pid: int | str, name: str) -> str:
    """Of its environment as it was started; "" for none.  Bounded as ``command``.  Raises OSError."""
    with open(f"/proc/{pid}/environ", "rb") as words:  # noqa: PTH123
        every = words.read(_MOST_WORDS).split(b"\0")
    wanted = f"{name}=".encode()
    return next((one.removeprefix(wanted) for one in every if one.startswith(wanted)), b"").decode(
        "utf-8", "surrogateescape"
    )


def name(pid: int | str) -> str:
    """Its name, of at most 15 bytes.  Raises OSError when it has ended.

    psutil's reads the whole command line, of any length, to complete one of 15.
    """
    with open(f"/proc/{pid}/comm", "rb", buffering=0) as comm:  # noqa: PTH123
        return comm.read().rstrip(b"\n").decode("utf-8", "replace")


def stat(pid: int | str) -> list[bytes]:
    """The fields of /proc/PID/stat from the third on, "state".  Raises OSError when it has ended.

    The name before them may have blanks and brackets.  Source: proc_pid_stat(5).
    """
    return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()


def parent(pid: int) -> int:
    """Raises OSError when it has ended."""
    return int(stat(pid)[1])


def began(pid: int | str) -> int:
    """When it was started, in ticks since the machine was.  Raises OSError when it has ended."""
    return int(stat(pid)[19])


def peer(link: socket.socket) -> tuple[int, int]:
    """The PID and the user of whoever listens at a Unix socket: of a Dovecot the master, whichever answers.

    The PID is 0 for a process of another PID namespace.  Raises OSError.  Source: unix(7), SO_PEERCRED.
    """
    pid, user, _ = struct.unpack(
        "3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    )
    return int(pid), int(user)
