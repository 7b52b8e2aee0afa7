"""What ``load_options`` does; its options are in ``load_options.py``."""

from typing import Any

from mailauth.cli.shared.given import without
from mailauth.errors import UsageError
from mailauth.load.notes import PENALTY
from mailauth.load.plan import LoadPlan, Search, Stops


def plan_of(given: dict[str, Any]) -> LoadPlan:
    """Raises UsageError where options do not go together."""
    ways = [name for name in ("rate", "ramp", "most", "find_knee") if given[name]]
    if len(ways) > 1:
        raise UsageError("--rate, --ramp, --max and --find-knee: one of them.")
    imap = given["by"] == "imap"
    if given["find_knee"]:
        without("load --find-knee", "duration")
    else:
        without("load without --find-knee", "p95", "step")
    if imap:
        without("load --by imap", "connections")
    else:
        without("load --by auth", "penalties")
    if imap and given["wrong"] and not given["penalties"] and not given["lab"]:
        raise UsageError(PENALTY)
    if given["find_knee"] and given["wrong"] == 100:
        raise UsageError("--find-knee judges right passwords: --wrong must be below 100.")
    rate, to = given["ramp"] or (given["rate"] or 10.0,) * 2
    closed = given["most"]
    in_flight = given["in_flight"] or (64 if closed else 100 if imap else 1000)
    share = given["stop_errors"]
    return LoadPlan(
        rate=None if closed else rate,
        rate_to=None if closed else to,
        seconds=given["duration"],
        warm_up=given["warm_up"],
        wrong=given["wrong"] / 100,
        connections=given["connections"],
        in_flight=in_flight,
        timeout=given["timeout"],
        stops=Stops(
            failures=given["stop_failures"],
            p95=given["stop_p95"] / 1000 if given["stop_p95"] else None,
            errors=share / 100 if share is not None else None,
            refusal=imap and not given["penalties"] and not given["lab"],
        ),
        search=Search(given["p95"] / 1000, given["step"]) if given["find_knee"] else None,
    )
