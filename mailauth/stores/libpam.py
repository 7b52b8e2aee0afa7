"""The door to the system's libpam, by ctypes: PAM is asked as Dovecot asks it.

Source: pam_appl.h and _pam_types.h of Linux-PAM 1.5.2 and 1.7.2; pam_conv(3), pam_acct_mgmt(3).
"""

import ctypes
import functools
from pathlib import Path
from typing import Any

from mailauth.stores.pam_said import SUCCESS, PamSaid

_NAME = "libpam.so.0"
_RHOST, _TTY, _RUSER = 4, 3, 8
_ECHO_OFF, _ECHO_ON, _ERROR, _INFO = 1, 2, 3, 4
_CONV_ERR = 19
_MOST_WORDS, _MOST_MESSAGES = 300, 8


class _Message(ctypes.Structure):
    """Struct pam_message."""

    _fields_ = (("style", ctypes.c_int), ("text", ctypes.c_char_p))


class _Response(ctypes.Structure):
    """Struct pam_response; who asked frees the text."""

    _fields_ = (("text", ctypes.c_void_p), ("code", ctypes.c_int))


_Talk = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_int,
    ctypes.POINTER(ctypes.POINTER(_Message)),
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_void_p,
)


class _Conversation(ctypes.Structure):
    """Struct pam_conv."""

    _fields_ = (("call", _Talk), ("data", ctypes.c_void_p))


@functools.cache
def load() -> tuple[ctypes.CDLL, str] | None:
    """The system's, and its file; None where there is none."""
    try:
        found = ctypes.CDLL(_NAME)
    except OSError:
        return None
    found.pam_strerror.restype = ctypes.c_char_p
    maps = Path("/proc/self/maps").read_text(errors="surrogateescape").splitlines()
    file = next((line.split(maxsplit=5)[5] for line in maps if "/libpam.so" in line), "")
    return found, file


def ask(service: str, user: str, password: bytes, host: str) -> PamSaid:
    """Authenticate, and ask for the account; no session is opened, no credentials are set.

    To be called in a process made for it, that has the rights of the one that asks for Dovecot, and after
    ``load`` found the library.  One attempt.
    """
    found = load()
    assert found
    library, told = found[0], list[str]()
    talk = _Talk(functools.partial(_talk, told, user.encode("utf-8", "surrogateescape"), password))
    handle = ctypes.c_void_p()
    conversation = _Conversation(talk, None)
    name = user.encode("utf-8", "surrogateescape")
    code = library.pam_start(service.encode(), name, ctypes.byref(conversation), ctypes.byref(handle))
    call = "pam_start"
    if code == SUCCESS:
        items = [(_RUSER, name), (_TTY, b"dovecot"), *([(_RHOST, host.encode())] if host else [])]
        for item, value in items:
            library.pam_set_item(handle, item, value)
        for call in ("pam_authenticate", "pam_acct_mgmt"):
            code = getattr(library, call)(handle, 0)
            if code != SUCCESS:
                break
    says = (library.pam_strerror(handle, code) or b"").decode("utf-8", "replace")
    library.pam_end(handle, code)
    return PamSaid(call, code, says, tuple(_without(password, one) for one in told))


def _without(password: bytes, message: str) -> str:
    return (
        "(a message that has the password in it)"
        if password and password.decode(errors="replace") in message
        else message
    )


def _talk(
    told: list[str], user: bytes, password: bytes, count: int, asked: Any, answers: Any, _: object
) -> int:
    """Dovecot's answers: the password to what is not shown, the name to what is (pam_userpass_conv())."""
    libc = ctypes.CDLL(None)
    libc.calloc.restype = libc.strdup.restype = ctypes.c_void_p
    room = libc.calloc(ctypes.c_size_t(count), ctypes.c_size_t(ctypes.sizeof(_Response)))
    if not room:
        return _CONV_ERR
    for number in range(count):
        message = asked[number].contents
        response = _Response.from_address(room + number * ctypes.sizeof(_Response))
        if message.style in (_ECHO_OFF, _ECHO_ON):
            response.text = libc.strdup(password if message.style == _ECHO_OFF else user)
        elif message.style not in (_ERROR, _INFO):
            return _CONV_ERR
        elif len(told) < _MOST_MESSAGES and message.text:
            told.append(message.text[:_MOST_WORDS].decode("utf-8", "replace").strip())
    answers[0] = room
    return SUCCESS
