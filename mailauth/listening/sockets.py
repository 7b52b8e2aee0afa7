"""The socket that a service listens on: systemd's, which is never free, or one of our own.

A port below net.ipv4.ip_unprivileged_port_start can be listened on by root only: while the service is
down, no ordinary user answers in its place.

Source: sd_listen_fds(3); ip(7), ip_unprivileged_port_start; Linux Documentation/networking/ip-sysctl.rst.
"""

import os
import socket
from pathlib import Path

from mailauth.errors import UsageError

_FIRST_DESCRIPTOR = 3  # SD_LISTEN_FDS_START
_USERS_FROM = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
_BACKLOG = 128


def users_from() -> int:
    """The first port that an ordinary user may listen on."""
    try:
        return int(_USERS_FROM.read_text())
    except (OSError, ValueError):  # a kernel before 4.11
        return 1024


def only_roots(port: int) -> bool:
    """Whether no ordinary user may listen on it."""
    return 0 < port < users_from()


def listening(host: str, port: int) -> socket.socket:
    """Systemd's socket if it gave us one, else our own.  Raises UsageError where neither can be had."""
    found = _given(host, port) or _opened(host, port)
    found.setblocking(False)
    return found


def _given(host: str, port: int) -> socket.socket | None:
    """What the socket unit holds.  Raises UsageError where that is another address."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS", "0") == "0":
        return None
    if os.environ["LISTEN_FDS"] != "1":
        raise UsageError("systemd gave more than one socket: the socket unit has one ListenStream.")
    found = socket.socket(fileno=_FIRST_DESCRIPTOR)
    os.set_inheritable(_FIRST_DESCRIPTOR, False)
    if found.type != socket.SOCK_STREAM or not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise UsageError("systemd gave a socket that nobody can connect to: use ListenStream.")
    if found.family not in (socket.AF_INET, socket.AF_INET6) or found.getsockname()[:2] != (host, port):
        raise UsageError(f"systemd's socket is {found.getsockname()}, and not {host}:{port}.")
    return found


def _opened(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(_BACKLOG)
    except (OSError, OverflowError) as why:
        found.close()
        raise UsageError(
            f"{host}:{port} cannot be listened on ({getattr(why, 'strerror', None) or why})."
        ) from None
    return found
