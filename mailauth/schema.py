"""The JSON schema of a record: the same text whatever Python and msgspec make it."""

import inspect
from typing import Any

import msgspec


def schema_of(record: type) -> dict[str, Any]:
    """As msgspec makes it; a description is a docstring without its indentation.

    Python keeps that indentation before 3.13, and drops it from then on (What's New In Python 3.13).
    Defaults are left out: what we write has every member, and msgspec names those that a function makes
    from 0.23 on only.
    """
    found: dict[str, Any] = _settled(msgspec.json.schema(record))
    return found


def _settled(part: Any, *, names: bool = False) -> Any:
    """``part`` of a schema so; ``names``: its keys are names of members."""
    if isinstance(part, list):
        return [_settled(one) for one in part]
    if not isinstance(part, dict):
        return part
    found = {name: _settled(value, names=name == "properties") for name, value in part.items()}
    if names:
        return found
    found.pop("default", None)
    if isinstance(found.get("description"), str):
        found["description"] = inspect.cleandoc(found["description"])
    return found
