"""Text that may hold a password, a hash, a token or a query, made fit to be shown.  Pure.

It is the last barrier behind the catalogue of messages, for texts that nobody foresaw: what looks like a
secret is left out.  Names of users, files and hosts stay.
"""

import re
from functools import lru_cache

_Pattern = re.Pattern[bytes]
_LEFT_OUT = b"..."
# Each: what may be secret, and what is written instead.
_FORMS: tuple[tuple[_Pattern, bytes], ...] = (
    # Dovecot's own: auth_verbose_passwords, auth_debug_passwords
    (re.compile(rb"(?i)((?:\b\w+ of )?given password: |password '|passw(?:or)?d: ).*", re.DOTALL), rb"\1..."),
    # what a client library of a database takes for a name: the rest of a password with a blank in it
    (re.compile(rb"((?:Missing value in|Unknown) connect string: ).*", re.DOTALL), rb"\1..."),
    (re.compile(rb'(missing "=" after |invalid connection option )".*', re.DOTALL), rb'\1"..."'),
    # a key of a dict: password_key = passdb/%w/%u
    (re.compile(rb"(?<![\w/])(shared|priv)/.*", re.DOTALL), rb"\1/..."),
    # what a program that ended with an exception wrote
    (re.compile(rb"\b(\w*(?:Error|Exception)): .*", re.DOTALL), rb"\1: ..."),
    # a statement, and what a database quotes of it
    (
        re.compile(
            rb"(?i)\b(select|insert into|update \S+ set|delete from|replace into|call(?= \w+\()"
            rb"|with(?= \w+ as\b)|exec(?= \w+ ['@]))\b.*",
            re.DOTALL,
        ),
        rb"\1 ...",
    ),
    (re.compile(rb"\bLINE \d+:.*", re.DOTALL), _LEFT_OUT),
    # what a variable holds, where a number must be
    (re.compile(rb"\A([^']*').* (is not (?:a number|0 or 1)\b)", re.DOTALL), rb"\1...' \2"),
    (
        re.compile(
            rb"(?i)\b(value|near|entry|literal|token|string|input|syntax for [\w ]{1,80})(:? ?)(['\"]).*",
            re.DOTALL,
        ),
        rb"\1\2\3...",
    ),
    # name=value, of settings, fields, URLs and protocols
    (
        re.compile(
            rb"(?i)\b(\w*(?:passw(?:or)?d|passwd|passphrase|secret|token|dnpass|pwd|credentials|apikey|api_key"
            rb"|authorization|bearer|resp|pass))([\"']?\s*(?:=>|[=:])\s*|=)[^\s,;)}\]&][^\s&]*(?:[^=:,;&]*$)?"
        ),
        rb"\1\2...",
    ),
    (re.compile(rb"(?i)\b(bearer|basic|negotiate) [A-Za-z0-9._~+/=-]{6,}"), rb"\1 ..."),
    (re.compile(rb"(//[^\s/@:]+:)[^\s/]*@"), rb"\1...@"),
    # what a stored string looks like
    (re.compile(rb"(\{[A-Z0-9][A-Z0-9._-]{1,30}\})[^\s'\",;)]+"), rb"\1..."),
    (re.compile(rb"\$(?:[0-9a-zA-Z]{1,16})\$[^\s'\",;)]+"), rb"$..."),
    (re.compile(rb"\beyJ[A-Za-z0-9_-]{1,1024}\.[A-Za-z0-9_.-]+"), _LEFT_OUT),
    (re.compile(rb"(?<![A-Za-z0-9])[0-9a-fA-F]{32,}(?![A-Za-z0-9])"), _LEFT_OUT),
    (
        re.compile(
            rb"(?<![A-Za-z0-9+/=.:_<-])(?=[A-Za-z0-9+/]*[a-z])(?=[A-Za-z0-9+/]*[A-Z])(?=[A-Za-z0-9+/]*\d)"
            rb"[A-Za-z0-9+][A-Za-z0-9+/]{15,}={0,2}"
        ),
        _LEFT_OUT,
    ),
    (re.compile(rb"(?<![A-Za-z0-9+/=._-])[A-Za-z0-9+/]{8,}={1,2}(?![\w=])"), _LEFT_OUT),
)
# Without any of these no form can match.
_MAY = re.compile(
    rb"[={}$'\"/]|[A-Za-z0-9+]{16}|LINE|Error:|Exception:|(?i:pass|secret|token|pwd|credential|author|api.?key|bearer|basic"
    rb"|negotiate|connect string|resp|select|insert|update|delete|replace|call|with|exec|value|entry)"
)


@lru_cache(maxsize=1024)  # a log says the same again and again
def redacted(text: bytes) -> bytes:
    """The text without what looks like a secret."""
    if _MAY.search(text) is None:
        return text
    for form, instead in _FORMS:
        text = form.sub(instead, text)
    return text
