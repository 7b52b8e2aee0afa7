"""The passdbs' own rules let nobody like this user in, whatever the password.

What you see
    The right password fails.  The log may say nothing but "unknown user", or "All password databases
    were skipped".
Why
    What a passdb's answer leads to is set by result_success, result_failure, result_internalfail, skip,
    username_filter and mechanisms.  A passdb that returns before the one that has the user is asked, one
    that is skipped for this user, a success that is never made final, or an entry with the field fail,
    refuses everyone.
How we know
    The passdbs were followed as Dovecot follows them: with the password that was given, where a hash matches
    it, and else with one that every hash matches.
What to do
    Set the passdb that has the user before the others, or correct the setting named.
"""

from enum import Enum

from mailauth.evidence import Configured, End, LookedUp, PasswordCheck, Said, Step, UserName
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.hashes import Verdict
from mailauth.rules import passdb_case
from mailauth.stores.store import Outcome

# The passdb itself refuses the user: other rules say why.
_BY_ITSELF = (Outcome.NO_PASSWORD, Outcome.REFUSED, Outcome.DENIED, Outcome.FAILED)


class _Whose(Enum):
    """Which password it is of."""

    ANY = "With the right password"
    GIVEN = "With the password given, which a hash matches"
    OF_ALL = "With a password that every passdb takes which has the user, while another may work"


_FAILED = (Said.UNKNOWN, Said.MISMATCH, Said.REFUSED, Said.FAILURE)


@rule(
    "USER012",
    "The passdbs' own rules refuse the user, whatever the password",
    Severity.BLOCKS_LOGIN,
    bears=Bears.ANSWER,
)
def rules_refuse(
    name: UserName, lookups: LookedUp, configured: Configured, check: PasswordCheck | None
) -> Problem | None:
    whose, end = _way(lookups, check)
    if name.refused or name.requested or end is None or end.said not in _FAILED or lookups.unasked:
        return None
    if any(a.failure or a.outcome in _BY_ITSELF or _explained(a.restricts) for a in lookups.answers):
        return None
    if lookups.unknown and (not lookups.elsewhere or lookups.near or lookups.disabled):
        return None
    way = "; ".join(_told(step, configured) for step in end.steps)
    has = "".join(f" {one.passdb} has the user ({one.place})." for one in lookups.elsewhere)
    stops = next((leads for step in reversed(end.steps) if (leads := _leads(step, configured))), "")
    correct = f"Correct {stops or 'what makes Dovecot stop there'}"
    return Problem(
        says=f"{whose.value}: {way}; then the login fails.{has}",
        because=(name, lookups, configured, *((check,) if check and whose is _Whose.GIVEN else ())),
        certainty=Certainty.LIKELY if whose is _Whose.OF_ALL else Certainty.PROVEN,
        severity=Severity.RISK if whose is _Whose.OF_ALL else None,
        remedy=Remedy(summary=f"{correct}, or skip the passdb that has the user."),
    )


def _way(lookups: LookedUp, check: PasswordCheck | None) -> tuple[_Whose, End | None]:
    """The way that ends in a refusal: with the given password, if a hash matches it; else with any.

    Where several passdbs have the user, a password that one of them does not take may get in.
    """
    if check and Verdict.MATCH in check.verdicts:
        return _Whose.GIVEN, None if check.lets_in or _does_not_fit(check.end) else check.end
    if any(end.lets_in for _, end in lookups.without):
        return _Whose.OF_ALL, None if check else lookups.right
    return _Whose.ANY, lookups.right


def _does_not_fit(end: End | None) -> bool:
    """No passdb takes the password that a hash matches: the process has no room, as a MEM rule says."""
    said = {step.said for step in end.steps} if end else set()
    return Said.MISMATCH in said and Said.OK not in said


def _told(step: Step, configured: Configured) -> str:
    why = f" ({step.why})" if step.why else ""
    leads = _leads(step, configured)
    said = "takes the password" if step.said is Said.OK else step.said.value
    return f"{step.passdb} {said}{why}{f', {leads}' if leads else ''}"


def _leads(step: Step, configured: Configured) -> str:
    passdb = next((one for one in configured.config.passdbs if one.number == step.number), None)
    return passdb_case.setting(passdb, step) if passdb else ""


def _explained(fields: tuple[tuple[str, str], ...]) -> bool:
    """Other rules speak of these."""
    values = dict(fields)
    return "allow_nets" in values or "allow_real_nets" in values or values.get("user") == ""
