"""Whether a condition says what a row is ("kind = 'mailbox'"), and not only whether it counts ("active = 1").

In rows of another kind the same column may hold an address or a name, which is as good a plaintext as any.
"""

import re

from mailauth.stores.conditions import columns

_TEXT = re.compile(r"'((?:[^']|'')*)'")
_COUNTS = re.compile(
    r"[-+:.0-9\sT]*|[yntf]|yes|no|true|false|on|off|(?:in)?active|(?:en|dis)abled|ok|open|locked",
    re.IGNORECASE,
)
_KIND = re.compile(
    r"(?:^|_)(?:is_?)?(?:alias|forward|group|list|resource|room|template|kind|type|typ|class|category|role)(?:es|s)?(?:$|_)"
    r"|(?:^|_)(?:prop|property|attr|attribute|key|object|what)(?:_?name)?$|[a-z](?:kind|type)$",
    re.IGNORECASE,
)


def of_kind(condition: str) -> bool:
    """By its text, which is not a flag's or a time; or by the column's name, whatever the value is."""
    if any(not _COUNTS.fullmatch(text) for text in _TEXT.findall(condition)):
        return True
    return any(_KIND.search(one.rpartition(".")[2].strip('`"')) for one in columns(condition))
