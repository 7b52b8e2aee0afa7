"""What a value of 2.3 becomes in 2.4, where the setting's name alone does not say it.  Pure.

Source: the upgrade guide "2.3 to 2.4" of Dovecot's documentation; each was given to the real 2.4.1 by
tests/dovecot/test_upgrade.py.
"""

import re

from mailauth.dovecot.templates import misread, to_24

_PATH_DRIVERS = ("maildir", "mbox", "sdbox", "mdbox", "dbox")
_BETWEEN = re.compile(r":(?![^{}]*\})")  # not the one in %{ldap:mailbox}
_MAIL_PARTS = {
    "INBOX": "mail_inbox_path",
    "INDEX": "mail_index_path",
    "CONTROL": "mail_control_path",
    "ALT": "mail_alt_path",
    "VOLATILEDIR": "mail_volatile_path",
    "LAYOUT": "mailbox_list_layout",
}
# Their letters have meanings of their own, or none of Dovecot's
_OTHER_LETTERS = frozenset({"log_timestamp", "pop3_uidl_format"})
_UIDL = {"v": "uidvalidity", "u": "uid", "m": "md5", "f": "filename", "g": "guid"}
_UIDL_LETTER = re.compile(r"%(0?)([0-9]*)(X?)([vumfg])")
_OWN_NAME = re.compile(r"\$(?!SET:|ENV:)\{?([a-z][a-z0-9_]*)\}?")
_LOGIN_LETTERS = re.compile(r"%(?:\{[a-z_]+\}|[A-Za-z])")
_LISTS = ("mail_plugins", "protocols", "auth_mechanisms")
_NOT_UNLIMITED = ("restart_request_count", "vsz_limit", "default_vsz_limit", "lmtp_user_concurrency_limit")
_DEFAULT_AT_ZERO = ("client_limit", "process_limit")
# Names of 2.3 that 2.4 has no more, with the same letters behind them; the others are left to a person
_LOGIN = {
    "u": "user",
    "n": "user | username",
    "d": "user | domain",
    "s": "protocol",
    "m": "mechanism",
    "r": "remote_ip",
    "l": "local_ip",
    "a": "local_port",
    "b": "remote_port",
    "e": "mail_pid",
    "c": "secured",
    "k": "ssl_security",
}


def line_24(name: str, value: str) -> str | None:
    """The line for a setting that 2.4 has by this name; None: it takes a person.  The same: no change."""
    value = value.strip()
    if name in _NOT_UNLIMITED and value == "0":
        return f"{name} = unlimited"
    if name in _DEFAULT_AT_ZERO and value == "0":
        return ""
    if name == "ssl_server_prefer_ciphers":
        return f"{name} = { {'yes': 'server', 'no': 'client'}.get(value, value) }"
    if name == "ssl_options":
        kept = [word for word in value.split() if word != "no_compression"]
        return f"{name} = {' '.join(kept)}" if kept else ""
    if name == "pop3_uidl_format":
        return f"{name} = {_uidl(value)}"
    if name in ("login_log_format_elements", "login_log_format"):
        return _login(name, value)
    if name in _LISTS:
        return _listed(name, value)
    if name in _OTHER_LETTERS:
        return f"{name} = {value}"
    own = _OWN_NAME.sub(lambda found: f"$SET:{found[1]}", to_24(value))
    return f"{name} = {own}"


def is_literal(name: str, value: str) -> bool:
    """2.4 takes the line, and takes 2.3's variables in it for ordinary characters."""
    if name in _OTHER_LETTERS or name.endswith(("password", "_query")):
        return False
    return bool(misread(value, "2.4") or _OWN_NAME.search(value))


def mail_24(value: str) -> str | None:
    """``maildir:~/Maildir:INBOX=...`` in a line for each part; None where a part is not known."""
    driver, _, rest = value.partition(":")
    parts = _BETWEEN.split(rest)
    if driver not in _PATH_DRIVERS:
        return None
    lines = [f"mail_driver = {driver}"]
    lines += [f"mail_path = {to_24(parts[0])}"] if parts[0] else []
    for part in parts[1:]:
        key, _, said = part.partition("=")
        if key == "UTF-8":
            lines.append("mailbox_list_utf8 = yes")
        elif key in _MAIL_PARTS:
            lines.append(f"{_MAIL_PARTS[key]} = {to_24(said)}")
        else:
            return None
    return "\n".join(lines)


def quoted(value: str) -> str:
    """A value as a file may have it: in quotes where it has a "#"."""
    if "#" not in value:
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _uidl(value: str) -> str:
    """``%08Xu%08Xv``: each letter with its width."""

    def put(found: re.Match[str]) -> str:
        zero, width, hexadecimal, letter = found.groups()
        if hexadecimal:
            return f"%{{{_UIDL[letter]} | hex({width or 0})}}"
        return f"%{{{_UIDL[letter]}}}" if not (zero or width) else f"%{{{_UIDL[letter]} | lfill({width})}}"

    return _UIDL_LETTER.sub(put, value)


def _login(name: str, value: str) -> str | None:
    unknown = False

    def put(found: re.Match[str]) -> str:
        nonlocal unknown
        letter = found[0][1:]
        if letter.startswith("{"):
            return found[0]
        if name == "login_log_format" and letter in ("$", "s"):
            return "%{message}" if letter == "$" else "%{elements}"
        unknown = unknown or letter not in _LOGIN
        return f"%{{{_LOGIN.get(letter, letter)}}}"

    text = _LOGIN_LETTERS.sub(put, value.replace("%$", "%{message}") if name == "login_log_format" else value)
    return None if unknown else f"{name} = {text}"


def _listed(name: str, value: str) -> str:
    """A list; with ``$mail_plugins`` before it the others come to those that are there."""
    words = value.split()
    own = [word for word in words if word.lstrip("${").rstrip("}") != name]
    if len(own) == len(words):
        return f"{name} = {value}"
    return f"{name} {{\n" + "".join(f"  {word} = yes\n" for word in own) + "}" if own else ""
