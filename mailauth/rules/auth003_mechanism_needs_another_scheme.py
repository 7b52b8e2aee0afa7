"""A mechanism that is offered cannot be served from what is stored.

What you see
    Logins of some clients fail, of others work, with the same password: those that choose CRAM-MD5,
    DIGEST-MD5, SCRAM or APOP ("encrypted password") fail.  The log says, with auth_verbose,
    "Requested CRAM-MD5 scheme, but we have only ARGON2ID".
Why
    These mechanisms never send the password, so that the server must have it: as it is, or in the
    mechanism's own scheme.  From any other hash Dovecot cannot make that.
How we know
    auth_mechanisms, as doveconf says it, is compared with the scheme of the stored string. Where another
    mechanism is offered that can be served, it is a risk: who does not choose the first logs in.
    Source: Dovecot 2.3.19.1 src/auth/passdb.c passdb_get_credentials(), mech-*.c; measured with CRAM-MD5.
What to do
    Offer only PLAIN and LOGIN, with TLS around them: a stored hash is worth more than a mechanism that
    hides the password on the way.  Or store the mechanism's own scheme for those who need it.
"""

from mailauth.evidence import Configured, Logins, Mechanisms
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.hashes.serving import TAKES
from mailauth.remedies import RELOAD, Setting, both, remedy
from mailauth.rules.mechanism_case import WITHOUT_A_PASSWORD, served, worked_by


@rule(
    "AUTH003",
    "A mechanism offered cannot be served from the stored hash",
    Severity.BLOCKS_LOGIN,
    bears=Bears.MECHANISM,
)
def mechanism_needs_another_scheme(
    configured: Configured, mechanisms: Mechanisms, logins: Logins | None
) -> Problem | None:
    offered, used, stored = mechanisms.offered, mechanisms.used, ", ".join(mechanisms.schemes)
    can_be = served(used, mechanisms.schemes)
    worked = worked_by(logins)
    if used in worked:
        return None
    if used and used not in offered:
        return _problem(
            configured,
            mechanisms,
            f"The client uses {used}; {mechanisms.setting} offers {', '.join(offered)}."
            + ("" if can_be else f" It could not be served from {stored} either."),
            Certainty.PROVEN,
            _set(configured, (*offered, used))
            if can_be
            else _other_mechanism(used, offered, mechanisms.schemes),
        )
    unserved = [name for name in ((used,) if used else offered) if not served(name, mechanisms.schemes)]
    if not unserved:
        return _nothing_plain(configured, mechanisms)
    kept = tuple(name for name in offered if name not in unserved) or ("PLAIN",)
    usable = any(name in (*TAKES, "PLAIN", "LOGIN") for name in offered if name not in unserved) or worked
    names, one = ", ".join(unserved), "one" if unserved[1:] else "it"
    return _problem(
        configured,
        mechanisms,
        f"{names} cannot be served from {stored}: a client that chooses {one} is refused. Offered by"
        f" {mechanisms.setting}.",
        Certainty.PROVEN if used else Certainty.LIKELY,
        _other_mechanism(used, offered, mechanisms.schemes) if used else _set(configured, kept),
        Severity.RISK if usable and not used else None,
    )


def _nothing_plain(configured: Configured, mechanisms: Mechanisms) -> Problem | None:
    """All that is offered can be served, and a client that sends the password is still refused."""
    offered = set(mechanisms.offered)
    if mechanisms.used or offered & {"PLAIN", "LOGIN"} or offered <= WITHOUT_A_PASSWORD:
        return None
    return _problem(
        configured,
        mechanisms,
        f"{mechanisms.setting} offers {', '.join(mechanisms.offered)}, and neither PLAIN nor LOGIN: a client"
        " that sends the password, as most do, is refused (Unsupported authentication mechanism).",
        Certainty.LIKELY,
        _set(configured, (*mechanisms.offered, "PLAIN")),
        Severity.NOTE,
    )


def _problem(
    configured: Configured,
    mechanisms: Mechanisms,
    says: str,
    certainty: Certainty,
    remedy: Remedy,
    severity: Severity | None = None,
) -> Problem:
    return Problem(says, (mechanisms, configured), certainty, remedy, severity)


def _set(configured: Configured, names: tuple[str, ...]) -> Remedy:
    text = [Setting("auth_mechanisms", " ".join(name.lower() for name in names))]
    return remedy(
        f"Offer {', '.join(names)}.",
        config=both(*text),
        file=configured.file,
        commands=(RELOAD,),
        careful="PLAIN and LOGIN send the password: have TLS around them.",
    )


def _other_mechanism(used: str, offered: tuple[str, ...], schemes: tuple[str, ...]) -> Remedy:
    """No setting of the server lets this client in with what is stored: the client must choose another."""
    others = [name for name in offered if name != used and served(name, schemes)] or ["PLAIN"]
    own = "the password itself" if not TAKES.get(used) else f"{{{min(TAKES[used])}}}"
    return Remedy(
        f"Set the client to {' or '.join(others)} (a normal password, over TLS). {used} would need {own} in"
        " the store, which takes the user's password, and is worth less than a hash if the store is stolen."
    )
