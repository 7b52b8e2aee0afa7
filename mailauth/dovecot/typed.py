"""How a command of Dovecot is typed, so that it concerns this Dovecot and no other: the one place for it.

A Dovecot with a configuration file of its own is named by ``-c``; one in another root is entered first, by
``mailauth inside``: nsenter(1) would run what its owner put there with all capabilities that root has here.
"""

import re
import shlex

from mailauth.dovecot.doveadm import Installation

Words = tuple[str, ...]

_OF_THIS_MACHINE = ("sysctl", "mailauth")  # what forwards, and who looks, is here and not where Dovecot is
_OF_DOVECOT = ("doveadm", "doveconf", "dovecot")
# The commands that sentences name.  What stands there with its options has been placed already.
_NAMED = re.compile(
    r"(?<![-\w/])(?<! -- )(?:doveconf(?= -n\b)|doveadm"
    r"(?= (?:reload|stop|log (?:errors|find|reopen)|auth cache flush|kick|who|penalty|user|pw -l)\b))"
)


def typed(dovecot: Installation, *command: str) -> Words:
    """The words to type, as root, where mailauth runs."""
    program, *rest = command
    if program in _OF_THIS_MACHINE:
        return command
    own = ("-c", dovecot.config) if dovecot.config and program in _OF_DOVECOT else ()
    return (*_entrance(dovecot), program, *own, *rest)


def shown(dovecot: Installation, *command: str) -> str:
    """The same as one line to paste."""
    return shlex.join(typed(dovecot, *command))


def in_sentence(dovecot: Installation, sentence: str) -> str:
    """A sentence with each command of doveadm that it names as it is typed."""
    return _NAMED.sub(lambda found: shown(dovecot, found[0]), sentence)


def plain(dovecot: Installation, command: Words) -> Words:
    """What ``typed`` made of a command, back to the command itself."""
    entrance = _entrance(dovecot)
    words = command[len(entrance) :] if entrance and command[: len(entrance)] == entrance else command
    own = ("-c", dovecot.config or "")
    return (words[0], *words[3:]) if words[0] in _OF_DOVECOT and words[1:3] == own else words


def _entrance(dovecot: Installation) -> Words:
    return ("mailauth", "inside", "--pid", str(dovecot.pid), "--") if dovecot.pid else ()
