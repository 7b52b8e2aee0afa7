"""Who is at the other end of a TCP connection on this machine: the user whose socket it is, by the kernel.

A socket that nobody holds any more has uid 0 and no inode, whoever it was: it is nobody's.

Source: sock_diag(7), NETLINK_SOCK_DIAG; Linux net/ipv4/inet_diag.c (inet_diag_msg_attrs_fill),
net/core/sock.c (sock_i_uid, sock_i_ino).
"""

import socket
import struct
from contextlib import closing

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_ESTABLISHED = 1
_ANY_STATE = 0xFFFFFFFF
_NO_COOKIE = 0xFFFFFFFF
_HEADER = struct.Struct("=IHHII")  # nlmsghdr
_REQUEST = struct.Struct("=BBBBI")  # inet_diag_req_v2, before its id
_ANSWER = struct.Struct("=BBBB")  # inet_diag_msg, before its id
_ID_BYTES = 48  # inet_diag_sockid
_AFTER = struct.Struct("=IIIII")  # expires, rqueue, wqueue, uid, inode
_SECONDS = 2.0


def owner(connection: socket.socket) -> int | None:
    """The uid of the peer's socket; None where it is not on this machine, or nobody's any more."""
    here, there = connection.getsockname(), connection.getpeername()
    request = _request(connection.family, there, here)
    try:
        with closing(socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG)) as kernel:
            kernel.settimeout(_SECONDS)
            kernel.send(request)
            answer = kernel.recv(4096)
    except OSError:
        return None
    return _uid(answer)


def _request(family: int, source: tuple[object, ...], target: tuple[object, ...]) -> bytes:
    """For the one socket whose own address is ``source`` and whose peer's is ``target``."""
    ports = struct.pack("!HH", source[1], target[1])
    addresses = b"".join(
        socket.inet_pton(family, str(one[0]).partition("%")[0]).ljust(16, b"\0") for one in (source, target)
    )
    sockid = ports + addresses + struct.pack("=III", 0, _NO_COOKIE, _NO_COOKIE)
    body = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, _ANY_STATE) + sockid
    return _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0) + body


def _uid(answer: bytes) -> int | None:
    after = _HEADER.size + _ANSWER.size + _ID_BYTES
    if len(answer) < after + _AFTER.size or _HEADER.unpack_from(answer)[1] != _SOCK_DIAG_BY_FAMILY:
        return None  # NLMSG_ERROR: there is no such socket here
    _, state, _, _ = _ANSWER.unpack_from(answer, _HEADER.size)
    *_, uid, inode = _AFTER.unpack_from(answer, after)
    return uid if state == _ESTABLISHED and inode else None
