"""What the DB rules share: which database failed, and the problem that this is."""

from dataclasses import replace

from mailauth.evidence import Logins, LookedUp, PassdbAnswer
from mailauth.finding import Certainty, Problem, Remedy
from mailauth.stores.store import OF_THE_CONNECTION, Failing, Failure

# Where one of these is found, a login that fails, waits or is given up is its consequence.
CAUSES = tuple(f"DB{number:03}" for number in (1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 13, 14))


_COLUMNS = 30  # of a table that are named


def problem(lookups: LookedUp, advice: str, *kinds: Failing) -> Problem | None:
    """The passdbs that gave no answer for one of these reasons, in the servers' own words.

    In the advice, <place> is where the database's address or the query is set.
    """
    failed = lookups.failures(*kinds)
    if not failed:
        return None
    if failed[0][0].passdb.startswith("userdb"):
        advice = advice.replace("password query", "user query")
    userdbs = tuple(answer for answer, _ in failed if answer in lookups.userdbs)
    served = all(failure.still_served for _, failure in failed)
    return Problem(
        says="; ".join(dict.fromkeys(_told(a, f) for a, f in failed))
        + "."
        + (" Dovecot is still served on a connection from before; a new one will fail." if served else ""),
        because=(replace(lookups, userdbs=userdbs),),
        certainty=Certainty.LIKELY if served else Certainty.PROVEN,
        remedy=Remedy(summary=advice.replace("<place>", place_of(*failed[0]))),
    )


def fails_beside(lookups: LookedUp, logins: Logins | None) -> bool:
    """A login failed within, and of several servers one cannot be used: Dovecot may have asked that one."""
    failed = [reply.code for reply in logins.replies if not reply.ok] if logins else []
    down = any(answer.beside and not answer.failure for answer in lookups.answers)
    return down and bool(failed) and set(failed) <= {"temp_fail", ""} and "temp_fail" in failed


def _told(answer: PassdbAnswer, failure: Failure) -> str:
    also = f"; {failure.alike}" if failure.alike else ""
    if failure.columns:
        more = len(failure.columns) - _COLUMNS
        also += f"; the table has {', '.join(failure.columns[:_COLUMNS])}"
        also += f" and {more} more" if more > 0 else ""
    with_whom = f", with {failure.client}" if failure.client else ""
    return f"{answer.passdb}, {failure.place}{with_whom}: {failure.says}{_code(failure.code)}{also}"


def place_of(answer: PassdbAnswer, failure: Failure) -> str:
    """File and line of what has to be changed, where they are known."""
    of_connection = failure.kind in OF_THE_CONNECTION
    return (answer.credentials if of_connection else answer.query) or answer.source


def _code(code: str) -> str:
    return f" ({code})" if code else ""
