"""What the DB rules share: which database failed, and the problem that this is."""

from mailauth.evidence import LookedUp
from mailauth.finding import Certainty, Problem, Remedy
from mailauth.stores.store import Failing


def problem(lookups: LookedUp, advice: str, *kinds: Failing) -> Problem | None:
    """The passdbs that gave no answer for one of these reasons, in the servers' own words.

    In the advice, <place> is where the database's address and the query are set.
    """
    failed = lookups.failures(*kinds)
    if not failed:
        return None
    place = failed[0][0].source
    served = all(failure.still_served for _, failure in failed)
    return Problem(
        says="; ".join(dict.fromkeys(f"{a.passdb}, {f.place}: {f.says}{_code(f.code)}" for a, f in failed))
        + "."
        + (" Dovecot is still served on a connection from before; a new one will fail." if served else ""),
        because=(lookups,),
        certainty=Certainty.LIKELY if served else Certainty.PROVEN,
        remedy=Remedy(summary=advice.replace("<place>", place)),
    )


def _code(code: str) -> str:
    return f" ({code})" if code else ""
