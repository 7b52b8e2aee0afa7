"""JSON objects that every version of Dovecot takes alike; others are not judged here.

Source: Dovecot 2.3.19.1 src/lib/json-parser.c and 2.4.1 src/lib-json.  Measured on 2.3.19.1, 2.4.1, 2.4.5:
2.3 takes control characters and bytes that are no UTF-8, 2.4 does not; 2.4 refuses what is long, deep or has
many members; all refuse \\u0000 and half of a character, and auth ends at an empty name.
"""

import json
import re
from typing import Any

from mailauth.errors import CannotObserve

# Well within what 2.4 takes: strings of 32,768 characters, names of 300, 31 objects in each other.
_LONGEST, _LONGEST_NAME = 16_384, 255  # characters
_DEEPEST, _ITEMS = 16, 250  # objects and lists in each other; members of one
_NO_CHARACTER = re.compile("[\0\ud800-\udfff]")
_OTHERWISE = "which Dovecot's versions take differently; a login shows what this one makes of it."


def loaded(data: bytes) -> dict[str, Any]:
    """Numbers as they are written, null as None.  Raises ValueError for what no Dovecot takes for an object.

    Raises CannotObserve where that is not known.
    """
    if data.strip(b" \t\r\n")[:1] != b"{":
        raise ValueError
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise CannotObserve(f"its JSON is not in UTF-8, {_OTHERWISE}") from None
    try:
        found = _object(text, strict=True)
    except ValueError:
        _check_control_characters(text)
        raise
    _check(found, 0)
    return found


def _object(text: str, *, strict: bool) -> dict[str, Any]:
    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in found}) != len(found):
            raise CannotObserve(f"its JSON has a name twice, {_OTHERWISE}")
        return dict(found)

    def constant(_: str) -> Any:
        raise ValueError

    try:
        value = json.loads(
            text,
            strict=strict,
            object_pairs_hook=pairs,
            parse_int=str,
            parse_float=str,
            parse_constant=constant,
        )
    except RecursionError:
        raise CannotObserve(f"its JSON is too deep, {_OTHERWISE}") from None
    if not isinstance(value, dict):
        raise ValueError  # noqa: TRY004 - it is the text that is wrong
    return value


def _check_control_characters(text: str) -> None:
    try:
        _object(text, strict=False)
    except ValueError:
        return
    raise CannotObserve(f"its JSON has a control character in a string, {_OTHERWISE}")


def _check(value: Any, depth: int) -> None:
    if depth > _DEEPEST:
        raise CannotObserve(f"its JSON is too deep, {_OTHERWISE}")
    if isinstance(value, dict | list) and len(value) > _ITEMS:
        raise CannotObserve(f"its JSON has {len(value):,} members in one object, {_OTHERWISE}")
    if isinstance(value, str):
        _check_string(value, _LONGEST)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if not name:
                raise CannotObserve("its JSON has an empty name, which ends the auth process.")
            _check_string(name, _LONGEST_NAME)
            _check(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check(inner, depth + 1)


def _check_string(text: str, most: int) -> None:
    if len(text) > most:
        raise CannotObserve(f"its JSON has a string of {len(text):,} characters, {_OTHERWISE}")
    if _NO_CHARACTER.search(text):
        raise CannotObserve(f"its JSON has half of a character, or the character 0, {_OTHERWISE}")
