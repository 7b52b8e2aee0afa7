"""Whose domain a passwd-file is of, where its path has the domain in it (``/etc/vmail/%d/passwd``).  Pure.

A name of such a file that has no domain is that of ``name@domain``: who logs in without one has another path.
"""

import re
from itertools import pairwise

from mailauth.stores.query import DOMAIN_VARIABLE, VARIABLE

_DOMAIN = re.compile(DOMAIN_VARIABLE)


def domain_of(template: str, path: str) -> str:
    """The domain that the path of this file shows; "" for none."""
    found = list(VARIABLE.finditer(template))
    edges = [0, *(at for one in found for at in one.span()), len(template)]
    texts = [re.escape(template[a:b]) for a, b in list(pairwise(edges))[::2]]
    named, pattern = False, texts[0]
    for one, text in zip(found, texts[1:], strict=True):
        if _DOMAIN.fullmatch(one[0]):
            pattern += "(?P=domain)" if named else "(?P<domain>[^/]+)"
            named = True
        else:
            pattern += "[^/]*"
        pattern += text
    whole = re.fullmatch(pattern, path) if named else None
    return whole["domain"] if whole else ""


def full_name(user: str, domain: str) -> str:
    """``domain``: the file's, or "" for none."""
    return f"{user}@{domain}" if user and domain and "@" not in user else user
