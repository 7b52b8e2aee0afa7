r"""What shells, files and programs leave of a password that is written into them.  Pure.

Each way is named by what does that.  The rules are those of the tools: sh(1), dotenv, YAML 1.1 and 1.2, CSV
(RFC 4180), JSON (RFC 8259), URLs (RFC 3986), SQL, make(1), crontab(5), cmd.exe, PowerShell, Perl.
"""

import base64
import html
import json
import re
from collections.abc import Callable, Iterator

from mailauth.expressions import expression
from mailauth.hashes.shellwords import words

Way = tuple[str, Callable[[str], str]]
"""How it is put after "the password given is wrong;", and what becomes of the text."""


def _first(found: list[str]) -> str:
    return found[0] if found else ""


def _until(text: str, mark: str) -> str:
    """Up to the mark; nothing where it is missing."""
    before, found, _ = text.partition(mark)
    return before if found else ""


def _until_any(text: str, marks: str) -> str:
    found = re.search(f"[{re.escape(marks)}]", text)
    return text[: found.start()] if found else ""


def _backslashes(text: str) -> str:
    r"""``\t``, ``\x41`` and ``é`` as echo -e, printf and JSON read them."""
    if "\\" not in text:
        return text
    codes = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b"}

    def read(found: re.Match[str]) -> str:
        body = found[1]
        if body[0] in "xu" and len(body) > 1:
            return chr(int(body[1:], 16))
        if body[0] in "01234567":
            return chr(int(body, 8) & 0xFF)
        return codes.get(body, body)

    return re.sub(r"\\(u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{1,2}|[0-7]{1,4}|.)", read, text, flags=re.DOTALL)


_YES, _NO = ("y", "yes", "on", "true"), ("n", "no", "off", "false")
_LONGEST = 40  # characters of a number
_FLOAT = expression(r"[-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]{1,2})?")


def _truths(text: str) -> Iterator[str]:
    """What YAML 1.1 takes for a truth or for nothing, as programs print it again."""
    word = text.lower()
    if word in _YES:
        yield from ("True", "true", "1")
    if word in _NO:
        yield from ("False", "false", "0")
    if word in ("null", "~"):
        yield from ("None", "null")


def _numbers(text: str) -> Iterator[str]:
    """What YAML 1.1 or a spreadsheet takes for a number, as programs print it again."""
    digits = text.replace("_", "") if len(text) <= _LONGEST else ""
    bases = (r"[-+]?0[0-7]+", 8), (r"0[xX][0-9A-Fa-f]+", 16), (r"0o[0-7]+", 8), (r"0b[01]+", 2)
    for form, base in (*bases, (r"[-+]?[0-9]+", 10)):
        if re.fullmatch(form, digits):
            yield str(int(digits, base))
    if re.fullmatch(r"[0-9]+(?::[0-5]?[0-9])+", digits):
        total = 0
        for part in digits.split(":"):
            total = 60 * total + int(part)
        yield str(total)
    if _FLOAT.fullmatch(digits) and not digits.isdigit():
        yield from (repr(float(digits)), f"{float(digits):g}")
    if re.fullmatch(r"[0-9]{12,}", digits):
        yield f"{int(digits):.5E}"


def _inside(text: str) -> str:
    pairs = {"<": ">", "(": ")", "[": "]", "{": "}", "\u201c": "\u201d", "\u00ab": "\u00bb"}
    return text[1:-1] if len(text) > 2 and pairs.get(text[0]) == text[-1] else text


def _from_base64(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode().rstrip("\n")
    except ValueError:
        return text


def _untagged(text: str) -> str:
    return text.partition(" ")[2] if text[:1] in "!&*" and " " in text else text


SHELL: tuple[Way, ...] = (
    ("as its first word only (an unquoted argument of a shell)", lambda text: _first(text.split())),
    ("as a shell reads it without quotes", lambda text: _first(words(text))),
    ("as a shell reads it in double quotes", lambda text: _first(words(f'"{text}"'))),
    ("as a shell reads it in single quotes", lambda text: _first(words(f"'{text}'"))),
    ("as echo prints it without quotes", lambda text: " ".join(words(text))),
    ("with the backslashes before ! kept (double quotes in bash)", lambda text: text.replace("!", "\\!")),
)
"""Most of what is lost of a password is lost here: all that a shell does at once, as it does it."""

BEGINNINGS: tuple[Way, ...] = (
    ("up to its # (a comment in a shell, .env, YAML or make)", lambda text: _until(text, "#").rstrip()),
    ("up to its first ; (a shell, or a comment in an INI file)", lambda text: _until(text, ";").rstrip()),
    ("up to its first & (a shell, or the body of a form)", lambda text: _until(text, "&").rstrip()),
    ("up to its first | < or > (a shell)", lambda text: _until_any(text, "|<>").rstrip()),
    ("up to its first : (a passwd-file)", lambda text: _until(text, ":")),
    ("up to its first @ (a URL)", lambda text: _until(text, "@")),
    ("up to its first / or ? (a URL)", lambda text: _until_any(text, "/?")),
    ("up to its first comma (CSV)", lambda text: _until(text, ",")),
    ("up to its first quote (a string in a program or a file)", lambda text: _until_any(text, "\"'")),
    ("up to its first % (crontab)", lambda text: _until(text, "%")),
    ("up to its first = (a file of name = value)", lambda text: _until(text, "=")),
    ("up to its first $ (a shell or a template)", lambda text: _until(text, "$")),
    ("up to its first backslash", lambda text: _until(text, "\\")),
)

WRITTEN: tuple[Way, ...] = (
    ("without the quotes in it", lambda text: re.sub("[\"'`]", "", text)),
    ("without the brackets around it", _inside),
    ("without the dot or comma after it", lambda text: text.rstrip(".,;:")),
    ("with one quote for two (CSV, SQL, YAML)", lambda text: text.replace('""', '"').replace("''", "'")),
    ("with its backslash sequences read (echo -e, printf, JSON)", _backslashes),
    ("with % for %% (printf, a batch file)", lambda text: text.replace("%%", "%")),
    ("without ^ (cmd.exe)", lambda text: re.sub(r"\^(.)", r"\1", text)),
    ("without %names% (cmd.exe)", lambda text: re.sub(r"%\w+%", "", text)),
    ("without ` (PowerShell)", lambda text: text.replace("`", "")),
    ("without $ and the character after it (make)", lambda text: re.sub(r"\$[^$({]", "", text)),
    ("without what Perl takes for arrays (@)", lambda text: re.sub(r"@[A-Za-z_]\w*", "", text)),
    ("without what a form takes for tags (<...>)", lambda text: re.sub(r"<[^>]*>?", "", text)),
    ("with $$ for $ (Compose, make)", lambda text: text.replace("$", "$$")),
    ("with two quotes for one (CSV)", lambda text: text.replace('"', '""')),
    ("with two single quotes for one (SQL, YAML)", lambda text: text.replace("'", "''")),
    ("with backslashes doubled", lambda text: text.replace("\\", "\\\\")),
    ("as JSON writes it", lambda text: json.dumps(text)[1:-1]),
    ("with HTML entities as PHP writes them", lambda text: html.escape(text).replace("&#x27;", "&#039;")),
    ("out of base64", _from_base64),
    ("with ~ as root's home (a shell)", lambda text: f"/root{text[1:]}" if text[:1] == "~" else text),
    ("without its first word (YAML's tags and anchors)", _untagged),
)


RARELY: tuple[Way, ...] = (
    ("twice (typed or pasted twice)", lambda text: text + text),
    ("in base64 (a Secret of Kubernetes)", lambda text: base64.b64encode(text.encode()).decode()),
    ("in base64 with a line end", lambda text: base64.b64encode(f"{text}\n".encode()).decode()),
    ("without the last character", lambda text: text[:-1] if len(text) > 3 else ""),
    ("without the first character", lambda text: text[1:] if len(text) > 3 else ""),
)
"""These change any password, and so cost time for each."""


def scalars(text: str) -> Iterator[tuple[str, str]]:
    """What a file of YAML or a spreadsheet takes for a number, a truth or nothing."""
    for made in (*_truths(text), *_numbers(text)):
        yield "as YAML or a spreadsheet reads it (a number, yes or no, nothing)", made
