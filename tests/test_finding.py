"""Rules applied to facts, with plain values."""

import pytest

from mailauth.evidence import Fact, LookedUp, NotApplicable, PasswordCheck, Unobserved, UserName
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule
from mailauth.hashes import Verdict
from mailauth.judging import apply
from mailauth.rules import RULES

NAME = UserName("here", "alice", "alice", "")
CHECK = PasswordCheck("here", (Verdict.MISMATCH,), lets_in=False)


@rule("TEST001", "Always", Severity.NOTE)
def always(name: UserName, check: PasswordCheck) -> Problem | None:
    return Problem("it is so", (name, check), Certainty.PROVEN, Remedy("live with it"))


def test_what_a_rule_needs_is_read_from_its_parameters() -> None:
    assert always.needs == (UserName, PasswordCheck)


def test_a_rule_is_asked_when_every_fact_is_there() -> None:
    findings, undecided = apply((always,), [{UserName: NAME, PasswordCheck: CHECK}])
    assert [f.rule.code for f in findings] == ["TEST001"]
    assert undecided == []


def test_a_missing_fact_leaves_it_undecided_with_the_reason() -> None:
    blind = Unobserved(PasswordCheck, "no permission")
    findings, undecided = apply((always,), [{UserName: NAME, PasswordCheck: blind}])
    assert findings == []
    assert [(u.rule.code, u.missing.reason) for u in undecided] == [("TEST001", "no permission")]


def test_where_there_is_nothing_to_look_at_it_is_silent() -> None:
    nothing = NotApplicable(PasswordCheck, "no password was given")
    assert apply((always,), [{UserName: NAME, PasswordCheck: nothing}]) == ([], [])


@rule("TEST002", "With a check", Severity.RISK)
def perhaps(name: UserName, check: PasswordCheck | None) -> Problem | None:
    blocks = Severity.BLOCKS_LOGIN if check else None
    return Problem("it is so", (name,), Certainty.PROVEN, Remedy("live with it"), blocks)


@pytest.mark.parametrize(
    ("seen", "severity"),
    [
        (CHECK, Severity.BLOCKS_LOGIN),
        (Unobserved(PasswordCheck, "no permission"), Severity.RISK),
        (NotApplicable(PasswordCheck, "no password was given"), Severity.RISK),
    ],
    ids=["seen", "unobserved", "not applicable"],
)
def test_what_may_be_none_says_more_and_is_not_needed(seen: Fact, severity: Severity) -> None:
    assert (perhaps.needs, perhaps.also) == ((UserName,), (PasswordCheck,))
    (found,), undecided = apply((perhaps,), [{UserName: NAME, PasswordCheck: seen}])
    assert (found.severity, undecided) == (severity, [])


def test_equal_findings_of_two_passdbs_are_one() -> None:
    case = {UserName: NAME, PasswordCheck: CHECK}
    findings, _ = apply((always,), [case, dict(case)])
    assert len(findings) == 1


def test_a_problem_without_evidence_does_not_exist() -> None:
    with pytest.raises(ValueError, match="opinion"):
        Problem("I feel it", (), Certainty.LIKELY, Remedy(""))


def test_evidence_says_where_and_what() -> None:
    assert LookedUp("the passdbs", ()).seen == "none was asked"
    assert CHECK.seen == "mismatch"


def test_it_is_known_of_each_rule_that_blocks_what_that_rests_on() -> None:
    """Else a login that worked, or a passdb that was not looked into, would not weigh against it."""
    blocking = [one for one in RULES if one.severity is Severity.BLOCKS_LOGIN]
    assert [one.code for one in blocking if one.bears is None] == []
