"""What ``load_options`` does; its options are in ``load_options.py``."""

from typing import Any

from mailauth.cli.shared.given import without
from mailauth.errors import UsageError
from mailauth.load.notes import PENALTY
from mailauth.load.plan import AttackPlan, LoadPlan, Search, Span, Stops

_STOPS = ("stop_failures", "stop_p95", "stop_errors")
_RIGHT = 5.0  # right logins a second beside an attack
_SEARCH = 600.0  # seconds
_MOST_WRONG = 20_000.0  # a second
_NEAR = 1.15
_DRAINED = 60.0  # seconds: a wrong password that Dovecot still works on would weigh on the next step


def plan_of(given: dict[str, Any]) -> LoadPlan:
    """Raises UsageError where options do not go together."""
    ways = [name for name in ("rate", "ramp", "most", "find_knee") if given[name]]
    attack = given["attack"]
    if len(ways) > 1:
        raise UsageError("--rate, --ramp, --max and --find-knee: one of them.")
    imap = given["by"] == "imap"
    if attack:
        without("load --attack", "wrong", "ramp", "most", "find_knee", "p95", *_STOPS)
    else:
        without("load without --attack", "wait", "same_address")
    if given["find_knee"]:
        without("load --find-knee", "duration")
    elif not attack:
        without("load without --find-knee", "p95", "step")
    if imap:
        without("load --by imap", "connections")
    else:
        without("load --by auth", "penalties")
    if imap and (given["wrong"] or attack) and not given["penalties"] and not given["lab"]:
        raise UsageError(PENALTY)
    if given["find_knee"] and given["wrong"] == 100:
        raise UsageError("--find-knee judges right passwords: --wrong must be below 100.")
    rate, to = given["ramp"] or (given["rate"] or (_RIGHT if attack else 10.0),) * 2
    closed = given["most"]
    usual = (400 if imap else 4000) if attack else 64 if closed else 100 if imap else 1000
    in_flight = given["in_flight"] or usual
    share = given["stop_errors"]
    return LoadPlan(
        rate=None if closed else rate,
        rate_to=None if closed else to,
        seconds=given["duration"] or (_SEARCH if attack else 10.0),
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
        search=Search(given["p95"] / 1000, Span(given["step"])) if given["find_knee"] else None,
        attack=_attack(given, in_flight) if attack else None,
    )


def _attack(given: dict[str, Any], in_flight: int) -> AttackPlan:
    span = Span(given["step"], most=_MOST_WRONG, near=_NEAR, sure=3.0, tries=2)
    return AttackPlan(given["wait"] / 1000, in_flight, max(given["timeout"], _DRAINED), span)
