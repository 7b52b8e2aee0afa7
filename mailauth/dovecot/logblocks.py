"""The lines of a log that are of use, out of whole blocks of it: all others are counted, and never lines.

Equal to asking each line by itself (loguse.of_use), and a tenth of the work: what another program wrote goes
by one expression, and in what is left each word is sought by itself, as fast as memory is read.
"""

import math
import re
import time
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

from mailauth.dovecot.logs import MOST_LINE
from mailauth.dovecot.loguse import WORDS, of_use
from mailauth.lines import OutOfTime

BLOCK = 1024 * 1024
_KEPT = MOST_LINE + 1
# A line of syslog's common forms whose program is another's: the time, a host, and the program.  What is left
# out are hosts that begin as the forms do that a container's engine or rsyslog writes (logstamp.py).
_OTHERS = (
    rb"(?:[A-Z][a-z][a-z] [ 0-3]\d \d\d:\d\d:\d\d|\d\S*)"
    rb" (?!std|message )[a-z0-9][^ (<:\n]* (?!%s)"
)

_COMMON, _DENSE = b"auth", 3  # where each third line has the first, lines are asked one by one


class Sifted(NamedTuple):
    """Of some lines those of use, whole, and how many there were; ``long``: more than MOST_LINE bytes."""

    lines: int
    size: int  # bytes
    long: int
    useful: list[bytes]


Sieve = Callable[[bytes], Sifted]


def sieve(ident: str, *, common: bool) -> Sieve:
    """What finds the lines of use; ``ident`` is Dovecot's name in syslog.

    ``common``: the log has no form of the time but those that every log may have.
    """
    dull = rb"(?!%s)" % (_OTHERS % re.escape(ident.encode())) if common else b""
    kept = re.compile(rb"\n" + dull + rb"[^\n]*").findall

    def sift(text: bytes) -> Sifted:
        """``text``: a newline, and whole lines."""
        lines = text.count(b"\n") - 1
        long = _long(text)
        useful = _of_use(b"".join([*kept(text, 0, len(text) - 1), b"\n"]))
        if long:
            useful = [line for line in useful if len(line) <= MOST_LINE]
        return Sifted(lines, len(text) - 1, long, useful)

    return sift


def _of_use(text: bytes) -> list[bytes]:
    """The lines that have one of the words; ``text`` begins and ends with a newline."""
    if text.count(_COMMON) * _DENSE > text.count(b"\n"):
        return [line + b"\n" for line in text[1:-1].split(b"\n") if of_use(line)]
    ends: dict[int, int] = {}
    for word in WORDS:
        at = text.find(word)
        while at >= 0:
            end = text.find(b"\n", at) + 1
            ends[text.rfind(b"\n", 0, at) + 1] = end
            at = text.find(word, end - 1)
    return [text[start : ends[start]] for start in sorted(ends)]


def _long(text: bytes) -> int:
    """How many of the lines are longer than may be."""
    found, begin = 0, 1
    while begin + MOST_LINE < len(text):
        end = text.rfind(b"\n", begin, begin + MOST_LINE)
        if end < 0:
            found += 1
            end = text.find(b"\n", begin)
        begin = end + 1
    return found


def reader(file: IO[bytes]) -> Callable[[int], bytes]:
    """What gives what is there: a pipe may be slow."""
    read: Callable[[int], bytes] = getattr(file, "read1", file.read)
    return read


def blocks_of(read: Callable[[int], bytes], sift: Sieve, until: float = math.inf) -> Iterator[Sifted]:
    """All that ``read`` gives, block by block; of a line that is too long no more is kept than shows it.

    Raises OutOfTime where it goes on at ``until``, by time.monotonic(), and what ``read`` raises.
    """
    rest, dropped = b"\n", 0
    while part := read(BLOCK):
        end = part.rfind(b"\n") + 1
        if end:
            found = sift(rest + part[:end])
            yield found._replace(size=found.size + dropped)
            rest, dropped = b"\n" + part[end:], 0
        else:
            rest += part
        if len(rest) > _KEPT + 1:
            dropped += len(rest) - _KEPT - 1
            rest = rest[: _KEPT + 1]
        if time.monotonic() > until:
            raise OutOfTime
    if len(rest) > 1:  # the last line is not finished
        found = sift(rest + b"\n")
        yield found._replace(
            size=found.size + dropped - 1,
            long=int(len(rest) - 1 > MOST_LINE),
            useful=[line.removesuffix(b"\n") for line in found.useful] if len(rest) <= MOST_LINE else [],
        )
