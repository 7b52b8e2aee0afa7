"""Dovecot's sizes: "256 M", "18446744073709551615 B", "unlimited"; bytes inside.

Source: Dovecot 2.3.19.1 src/lib-settings/settings-parser.c (str_to size, 1024-based); 2.4.1 likewise.
"""

import re

from mailauth.errors import UsageError

_FACTOR = {"": 1, "B": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_SIZE = re.compile(r"(\d+)\s*([BKMGT]?)(?:I?B)?", re.IGNORECASE)

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
    """MiB as people read them: "256 MiB", "23.3 MiB", "12 KiB"."""
    if size < 1024 * 1024:
        return f"{size / 1024:.0f} KiB"
    mib = size / 1024**2
    return f"{mib:.0f} MiB" if abs(mib - round(mib)) < 0.05 else f"{mib:.1f} MiB"


def show_limit(limit: int | None) -> str:
    return "no limit" if limit is None else show_size(limit)
