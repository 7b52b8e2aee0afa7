"""A TLS client that trusts whom Dovecot's client of HTTPS trusts, and what it says of a certificate.

In a child that lives where Dovecot does.  Source: openssl_cert_match_name(), Dovecot 2.3.19.1 and 2.4.1
src/lib-ssl-iostream/iostream-openssl-common.c: the subject's name counts where there is no alternative one.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from mailauth.dovecot.oauth2 import Trust
from mailauth.later import later

if TYPE_CHECKING:
    import ssl
else:
    ssl = later("ssl")


def context(trust: Trust) -> "ssl.SSLContext":
    """As strict as Dovecot: Python's own default for clients is stricter since 3.13.

    Raises OSError where the file of the CAs cannot be read, ssl.SSLError where it is none.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if trust.file or trust.folder:
        made.load_verify_locations(trust.file or None, trust.folder or None)
    else:
        made.set_default_verify_paths()
    if trust.any_one:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


def unreadable(trust: Trust) -> str:
    """Why the file of the CAs cannot be read; "" where it can, or where none is named."""
    if not trust.file:
        return ""
    try:
        with Path(trust.file).open("rb"):
            return ""
    except OSError as why:
        return f"its CA {trust.file}: {why.strerror}"


def refusal(why: "ssl.SSLError") -> str:
    """In words of ours and of OpenSSL's verification."""
    if isinstance(why, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {why.verify_message.rstrip('.')}"
    return "the TLS handshake with it fails"
