"""A number that others wrote: int() takes the digits of every script, and "_"; str calls a "\\u00b2" a digit.

And of more than 4300 digits it makes no number, but an error.
"""

_MOST = 20  # digits: those of 64 bits


def number(text: str | bytes) -> int | None:
    """None for whatever is not one to 20 ASCII digits."""
    return int(text) if are(text) and len(text) <= _MOST else None


def are(text: str | bytes) -> bool:
    """Whether it is ASCII digits, and nothing else."""
    return text.isascii() and text.isdigit()
