"""The server's certificate is not valid now.

What you see
    Clients say that the certificate has expired, or end the connection; some fail without a word.
    Dovecot logs a TLS alert ("certificate expired"), or a connection without a login.
Why
    A certificate has a first and a last day.  Where it is renewed by a program, Dovecot goes on with
    the old one until it reads its files again (doveadm reload).
How we know
    With --host: the certificate that a client gets there, without a login.  Else: the file that Dovecot
    is set to use.
What to do
    Renew it, then doveadm reload; let the renewing program run that each time (a deploy hook).
"""

from mailauth.evidence import Certificate, Certificates
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, remedy


@rule(
    "NET003",
    "The server's certificate is not valid now",
    Severity.BLOCKS_LOGIN,
    bears=Bears.NOTHING,
    watch="server",
)
def certificate_expired(certificates: Certificates) -> Problem | None:
    now = certificates.now
    judged = sorted(certificates.telling, key=lambda one: bool(one.serves))
    bad = next((one for one in judged if not one.begins <= now <= one.ends), None)
    if bad is None:
        return None
    renewed = bad.presented and any(
        not one.presented and one.begins <= now <= one.ends and one.names == bad.names
        for one in certificates.certificates
    )
    return Problem(
        says=_says(bad, certificates) + (" The file has a valid one." if renewed else ""),
        because=(certificates,),
        certainty=Certainty.PROVEN if bad.presented else Certainty.LIKELY,
        severity=Severity.RISK if bad.serves and not certificates.host else None,
        remedy=remedy(
            summary=(
                "Let Dovecot read its files again."
                if renewed
                else "Renew the certificate, or correct the clock; then let Dovecot read it."
            ),
            commands=(RELOAD,),
            whole=renewed,
        ),
    )


def _says(bad: Certificate, certificates: Certificates) -> str:
    whose = f" ({bad.serves}: only its clients get it)" if bad.serves else ""
    if certificates.now > bad.ends:
        days = (certificates.now - bad.ends).days
        return f"{bad.place}{whose}: the certificate ended on {bad.ends:%Y-%m-%d}, {days} days ago."
    return f"{bad.place}{whose}: the certificate begins only on {bad.begins:%Y-%m-%d}."
