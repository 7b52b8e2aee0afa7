"""Rows of the store have schemes that this Dovecot refuses as weak.

What you see
    After the upgrade to 2.4 some users cannot log in.  The log says "Weak password scheme ... used and
    refused".
Why
    See HASH002: 2.4 takes MD5, MD5-CRYPT, DES-CRYPT and the like only with auth_allow_weak_schemes.
How we know
    Every row's scheme, the version, and the setting as doveconf reports it.
What to do
    Allow weak schemes until every user has a new hash; mailauth migrate makes them at the next login.
"""

from mailauth.evidence import Configured, Surveys
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.remedies import RELOAD, Setting, remedy
from mailauth.rules import store_case


@rule(
    "STORE002", "Rows of the store are refused as weak", Severity.BLOCKS_LOGIN, bears=Bears.ROWS, watch="rows"
)
def refused_as_weak(configured: Configured, surveys: Surveys) -> Problem | None:
    found = store_case.which(surveys, store_case.broken(Kind.WEAK))
    if not found:
        return None
    return Problem(
        says=f"Dovecot {surveys.version} refuses them as weak: "
        + store_case.told(found, lambda one: one.shown or one.scheme),
        because=(surveys, configured),
        certainty=Certainty.LIKELY,
        remedy=remedy(
            summary="Allow weak schemes until every user has a new hash"
            + (": with the upgrade." if surveys.as_if else "."),
            config={"2.3": [], "2.4": [Setting("auth_allow_weak_schemes", "yes")]},
            file=configured.file,
            commands=() if surveys.as_if else (RELOAD,),
            careful="Whoever steals the store finds weakly hashed passwords quickly: migrate them.",
        ),
    )
