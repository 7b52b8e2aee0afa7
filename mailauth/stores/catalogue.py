"""What a database says of its own tables: ``SchemaQueries`` take the form of a password query.  Pure.

Each returns one row with a field "user", the name that is shown.  Of the query only words are put into it.
"""

import re

_WORD = re.compile(r"[^\W0-9]\w*")
_MOST = 60  # words of a query


def filled(text: str, query: str) -> str:
    """``text`` with the words of the query; "" where there is no text, or no word."""
    found = list(dict.fromkeys(_WORD.findall(query)))[:_MOST]
    if not text or not found:
        return ""
    lower = dict.fromkeys(word.lower() for word in found)
    words = {*found, *lower}
    return text.format(
        words=", ".join(f"'{word}'" for word in sorted(words)),
        exact=", ".join(f"'{word}'" for word in found),
        lower=", ".join(f"'{word}'" for word in lower),
    )


def letters(text: str, query: str, missing: str) -> str:
    """For a column that has this name in other letters."""
    return filled(text.replace("{name}", missing), query) if _WORD.fullmatch(missing) else ""
