"""A list of passwords in UTF-8, whatever it was written in: the bytes that clients send must be hashed.

Which encoding a file has cannot be known of it, so one that is not UTF-8 is asked for.
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
            for text in _decoded(file, encoding):
                if copy.write(text.encode()) and copy.tell() > SPOOL:
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
            raise UsageError("the list begins as UTF-16 does: say --encoding utf-16.")
        first = False
        held = decoder.getstate()[0]
        try:
            decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as why:
            line = lines + (held + chunk).count(b"\n", 0, why.start)
            raise UsageError(
                f"line {line} of the list is not UTF-8, and its passwords would be hashed as other bytes than"
                " clients send: say --encoding NAME (cp1252 for Excel in Western Europe, utf-16, ...), or"
                " --encoding bytes to take each password byte for byte."
            ) from None
        if not chunk:
            return
        lines += chunk.count(b"\n")


def _decoded(file: BinaryIO, encoding: str) -> Iterator[str]:
    try:
        known = codecs.lookup(encoding)
        "a".encode(encoding)  # codecs that are none of text are refused here
        decoder = codecs.getincrementaldecoder(known.name)()
    except (LookupError, ValueError):
        raise UsageError(f"--encoding {encoding}: there is no such encoding.") from None
    while True:
        chunk = file.read(_CHUNK)
        try:
            yield decoder.decode(chunk, final=not chunk)
        except UnicodeError:
            raise UsageError(f"the list is not {encoding}: some bytes of it are nothing there.") from None
        if not chunk:
            return
