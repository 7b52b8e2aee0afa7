"""The JSON schemas of what the ``memory`` commands print; tests hold mailauth/schemas to them."""

from typing import Any

import msgspec

from mailauth.memory.report import FitReport, ShowReport

REPORTS: dict[str, type] = {"memory-show": ShowReport, "memory-fit": FitReport}


def schema(name: str) -> dict[str, Any]:
    """The schema of one report."""
    found: dict[str, Any] = msgspec.json.schema(REPORTS[name])
    return found
