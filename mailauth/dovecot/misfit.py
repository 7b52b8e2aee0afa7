"""A line of a configuration that the other dialect writes otherwise."""

import re

from mailauth.dovecot.conf import Setting
from mailauth.records import dataclass

_SECRET = re.compile(r"password|_key\b|connect|secret|nonce|token|api_header|dnpass|static", re.IGNORECASE)
_PASSWORD = re.compile(r"(?<![a-z])password=")
_KEY = re.compile(r"encrypt[;(][^}]*key=")  # Dovecot's own filter, as on-login's files have it
_FIELD = re.compile(r"(?<![a-z_])(?:pass|master_pass)=")  # of a proxy: the password for the server behind
_FIELDS = frozenset({"args", "default_fields", "override_fields"})
_NO_SECRET = re.compile(r"auth_verbose_passwords|default_password_scheme|_key_file")


@dataclass(frozen=True, slots=True)
class Misfit:
    """``new`` is what to put there; None: it takes a person.  ``more``: lines that go, with their numbers.

    ``missing``: the setting is not there, and belongs before the line.
    """

    file: str
    line: int
    name: str
    means: str
    old: str = ""  # the line as it stands; "" where it holds a secret
    new: str | None = None
    more: tuple[tuple[int, str], ...] = ()
    missing: bool = False


def is_secret(setting: Setting) -> bool:
    """Whether the value is or may be a secret; a file's name is none."""
    if setting.value.startswith("<") or _NO_SECRET.search(setting.name):
        return False
    if setting.name in _FIELDS and _FIELD.search(setting.value):
        return True
    return bool(_SECRET.search(setting.name) or any(one.search(setting.value) for one in (_PASSWORD, _KEY)))
