"""The user is there, but has no password.

What you see
    Every password fails.  The log says "No password returned (and no nopassword)".
Why
    The password query returns NULL for this user: the column is, or an expression that has a column which
    is (CONCAT of a NULL is NULL).  Or a script returns the user without a password and without nopassword, or
    a passdb static sets neither.  Or a directory is asked for its stored string, and no field that it is
    asked for is named password: 2.3's settings inside 2.4's fields { } are fields, and set nothing.
How we know
    Each passdb was asked, in Dovecot's order, with Dovecot's own query.
What to do
    Set a password.
"""

from mailauth.evidence import LookedUp, PassdbAnswer, UserName
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.remedies import HASH_NEW, remedy
from mailauth.stores.store import Outcome


@rule("USER002", "The user has no password (NULL)", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def no_password(name: UserName, lookups: LookedUp) -> Problem | None:
    outcomes = {answer.outcome for answer in lookups.answers}
    if name.refused or Outcome.NO_PASSWORD not in outcomes or Outcome.FOUND in outcomes:
        return None
    if any(answer.field("nopassword") is not None for answer in lookups.answers):
        return None  # none is wanted
    says = f"The row of {name.looked_up!r} is there, and its password is NULL."
    mend = remedy(summary="Set a password for the user.", commands=(HASH_NEW,))
    without = [answer for answer in lookups.answers if answer.outcome is Outcome.NO_PASSWORD]
    if all(answer.driver == "ldap" for answer in without):
        return _of_directory(name, lookups, without[0])
    if without[0].driver in _NEITHER:
        return _of_neither(name, lookups, without[0])
    made = next((one.made for one in lookups.answers if one.made), None)
    if made:
        says += f" The query makes it of {made.expression} ({made.place})"
        says += f", where {' and '.join(made.empty)} is NULL." if made.empty else "."
    if made and made.whole:
        what = " and ".join(made.empty)
        summary = f"Set {what} in the user's row, or have the query do without it: {made.whole[0]} is set."
        if not what:
            summary = (
                f"{' and '.join(made.whole)}: set, each by itself. Correct {made.expression}, or what it"
            )
            summary += " asks of the row: it may disable the user."
        mend = Remedy(summary=summary)
    return Problem(says=says, because=(name, lookups), certainty=Certainty.PROVEN, remedy=mend)


# Of drivers without a row: what is so, and what to write there.
_OF_LUA = (
    "{0} returns {1!r}, and neither a password nor nopassword with it.",
    (
        "Have the script return the stored string as password, with its {SCHEME}: a table's field that is nil"
        " is not in the table, so look at what the script reads it from. Where any password is to log in:"
        " nopassword = 'y'."
    ),
)
_OF_STATIC = (
    "{0} has {1!r}, as any name, and sets neither a password nor nopassword.",
    (
        "Set password= or nopassword=y in the args of the passdb (2.3), passdb_static_password or nopassword"
        " = yes in its fields { } (2.4)."
    ),
)
_NEITHER = {"lua": _OF_LUA, "static": _OF_STATIC}


def _of_neither(name: UserName, lookups: LookedUp, answer: PassdbAnswer) -> Problem:
    says, summary = _NEITHER[answer.driver]
    return Problem(
        says=says.format(f"{answer.passdb} ({answer.place})", name.looked_up),
        because=(name, lookups),
        certainty=Certainty.PROVEN,
        remedy=Remedy(summary=summary),
    )


_OF_23 = ("auth_bind", "pass_attrs", "pass_filter", "default_pass_scheme", "tls", "ldap_version")


def _of_directory(name: UserName, lookups: LookedUp, answer: PassdbAnswer) -> Problem:
    """Dovecot is to verify, and asks for no password."""
    says = (
        f"{answer.passdb} has {name.looked_up!r} ({answer.place}), and none of its fields is named password"
    )
    says += f": {', '.join(answer.fields)}." if answer.fields else "."
    taken = [one for one in answer.fields if one in _OF_23]
    if taken:
        says += f" Its fields {{ }} has {', '.join(taken)}: settings of 2.3, which 2.4 takes for fields."
    return Problem(
        says=says,
        because=(name, lookups),
        certainty=Certainty.PROVEN,
        remedy=Remedy(
            summary="Let the directory verify: auth_bind = yes (2.3), or bind = yes in the passdb (2.4); or"
            " ask for the stored string: userPassword=password in pass_attrs (2.3),"
            " password = %{ldap:userPassword} in fields { } (2.4)."
        ),
    )
