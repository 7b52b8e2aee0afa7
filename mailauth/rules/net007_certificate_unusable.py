"""Dovecot cannot use its certificate, its key or another TLS setting.

What you see
    TLS ends before it begins ("TLS initialization failed").  Dovecot logs "Can't load SSL private key",
    "Key is for a different cert", or "There is no valid PEM certificate"; where a file is missing it
    does not start, and a reload leaves everything as it was ("Can't open file", "open(...) failed").
Why
    The file named in ssl_cert, ssl_key (2.3), ssl_server_cert_file or ssl_server_key_file (2.4) is
    missing or damaged, the key belongs to another certificate (a renewal changed only one of them),
    or it is encrypted and no password for it is set.  Or one of the two settings is missing: Dovecot starts
    without a certificate, but still offers TLS.  On 2.3 a "<" stands before the file's name; without
    it the name itself is taken for the certificate.  Or another TLS setting has a value that the OpenSSL of
    this Dovecot does not take: ssl_min_protocol, ssl_cipher_list, ssl_curve_list.
How we know
    Both files are read as Dovecot is set to read them, and the key is compared with the certificate.  Of the
    other settings a login process logs it as a client begins TLS ("Failed to initialize SSL ...").
What to do
    Put the certificate and its own key there; then doveadm reload.
"""

from mailauth.counted import times
from mailauth.dovecot.messages import LogKind
from mailauth.evidence import Cleartext, Configured, LogWindow, TlsFiles
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, remedy

_FORM = {"2.3": ', with "<" before its name', "2.4": ""}


@rule(
    "NET007",
    "Dovecot cannot use its certificate, key or TLS settings",
    Severity.BLOCKS_LOGIN,
    bears=Bears.NOTHING,
    watch="server",
)
def certificate_unusable(
    configured: Configured, files: TlsFiles, log: LogWindow | None, cleartext: Cleartext | None
) -> Problem | None:
    if not files.flaws:
        return _by_the_log(configured, log) if log else None
    said = "; ".join(
        f"{one.setting}, {one.file}: {one.problem}" if one.file else f"{one.setting} {one.problem}"
        for one in files.flaws
    )
    missing = any(one.missing for one in files.flaws)
    unset = not all(one.file for one in files.flaws)
    consequence = (
        "Dovecot refuses to start with that; one that runs goes on as before."
        if missing
        else "Every TLS handshake fails."
    )
    if files.required and unset:
        consequence += " With ssl = required Dovecot takes no password from another machine then" + (
            ", but where a trusted network, a proxy or a block for an address allows it."
            if cleartext and cleartext.excepted
            else "."
        )
    sends = cleartext is not None and (cleartext.allowed or cleartext.excepted) and not files.required
    names = ", ".join(dict.fromkeys(one.setting for one in files.flaws))
    return Problem(
        says=f"{said}. {consequence}",
        because=(files, configured),
        certainty=Certainty.PROVEN,
        severity=Severity.RISK if sends and not files.files else None,
        remedy=remedy(
            summary=f"Set {names} in {configured.file} to the file with the certificate, or the key, as PEM"
            f"{_FORM[configured.version.dialect]}."
            if unset
            else "Put the certificate and the key that belongs to it there, as PEM.",
            commands=(RELOAD,),
        ),
    )


def _by_the_log(configured: Configured, log: LogWindow) -> Problem | None:
    """What a login process said as a client began TLS."""
    told = log.of(LogKind.TLS_FAILED)
    if told is None:
        return None
    return Problem(
        says=f"Dovecot says, {times(told.count)} since {log.begins}, of {told.service}: {told.text}. No TLS"
        " handshake succeeds with that.",
        because=(log, configured),
        certainty=Certainty.LIKELY,
        remedy=remedy(summary="Correct the setting that is named.", commands=(RELOAD,)),
    )
