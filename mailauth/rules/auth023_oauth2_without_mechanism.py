"""OAuth 2.0: the mechanisms and the passdbs do not fit together.

What you see
    Clients that log in by a token (OAUTHBEARER, XOAUTH2) fail, or are never offered it.
Why
    2.3 hands a token to every passdb as a password; one of another driver than oauth2 does not take it.  2.4
    verifies a token by its oauth2 settings, and auth does not start without them where a mechanism for tokens
    is offered ("Cannot initialize oauth2"; measured on 2.4.1 and 2.4.5).  Where neither mechanism is offered,
    a passdb oauth2 gets tokens only as the password of PLAIN, which 2.4 takes to its grant_url.  Source:
    src/auth/mech-oauth2.c, passdb-oauth2.c and db-oauth2.c of 2.3.19.1 and 2.4.1.
How we know
    auth_mechanisms, the passdbs and the oauth2 settings, as doveconf says.
What to do
    Add xoauth2 and oauthbearer to auth_mechanisms, or take them out.
"""

from mailauth.dovecot.authconfig import AuthConfig
from mailauth.evidence import Configured, ServersBehind
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, Setting, both, remedy

_GRANT = "grant_url"  # as a setting that is asked: a passdb oauth2 takes passwords there
_BY_TOKEN = ("XOAUTH2", "OAUTHBEARER")
# Their scripts may verify a token themselves.
_SCRIPTS = frozenset({"lua", "checkpassword"})


@rule(
    "AUTH023",
    "The mechanisms for tokens and the passdbs do not fit together",
    Severity.RISK,
    bears=Bears.NOTHING,
)
def oauth2_without_mechanism(configured: Configured, servers: ServersBehind | None) -> Problem | None:
    config = configured.config
    names = config.tree.get("auth_mechanisms").upper().split() or ["PLAIN"]
    offered = [one for one in _BY_TOKEN if one in names]
    grants = {one.passdb for one in servers.found if one.what == _GRANT} if servers else set()
    served = [
        one.label
        for one in config.passdbs
        if one.driver == "oauth2" and any(map(one.takes, _BY_TOKEN)) and one.label not in grants
    ]
    if offered and (found := _nobody_takes(config, offered)):
        says, severity = found
        summary = "Take them out, or set oauth2 up."
        kept = [one for one in names if one not in _BY_TOKEN]
    elif served and not offered:
        old = config.version.dialect == "2.3"
        says = f"auth_mechanisms ({' '.join(names).lower()}) has neither xoauth2 nor oauthbearer, "
        says += f"and {served[0]} takes tokens only" if old else f"and {served[0]} has no grant_url"
        says += (
            ": only clients that send a token as a password can log in."
            if old
            else ", to which it would take a password: it lets nobody in."
        )
        summary = "Offer the mechanisms that bring a token."
        severity = Severity.NOTE if config.version.dialect == "2.3" else Severity.RISK
        kept = [*names, *_BY_TOKEN]
    else:
        return None
    return Problem(
        says=says,
        because=(configured,),
        certainty=Certainty.PROVEN,
        severity=severity,
        remedy=remedy(
            summary,
            config=both(Setting("auth_mechanisms", " ".join(kept).lower() or "plain")),
            file=configured.file,
            commands=(RELOAD,),
        ),
    )


def _nobody_takes(config: AuthConfig, offered: list[str]) -> tuple[str, Severity] | None:
    """What comes of it, where nothing takes the token that these mechanisms bring."""
    named = " and ".join(offered)
    if config.version.dialect == "2.4":
        if config.tree.get("oauth2_introspection_mode"):
            return None
        says = (
            f"auth_mechanisms has {named.lower()}, and oauth2_introspection_mode is not set: the auth process"
        )
        return f"{says} does not start.", Severity.BLOCKS_LOGIN
    drivers = {one.driver for one in config.passdbs if not one.deny and not one.master}
    if "oauth2" in drivers or drivers & _SCRIPTS:
        return None
    return (
        f"auth offers {named}, and no passdb takes tokens: clients that use these cannot log in.",
        Severity.RISK,
    )
