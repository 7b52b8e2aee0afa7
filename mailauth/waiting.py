"""What waits for an auth that does not start: one sentence stands for all of it.  Pure: no I/O."""

from collections.abc import Sequence
from dataclasses import replace

from mailauth.evidence import Fact, Unobserved
from mailauth.finding import Bears, Certainty, Finding, Severity, Undecided

_STARTS = frozenset({Bears.START, Bears.NEXT_START})


def for_auth(
    findings: Sequence[Finding], undecided: Sequence[Undecided], lookups: Fact | None
) -> tuple[list[Finding], list[Undecided]]:
    """The same, or where auth is proven not to start: without what is undecided for want of a passdb to ask.

    The finding says how many rules that are.  What is undecided for another reason stays: what only root may
    see, a bug in a probe.
    """
    first = next((one for one in findings if _proven(one)), None)
    if first is None or not isinstance(lookups, Unobserved) or lookups.bug or lookups.needs_root:
        return list(findings), list(undecided)
    left = [one for one in undecided if one.missing.reason != lookups.reason]
    count = len({one.rule.code for one in undecided} - {one.rule.code for one in left})
    if not count:
        return list(findings), left
    said = f"{first.problem.says} Until that is mended, {count} other checks have nothing to look at."
    mended = replace(first, problem=replace(first.problem, says=said))
    return [mended if one is first else one for one in findings], left


def _proven(one: Finding) -> bool:
    blocks = one.severity is Severity.BLOCKS_LOGIN and one.problem.certainty is Certainty.PROVEN
    return blocks and one.rule.bears in _STARTS
