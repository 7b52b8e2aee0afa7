"""Whose domain a passwd-file is of, where its path has the domain in it (``/etc/vmail/%d/passwd``).  Pure.

A name of such a file that has no domain is that of ``name@domain``: who logs in without one has another path.
"""

import re
from itertools import pairwise

from mailauth.stores.query import DOMAIN_VARIABLE, VARIABLE

_DOMAIN = re.compile(DOMAIN_VARIABLE)
_WHOLE = re.compile(r"%L?u|%\{user(\s*\|\s*lower)?\}|")  # of username_format: a name as it is typed
_LOCAL = re.compile(r"%L?n|%\{username\}|%\{user\s*\|\s*username(\s*\|\s*lower)?\}")  # without its domain


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


def no_login(name: str, domain: str, username_format: str) -> str:
    """Why nobody logs in by this line, in words; "" where somebody may.

    The file is that of the domain of whoever logs in, and the line that of ``username_format``.
    """
    if not domain:
        return ""
    own = name.partition("@")[2]
    if _LOCAL.fullmatch(username_format) and "@" in name:
        return f"nobody logs in by it: {username_format} (username_format) takes the domain from a name"
    if _WHOLE.fullmatch(username_format) and not own:
        return (
            "nobody logs in by it: it has no domain, and Dovecot looks for a name with one (username_format)"
        )
    if _WHOLE.fullmatch(username_format) and own.lower() != domain.lower():
        return "nobody logs in by it: its domain is not that of its file"
    return ""
