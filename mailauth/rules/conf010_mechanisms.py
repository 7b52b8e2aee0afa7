"""auth_mechanisms cannot work: an unknown mechanism, none, LOGIN without PLAIN, or one that no passdb serves.

What you see
    A mechanism that is not known, or an empty list: no login works, since the auth process does not
    start ("Unknown authentication mechanism", "No authentication mechanisms configured").
    LOGIN without PLAIN: IMAP's LOGIN command and POP3's USER and PASS fail with "Unsupported
    authentication mechanism", and doveadm auth test does, too.  So it is where external or anonymous
    stand alone.
    PLAIN with passdbs that are all for other mechanisms: those who use PLAIN cannot log in.
Why
    The login processes do a client's LOGIN command by the mechanism PLAIN.  The names have to be those
    of the build: NTLM needs winbind, GSSAPI a package, and some went with a version.
How we know
    The list that doveconf reports is compared with those that src/auth/mech.c of this version
    registers, and with the plugins that are installed.
What to do
    auth_mechanisms = plain login, and the others that you want and that are installed.
"""

from mailauth.evidence import Configured, Startup
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, Setting, both, remedy
from mailauth.rules.mechanism_case import WITHOUT_A_PASSWORD


@rule(
    "CONF010",
    "auth_mechanisms cannot work as it is set",
    Severity.BLOCKS_LOGIN,
    bears=Bears.NEXT_START,
    watch="server",
)
def mechanisms(configured: Configured, startup: Startup) -> Problem | None:
    names = startup.mechanisms
    severity = None
    if startup.unknown:
        says = (
            f"auth_mechanisms has {' and '.join(startup.unknown).lower()}, which this Dovecot does not know:"
            " the auth process does not start."
        )
    elif not names:
        says = "auth_mechanisms is empty: the auth process does not start."
    elif "LOGIN" in names and "PLAIN" not in names:
        says = "auth_mechanisms has login and not plain: IMAP's LOGIN command and POP3's USER need PLAIN."
        severity = Severity.RISK  # auth starts, and clients that use AUTHENTICATE LOGIN get in
    elif unserved := _unserved(configured, names):
        return unserved
    elif set(names) <= WITHOUT_A_PASSWORD:
        says = f"auth_mechanisms has {' and '.join(names).lower()} alone, which take no password."
        severity = Severity.RISK  # auth starts, and clients without a password get in
    else:
        return None
    kept = [name for name in names if name not in (*startup.unknown, "PLAIN")]
    line = [Setting("auth_mechanisms", " ".join(["plain", *kept]).lower())]
    return Problem(
        says=says,
        because=(startup, configured),
        certainty=Certainty.PROVEN,
        severity=severity,
        remedy=remedy(
            summary="Name plain, and only mechanisms that are there.",
            config=both(*line),
            file=configured.file,
            commands=(RELOAD,),
        ),
    )


def _unserved(configured: Configured, names: tuple[str, ...]) -> Problem | None:
    """PLAIN is offered, and every passdb is for other mechanisms, of which some are offered, too."""
    passdbs = [one for one in configured.config.passdbs if not one.deny and not one.master]
    others = [name for name in names if any(one.takes(name) for one in passdbs)]
    if "PLAIN" not in names or not others or "PLAIN" in others:
        return None
    filters = "; ".join(
        f"{one.label} is for {one.mechanisms.lower()} ({one.place_of('mechanisms', 'mechanisms_filter')})"
        for one in passdbs
    )
    return Problem(
        says=f"auth offers PLAIN, and no passdb is asked for it: {filters}. Clients that use PLAIN, and"
        " IMAP's LOGIN command and POP3's USER, get a temporary error, whatever the password; others log in.",
        because=(configured,),
        certainty=Certainty.PROVEN,
        severity=Severity.RISK,
        remedy=remedy(
            "Add plain to the mechanisms of the passdb that should be asked, or remove its filter; where"
            " no client uses PLAIN, take plain out of auth_mechanisms."
        ),
    )
