"""The JSON schemas of what the ``memory`` commands print; tests hold mailauth/schemas to them."""

from typing import Any

import msgspec

from mailauth.memory.report import BenchReport, FitReport, RecommendReport, ShowReport

REPORTS: dict[str, type] = {
    "memory-show": ShowReport,
    "memory-fit": FitReport,
    "memory-recommend": RecommendReport,
    "memory-bench": BenchReport,
}


def schema(name: str) -> dict[str, Any]:
    """The schema of one report."""
    found: dict[str, Any] = msgspec.json.schema(REPORTS[name])
    return found
