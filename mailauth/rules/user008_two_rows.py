"""The password query returns two rows for the user.

What you see
    The login fails with a temporary error.  The log says "Password query returned multiple matches".
Why
    Dovecot takes no answer that is not exactly one row: the user is there twice, or a join doubles it.  Or
    the query compares by LIKE, for which an underscore in the name is any character: then another user's
    row comes, too.
How we know
    The password query was sent to the database, and two rows came.
What to do
    Remove the extra row, and make the table refuse it: UNIQUE.  Or correct the join, or compare by =.
"""

from mailauth.dovecot.authconfig import SqlSource
from mailauth.evidence import Configured, LookedUp, PassdbAnswer, UserName
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.stores import conditions
from mailauth.stores.store import Failing


@rule("USER008", "The password query returns two rows", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def two_rows(name: UserName, lookups: LookedUp, configured: Configured | None) -> Problem | None:
    failed = lookups.failures(Failing.ROWS)
    if not failed:
        return None
    answer, failure = failed[0]
    says = f"{answer.passdb}, {failure.place}: more than one row comes for {name.looked_up!r}."
    summary = "Remove the extra row, or correct the join that doubles it."
    if pattern := _pattern(configured, answer, name.looked_up):
        says += f" The name is a pattern there: in {pattern}, LIKE takes each _ of it for any character, and"
        says += " each % for any text."
        summary = f"Compare by = instead of LIKE in {answer.query or answer.source}. Remove no row before"
        summary += " that: the other one is another user's, perhaps."
    return Problem(
        says=says,
        because=(name, lookups),
        certainty=Certainty.PROVEN,
        remedy=Remedy(summary=summary),
    )


def _pattern(configured: Configured | None, answer: PassdbAnswer, name: str) -> str:
    """The condition that takes a name with _ or % in it for a pattern."""
    sources = (
        [one.source for one in configured.config.passdbs if one.number == answer.number] if configured else []
    )
    if not {"_", "%"} & set(name):
        return ""
    for source in sources:
        for segment in conditions.read(source.query) if isinstance(source, SqlSource) else ():
            for part in segment.parts:
                if part.of_user and {"LIKE", "ILIKE"} & {word for _, word in conditions.words(part.text)}:
                    return part.text
    return ""
