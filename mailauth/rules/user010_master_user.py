"""A master-user login cannot work as configured.

What you see
    "alice*root" with root's password fails.  The log says "Username character disallowed", "Master user
    login attempted without master passdbs", or "unknown user".
Why
    auth_master_user_separator is not set, so that the name is taken as it stands; or no passdb has
    master = yes; or the master passdbs do not have that master user; or, where a master passdb goes on
    (pass = yes, result_success = continue), the other passdbs do not have the user asked for.
How we know
    The name was taken apart, and the passdbs were asked, as Dovecot does.
What to do
    Set the separator, write master = yes, or add the user that is missing.
"""

from mailauth.evidence import Configured, LookedUp, Said, UserName
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.remedies import RELOAD, Setting, both, remedy


@rule("USER010", "A master-user login cannot work as configured", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def master_user(configured: Configured, name: UserName, lookups: LookedUp) -> Problem | None:
    masters = [passdb.label for passdb in configured.config.passdbs if passdb.master]
    if separator := separator_missing(configured, name):
        return Problem(
            says=f"{masters[0]} is for master users, and auth_master_user_separator is not set.",
            because=(configured, name),
            certainty=Certainty.LIKELY,
            remedy=remedy(
                summary=f"Set the separator that the name has, {separator!r}.",
                config=both(Setting("auth_master_user_separator", separator)),
                file=configured.file,
                commands=(RELOAD,),
            ),
        )
    end = lookups.right
    if end and end.unseen:
        return None  # a master passdb that was not looked into may well have them
    if name.refused or not name.requested or not end or end.said not in (Said.UNKNOWN, Said.REFUSED):
        return None
    asked = "; ".join(f"{a.passdb}, {a.place}: {a.outcome.value} ({a.user!r})" for a in lookups.answers)
    summary = "Add the user that is missing to the passdb that is asked for it."
    if not masters:
        says = "The name asks for a master user's login, and no passdb has master = yes."
        summary = (
            f"Write master = yes into the block of the passdb that has the master user {name.looked_up!r},"
        )
        summary += " before the others, and reload; that passdb is then for master users only."
    else:
        summary += (
            f" In the name, whose mail is read stands before {configured.config.master_separator!r}, and the"
        )
        summary += " master user behind it."
        says = f"{name.looked_up!r} asks to log in as {name.requested!r}: {asked}."
    return Problem(
        says=says,
        because=(configured, name, lookups),
        certainty=Certainty.PROVEN,
        remedy=Remedy(summary=summary),
    )


def separator_missing(configured: Configured, name: UserName) -> str:
    """The character that was meant to separate the names: refused, though master users are configured."""
    config = configured.config
    if not name.refused or config.master_separator or name.refused.isalnum() or name.refused.isspace():
        return ""
    between = name.refused in name.given[1:-1]
    return name.refused if between and any(passdb.master for passdb in config.passdbs) else ""
