"""The JSON schemas of what the ``memory`` commands print; tests hold mailauth/schemas to them."""

from typing import Any

from mailauth.memory.records import BenchReport, FitReport, RecommendReport, ShowReport
from mailauth.schema import schema_of

REPORTS: dict[str, type] = {
    "memory-show": ShowReport,
    "memory-fit": FitReport,
    "memory-recommend": RecommendReport,
    "memory-bench": BenchReport,
}


def schema(name: str) -> dict[str, Any]:
    """The schema of one report."""
    return schema_of(REPORTS[name])
