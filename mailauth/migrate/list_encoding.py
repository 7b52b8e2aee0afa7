"""A list of passwords in UTF-8, whatever it was written in: the bytes that clients send must be hashed.

The bytes of a file do not say which encoding it has, so a list that is not UTF-8 needs its name.
"""

import codecs
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from mailauth.errors import UsageError

SPOOL = 256 * 1024 * 1024  # bytes of a list that are kept in memory
_CHUNK = 1024 * 1024
_AS_IT_IS = "bytes"
_MARKED = (  # the longer mark first: that of UTF-16 is the beginning of it
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@contextmanager
def as_utf8(file: BinaryIO, encoding: str | None) -> Iterator[BinaryIO]:
    """``file`` from where it stands, or a copy of it in UTF-8 with line ends.  Raises UsageError."""
    start = file.tell()
    head = file.read(_CHUNK)
    file.seek(start)
    if encoding is None:
        encoding = next((name for mark, name in _MARKED if head.startswith(mark)), None)
    old_ends = b"\r" in head and b"\n" not in head
    if encoding == _AS_IT_IS:
        yield file
    elif encoding is None and not old_ends:
        _must_be_utf8(file)
        file.seek(start)
        yield file
    else:
        with os.fdopen(os.memfd_create("mailauth-list", os.MFD_CLOEXEC), "w+b") as copy:
            for part in _decoded(file, encoding or "utf-8"):
                if copy.write(part.replace(b"\r", b"\n") if old_ends else part) and copy.tell() > SPOOL:
                    raise UsageError(f"more than {SPOOL // 1024**2} MiB in {encoding}: make it UTF-8 first.")
            copy.seek(0)
            yield copy


def _must_be_utf8(file: BinaryIO) -> None:
    lines = 1
    decoder = codecs.getincrementaldecoder("utf-8")()
    while True:
        chunk = file.read(_CHUNK)
        if lines == 1 and chunk[1::2].count(0) > len(chunk) // 4:
            raise UsageError("the list is in UTF-16 without its mark: add --encoding utf-16-le.")
        if lines == 1 and chunk[::2].count(0) > len(chunk) // 4:
            raise UsageError("the list is in UTF-16 without its mark: add --encoding utf-16-be.")
        held = decoder.getstate()[0]
        try:
            decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as why:
            line = lines + (held + chunk).count(b"\n", 0, why.start)
            raise UsageError(
                f"line {line} of the list is not UTF-8, and mail clients send passwords in UTF-8: add"
                " --encoding NAME (cp1252 for Excel in Western Europe, utf-16, ...), or --encoding bytes to"
                " hash each password byte for byte."
            ) from None
        if not chunk:
            return
        lines += chunk.count(b"\n")


def _decoded(file: BinaryIO, encoding: str) -> Iterator[bytes]:
    """In UTF-8."""
    try:
        known = codecs.lookup(encoding)
        "a".encode(encoding)  # refuses codecs that are not of text, such as rot13
        decoder = codecs.getincrementaldecoder(known.name)()
    except (LookupError, ValueError):
        raise UsageError(f"--encoding {encoding}: there is no such encoding.") from None
    while True:
        chunk = file.read(_CHUNK)
        try:
            part = decoder.decode(chunk, final=not chunk).encode()
        except UnicodeError:
            raise UsageError(
                f"the list is not {encoding}: some of its bytes are not characters of that encoding."
            ) from None
        yield part
        if not chunk:
            return
