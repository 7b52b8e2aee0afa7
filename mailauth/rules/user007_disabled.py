"""The password query leaves the user out by a condition: disabled.

What you see
    Every password fails.  The log says "unknown user", and the row is there.
Why
    The query has a condition beside the name, such as active = '1' or an expiry date, and the user's
    row does not meet it: a panel disabled the mailbox, or the condition is mistaken.  A condition can also
    be on the client: its port, its TLS, its service.  A join leaves the row out, too, where no row of the
    other table comes to it: the domain, the quota or the service is not entered.
How we know
    The query finds nobody; without that condition, or with LEFT JOIN, it finds the row.
What to do
    Enable the user again where it was disabled, or correct the condition.  Add the other table's row.
"""

from mailauth import remedies
from mailauth.evidence import LookedUp, Sent, UserName
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule


@rule("USER007", "The password query leaves the user out: disabled", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def disabled(name: UserName, lookups: LookedUp) -> Problem | None:
    if name.refused or name.requested or not lookups.unknown or not lookups.disabled:
        return None
    if lookups.near or lookups.comparing:
        return None
    one = lookups.disabled[0]
    conditions = " AND ".join(one.conditions)
    says = f"{one.passdb} has a row of {name.looked_up!r} that does not meet: {conditions}."
    if one.joins:
        says = f"{one.passdb} has a row of {name.looked_up!r}, and no row of another table joins it by"
        says += f" {conditions}: so the query leaves it out."
    return Problem(
        says=" ".join((says, *map(_told, one.sent))),
        because=(name, lookups),
        certainty=Certainty.LIKELY,
        remedy=_JOIN
        if one.joins
        else _of_the_client(one.sent)
        if one.sent
        else remedies.enabled(_ENABLE, one.row, one.conditions),
    )


_JOIN = Remedy(
    summary="Add the row that is missing in that table, or correct the join (LEFT JOIN keeps a user who has"
    " none).",
    careful="The domain or the service may have been removed on purpose.",
)


_ENABLE = Remedy(
    summary="Enable the user where it was disabled, or correct the condition.",
    careful="The user may be disabled on purpose.",
)


def _told(one: Sent) -> str:
    """The variable, the value that was sent and the one that is needed."""
    sent = " or ".join(repr(value) for value in one.values)
    wants = f"; the condition wants {one.needed}" if one.needed else ""
    return f"{one.variable} was {sent}{wants}."


def _of_the_client(sent: tuple[Sent, ...]) -> Remedy:
    told = " and ".join(f"{one.variable} {one.needed or 'is another'}" for one in sent)
    return Remedy(
        summary=f"Log in with a client for which {told}, or correct the condition.",
        careful="Such a condition can be intended: for webmail only, or with TLS only.",
    )
