"""Rates, times and reasons of a load, for a person."""

from mailauth.load.result import Counts

REASONS = 6
"""As many are shown of those that went wrong."""


def reasons_text(counts: Counts) -> str:
    """What went wrong, the most frequent first; "" for nothing."""
    found = [(count, reason) for reason, count in (*counts.failed.items(), *counts.lost.items())]
    if counts.unsent:
        found.append((counts.unsent, "unsent"))
    return ", ".join(f"{count} {reason}" for count, reason in sorted(found, reverse=True)[:REASONS])


def ms(seconds: float) -> str:
    """A time for a person: three digits at most."""
    if seconds >= 10:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.2f} ms"


def rate_text(rate: float | None) -> str:
    return f"{rate:.4g}/s" if rate is not None and rate < 1000 else f"{rate or 0:,.0f}/s"
