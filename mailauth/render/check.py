"""A report of checks as a monitoring plugin's output, and as JSON.

Form: Monitoring Plugins Development Guidelines: one short line, "|" and perfdata; then the long output.
"""

import re
from typing import Any

from mailauth.check.outcome import KINDS, CheckLine, CheckReport, Metric, Outcome, Status
from mailauth.schema import schema_of
from mailauth.visible import visible

_SHORT, _LONG = 240, 400  # characters of the first line, and of each other one
_MOST_LINES, _MOST_PERF = 40, 48


def check_text(report: CheckReport) -> str:
    """What a plugin prints."""
    lines = [f"MAILAUTH {report.status.value} - {_first(report)}"]
    perf = [_perf(one) for each in report.outcomes for one in each.metrics if one.perf]
    if perf:
        lines[0] += f" | {' '.join(perf[:_MOST_PERF])}"
    rest = [line for each in report.outcomes for line in _lines(each)]
    if len(rest) > _MOST_LINES:
        rest = [*rest[:_MOST_LINES], f"{len(rest) - _MOST_LINES} lines more: --format json has them"]
    return "\n".join([*lines, *rest]) + "\n"


def _first(report: CheckReport) -> str:
    """The first of the worst, with the checks that have the same fault, and which others are as bad."""
    checks = [one for one in report.outcomes if one.status is report.status]
    if report.status is Status.OK or not checks:
        return _safe(f"{', '.join(one.check for one in checks)}: {_well(report)}", _SHORT)
    says = checks[0].says
    alike = ", ".join(one.check for one in checks if one.says == says)
    others = ", ".join(one.check for one in checks if one.says != says)
    told = _safe(f"{alike}: {says}".removesuffix("."), _SHORT)
    return f"{told}; also {_safe(others, _SHORT)}" if others else told


def _well(report: CheckReport) -> str:
    """Never that all is well of what could not be looked at."""
    said = [each for one in report.outcomes for each in one.said]
    unseen = ", ".join(dict.fromkeys(each.unseen for each in said if each.unseen))
    if not unseen:
        return "all well"
    if all(each.unseen for each in said):
        return f"nothing could be looked at: {unseen}"
    return f"nothing wrong in what was looked at; not looked into: {unseen}"


def _lines(one: Outcome) -> list[str]:
    """Everything that a check said, the worst first."""
    return [f"[{_label(said)}] {one.check}: {_safe(said.shown, _LONG)}" for said in one.said]


def _label(said: CheckLine) -> str:
    """What could not be looked at by no fault of the server's raises no alarm, and is not well either."""
    return "NOT SEEN" if said.unseen and said.status is Status.OK else said.status.value


def _safe(text: str, most: int) -> str:
    """The sign that begins perfdata is for nothing else."""
    return visible(text.replace("|", "/"), most)


def _perf(one: Metric) -> str:
    """'label'=value[UOM];warn;crit;min;max"""
    label = re.sub(r"[^A-Za-z0-9_]", "_", one.perf)
    parts = [one.warning, one.critical, "0" if one.value >= 0 else "", one.most]
    while parts and not parts[-1]:
        parts.pop()
    value = f"{one.value:.6f}".rstrip("0").rstrip(".")
    return ";".join([f"{label}={value}{KINDS[one.name].unit}", *parts])


def check_schema() -> dict[str, Any]:
    """mailauth/schemas/check.json."""
    return schema_of(CheckReport)
