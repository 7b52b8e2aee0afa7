"""Which lines of a log can be of any use: most are not, and are not parsed.  Pure."""

import re

from mailauth.dovecot.messages_processes import ENDS

_GRAVE = (b": Error: ", b": Fatal: ", b": Panic: ")
_COMMON = (
    *(b"auth", b"Auth", b"master: ", b"login failure", b"user+IP", b"proxying to", b"starting up", b"SIGHUP"),
    *(b"haproxy: ", b"Login: user=", b"Logged in: user=", b"user=<>"),
    *(b"(" + words for words in ENDS if b"auth" not in words),
)
WORDS = (*_COMMON, *_GRAVE)
"""A line of use has one of them."""
_OF_USE = re.compile(b"|".join(re.escape(word) for word in _COMMON))


def of_use(line: bytes) -> bool:
    """Whether a line can be of any use."""
    return _OF_USE.search(line) is not None or any(word in line for word in _GRAVE)
