"""The server's certificate is for another name than the one that clients connect to.

What you see
    Clients warn of a wrong name ("hostname mismatch") or end the connection.  Dovecot logs a TLS alert
    or a connection without a login.
Why
    A client compares the name that it was given with the certificate's subjectAltName (RFC 9525); the
    common name no longer counts, and a name does not stand for its IP address.
How we know
    With --host: the certificate that a client gets there, compared by the rules of RFC 9525; where
    nothing answers, the files.  Certificates for other names, by local_name, are found by what is
    presented.
What to do
    Let clients use a name that the certificate has, or get a certificate that also has this name.
"""

from mailauth.evidence import Certificates
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, remedy


@rule(
    "NET004",
    "The server's certificate is for another name",
    Severity.BLOCKS_LOGIN,
    bears=Bears.NOTHING,
    watch="server",
)
def certificate_for_another_name(certificates: Certificates) -> Problem | None:
    judged = certificates.telling
    if not certificates.host or any(one.covers for one in judged):
        return None
    one = judged[0]
    names = ", ".join(one.names)
    is_for = f"is for {names}" if names else "has no subjectAltName"
    return Problem(
        says=f"Clients connect to {certificates.host}; the certificate ({one.place}) {is_for}.",
        because=(certificates,),
        certainty=Certainty.PROVEN if one.presented else Certainty.LIKELY,
        remedy=remedy(
            summary=(
                (f"Let clients connect to {one.names[0]}, or g" if names else "G")
                + f"et a certificate for {certificates.host}; then let Dovecot read it."
            ),
            commands=(RELOAD,),
        ),
    )
