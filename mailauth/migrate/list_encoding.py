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
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@contextmanager
def as_utf8(file: BinaryIO, encoding: str | None) -> Iterator[BinaryIO]:
    """``file`` from where it stands, or a copy of it in UTF-8.  Raises UsageError."""
    if encoding == _AS_IT_IS:
        yield file
    elif encoding is None:
        start = file.tell()
        _must_be_utf8(file)
        file.seek(start)
        yield file
    else:
        with os.fdopen(os.memfd_create("mailauth-list", os.MFD_CLOEXEC), "w+b") as copy:
            for part in _decoded(file, encoding):
                if copy.write(part) and copy.tell() > SPOOL:
                    raise UsageError(f"more than {SPOOL // 1024**2} MiB in {encoding}: make it UTF-8 first.")
            copy.seek(0)
            yield copy


def _must_be_utf8(file: BinaryIO) -> None:
    lines = 1
    decoder = codecs.getincrementaldecoder("utf-8")()
    first = True
    while True:
        chunk = file.read(_CHUNK)
        if first and chunk.startswith(_UTF16):
            raise UsageError("the list begins with the byte order mark of UTF-16: add --encoding utf-16.")
        first = False
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
                f"the list is not {encoding}: some of its bytes are no characters there."
            ) from None
        yield part
        if not chunk:
            return
