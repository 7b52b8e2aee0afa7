"""What a passdb asks cannot be reached: OAuth2's server, an IMAP server, a dict, or checkpassword's program.

What you see
    Logins fail with "Temporary authentication failure" ([UNAVAILABLE]), or as a wrong password, whatever the
    password or the token is.
Why
    Nothing listens at the address, the socket or file is not there, or the process that asks may not use it.
    An endpoint of https shows a certificate that Dovecot does not take: of another authority, for another
    name, or expired; or the file with the authorities is not there.
    checkpassword is run by auth, as its user and with its limits on memory (vsz_limit): its program needs
    to be executable for that user.
How we know
    A child connected to each, or looked at it, as the user of the process that asks; nothing was sent.  With
    an endpoint of https TLS was begun, by the settings of certificates that Dovecot has.
What to do
    Start the server or program, or correct the setting that names it.
"""

from mailauth.evidence import Logins, Reached, ServersBehind
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule


@rule(
    "AUTH022",
    "What a passdb asks cannot be reached",
    Severity.BLOCKS_LOGIN,
    bears=Bears.NOTHING,
    watch="server",
)
def not_reached(servers: ServersBehind, logins: Logins | None) -> Problem | None:
    found = [one for one in servers.found if one.problem]
    if not found:
        return None
    worked = logins is not None and any(reply.ok for reply in logins.replies)
    blocks = any(one.alone for one in found) and not worked
    also = " A login made now still worked." if worked else ""
    return Problem(
        says="; ".join(f"{one.text} (asked as {one.user})" for one in found) + f".{also}",
        because=(servers, *((logins,) if logins else ())),
        certainty=Certainty.LIKELY if worked else Certainty.PROVEN,
        severity=Severity.BLOCKS_LOGIN if blocks else Severity.RISK,
        remedy=Remedy(summary=" ".join(dict.fromkeys(_advice(one) for one in found))),
    )


def _advice(one: Reached) -> str:
    if one.program:
        return f"Let {one.user} run {one.place}, or name the right program in {one.settings}."
    if one.tls:
        return (
            f"See that {one.place} runs, with a certificate for that name that is valid today and signed by"
            f" the CA that Dovecot has (tls_ca_cert_file in {one.settings}; in 2.4 ssl_client_ca_file)."
        )
    return f"Start what listens at {one.place}, let {one.user} use it, or correct it in {one.settings}."
