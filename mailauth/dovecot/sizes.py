"""Dovecot's sizes: "256 M", "18446744073709551615 B", "unlimited"; bytes inside.

Source: Dovecot 2.3.19.1 src/lib-settings/settings-parser.c (str_to size, 1024-based); 2.4.1 likewise.
"""

import re

from mailauth.errors import UsageError

_FACTOR = {"": 1, "B": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_SIZE = re.compile(r"([0-9]{1,20})\s*([BKMGT]?)(?:I?B)?", re.IGNORECASE)

UNSET = 2**64 - 1  # what 2.3's doveconf prints for a service's vsz_limit that follows the default


def parse_size(text: str) -> int:
    """Bytes.  Raises UsageError for anything that Dovecot would not take as a size."""
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise UsageError(f"{text!r} is not a size; write it as Dovecot does, for example 256M or 1G.")
    return int(found[1]) * _FACTOR[found[2].upper()]


def parse_limit(text: str) -> int | None:
    """A vsz_limit in bytes; None for no limit ("0" on 2.3, "unlimited" on 2.4)."""
    text = text.strip()
    if text.lower() == "unlimited":
        return None
    return parse_size(text) or None


def show_size(size: int) -> str:
    """As people read them: "1 GiB", "256 MiB", "23.3 MiB", "12 KiB"."""
    for factor, unit in ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB")):
        if size >= factor or unit == "KiB":
            value = size / factor
            break
    return f"{value:.0f} {unit}" if abs(value - round(value)) < 0.05 else f"{value:.1f} {unit}"


def show_limit(limit: int | None) -> str:
    return "no limit" if limit is None else show_size(limit)
