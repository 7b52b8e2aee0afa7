"""The JSON schema of a record: the same text whatever Python makes it."""

import inspect
from typing import Any

import msgspec


def schema_of(record: type) -> dict[str, Any]:
    """As msgspec makes it; a description is a docstring without its indentation.

    Python keeps that indentation before 3.13, and drops it from then on (What's New In Python 3.13).
    """
    found: dict[str, Any] = _dedented(msgspec.json.schema(record))
    return found


def _dedented(part: Any) -> Any:
    if isinstance(part, list):
        return [_dedented(one) for one in part]
    if not isinstance(part, dict):
        return part
    found = {name: _dedented(value) for name, value in part.items()}
    if isinstance(found.get("description"), str):
        found["description"] = inspect.cleandoc(found["description"])
    return found
