"""Lines of lists that others wrote, and the fields of one: each line is for itself."""

import csv
from collections.abc import Iterator
from typing import BinaryIO

from mailauth.hashes import batch

_MARK = "\ufeff"  # before the first line


def numbered(file: BinaryIO) -> Iterator[tuple[int, str]]:
    """Each line with its number, from 1, without a byte order mark; what is no UTF-8 as surrogates.

    Of one longer than ``batch.LONGEST_LINE`` bytes only so much comes that it shows: see ``too_long``.
    """
    for number, raw in enumerate(batch.read_lines(file), 1):
        text = raw.decode("utf-8", "surrogateescape")
        yield number, text.removeprefix(_MARK) if number == 1 else text


def too_long(text: str) -> bool:
    """Whether a line was longer than is read."""
    most = batch.LONGEST_LINE
    return len(text) > most or (len(text) > most // 4 and len(text.encode("utf-8", "surrogateescape")) > most)


def fields(text: str, delimiter: str, quote: str = '"') -> list[str]:
    """Nothing for what is no line of a CSV; ``quote``: "" for none."""
    if not quote:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], strict=True, delimiter=delimiter, quotechar=quote), [])
    except csv.Error:
        return []
