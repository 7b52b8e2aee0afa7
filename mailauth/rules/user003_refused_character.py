"""The user name has a character that Dovecot refuses before it looks anyone up.

What you see
    Every password fails.  The log says "Username character disallowed by auth_username_chars".
Why
    auth_username_chars lists the characters that a name may have; any other ends the attempt before
    a passdb is asked, which guards careless queries against injection.
How we know
    The name, after auth_username_translation, is compared with the setting as doveconf reports it.
What to do
    Use another name, or add the character to auth_username_chars.
"""

from mailauth.evidence import Configured, UserName
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.rules.user010_master_user import separator_missing


@rule(
    "USER003",
    "The user name has a character that Dovecot refuses",
    Severity.BLOCKS_LOGIN,
    bears=Bears.NOTHING,
)
def refused_character(configured: Configured, name: UserName) -> Problem | None:
    if not name.refused or separator_missing(configured, name):
        return None
    return Problem(
        says=f"auth_username_chars does not allow {name.refused!r}; Dovecot asks no passdb.",
        because=(name, configured),
        certainty=Certainty.PROVEN,
        remedy=Remedy(
            summary=f"Use a name without {name.refused!r}, or add it to auth_username_chars.",
            careful="Dovecot escapes names in its queries; scripts and other programs may not.",
        ),
    )
