"""Why TLS with a directory fails: its certificate and the server are looked at, by the rules of libldap.

libldap says little of it, GnuTLS's often nothing.  It takes "localhost" for the machine's own name (OpenLDAP
2.5.13 and 2.6.10, libraries/libldap/open.c); it looks at the name even where it lets the authority be.
"""

import ctypes
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from mailauth.connecting import connect
from mailauth.dovecot.ldap_settings import Directory
from mailauth.later import later
from mailauth.records import dataclass
from mailauth.stores.directed import TlsFault

if TYPE_CHECKING:
    import ssl
else:
    ssl = later("ssl")

NEEDED = ssl
"""To be imported before a root is entered."""
_SECONDS = 3.0
_ITSELF = "localhost"
"""The one name for which libldap looks up another, the machine's."""
_CA_FILE, _CA_FOLDER = 0x6002, 0x6003  # ldap.h of OpenLDAP 2.5.13 and 2.6.10
_LDAP_CONF = "TLS_CACERT in /etc/ldap/ldap.conf"
# ExtendedRequest 1.3.6.1.4.1.1466.20037: RFC 4511 sections 4.12 and 4.14.
_STARTTLS = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + b"1.3.6.1.4.1.1466.20037"
_MESSAGE = b"\x30"
_TAKEN = b"\x0a\x01\x00"  # resultCode success
_WHOLE_CHAIN, _NO_TIME = 0x80000, 0x200000  # X509_V_FLAG_PARTIAL_CHAIN, _NO_CHECK_TIME of x509_vfy.h
_EXPIRED, _NOT_YET = 10, 9  # X509_V_ERR_* of the same
_OTHER_NAME = (62, 64)
_LAX = ("never", "allow", "try")


@dataclass(frozen=True, slots=True)
class TlsServer:
    """The one that is looked at."""

    host: str
    port: int
    starttls: bool

    @property
    def name(self) -> str:
        """As the certificate must have it."""
        return socket.gethostname() if self.host == _ITSELF else self.host


def look(library: ctypes.CDLL, directory: Directory, servers: list[tuple[str, int]]) -> tuple[TlsFault, str]:
    """What is wrong with the first server that takes a connection, and in words.

    OTHER where that is not seen.
    """
    for host, port in servers:
        server = TlsServer(host, port, directory.starttls)
        with suppress(OSError):
            return _look(library, directory, server)
    return TlsFault.OTHER, ""


def _look(library: ctypes.CDLL, directory: Directory, server: TlsServer) -> tuple[TlsFault, str]:
    """Raises OSError where no connection comes about."""
    try:
        with _shaken(server, _context(None)) as link:
            raw = link.getpeercert(binary_form=True) or b""
    except _NoTlsError:
        return TlsFault.NO_TLS, f"{server.host}:{server.port} speaks no TLS{_instead(server)}"
    except ssl.SSLError:
        return _of_handshake(server)
    pem = ssl.DER_cert_to_PEM_cert(raw)
    known = _known(server, pem)
    required = dict(directory.tls).get("tls_require_cert", "hard")
    file, folder = _option(library, _CA_FILE), _option(library, _CA_FOLDER)
    found = [*(_of_time(server, pem, known) if required not in _LAX else ())]
    found += _of_name(server, pem, known) if required != "never" else ()
    found += _of_authority(server, directory, known, (file, folder)) if required not in _LAX else ()
    if not found:
        return TlsFault.OTHER, ""
    return found[0][0], "its certificate " + "; and it ".join(says for _, says in found)


class _NoTlsError(Exception):
    """The server answers, and not by TLS."""


def _context(pem: str | None, *, name: bool = False, time: bool = False) -> "ssl.SSLContext":
    """That trusts anybody; or this certificate alone, whoever signed it."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    if pem:
        made.load_verify_locations(cadata=pem)
        made.check_hostname, made.verify_mode = name, ssl.CERT_REQUIRED
        made.verify_flags = ssl.VerifyFlags(_WHOLE_CHAIN | (0 if time else _NO_TIME))
    return made


@contextmanager
def _shaken(server: TlsServer, context: "ssl.SSLContext") -> "Iterator[ssl.SSLSocket]":
    with connect(server.host, server.port, _SECONDS) as plain:
        if server.starttls:
            plain.sendall(_STARTTLS)
            if _TAKEN not in plain.recv(4096):
                raise _NoTlsError
        try:
            secured = context.wrap_socket(plain, server_hostname=server.name)
        except (ssl.SSLError, ConnectionResetError):
            if not server.starttls and _speaks_ldap(server):
                raise _NoTlsError from None
            raise
        with secured:
            yield secured


def _instead(server: TlsServer) -> str:
    """What it speaks there."""
    if server.starttls:
        return " when it is asked for it (StartTLS)"
    return ": it speaks LDAP in the clear there" if _speaks_ldap(server) else ""


def _speaks_ldap(server: TlsServer) -> bool:
    """Whether it answers an LDAP message in the clear."""
    with (
        suppress(OSError),
        connect(server.host, server.port, _SECONDS) as plain,
    ):
        plain.sendall(_STARTTLS)
        return plain.recv(16)[:1] == _MESSAGE
    return False


def _of_handshake(server: TlsServer) -> tuple[TlsFault, str]:
    """It speaks TLS, and no handshake comes about: with versions that are too old for today one may."""
    lax = _context(None)
    lax.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    lax.set_ciphers("ALL:@SECLEVEL=0")
    try:
        with _shaken(server, lax) as link:
            if link.version() in ("SSLv3", "TLSv1", "TLSv1.1"):
                return TlsFault.OLD, f"it speaks nothing newer than {link.version()}, which is too old"
    except (OSError, _NoTlsError):
        pass
    return TlsFault.OTHER, ""


def _known(server: TlsServer, pem: str) -> dict[str, Any]:
    """What the certificate says; nothing where it cannot be read."""
    with suppress(OSError, _NoTlsError), _shaken(server, _context(pem)) as link:
        return dict(link.getpeercert() or {})
    return {}


def _refused(server: TlsServer, context: "ssl.SSLContext") -> int:
    """OpenSSL's number for why it is refused; 0 where it is not."""
    try:
        with _shaken(server, context):
            return 0
    except ssl.SSLCertVerificationError as why:
        return int(why.verify_code)
    except (OSError, _NoTlsError):
        return 0


def _of_time(server: TlsServer, pem: str, known: dict[str, Any]) -> Iterator[tuple[TlsFault, str]]:
    code = _refused(server, _context(pem, time=True))
    if code == _EXPIRED:
        yield TlsFault.EXPIRED, f"expired on {known.get('notAfter', 'a day that cannot be read')}"
    if code == _NOT_YET:
        yield TlsFault.EXPIRED, f"is valid from {known.get('notBefore', 'a later day')} on, not yet"


def _of_name(server: TlsServer, pem: str, known: dict[str, Any]) -> Iterator[tuple[TlsFault, str]]:
    if _refused(server, _context(pem, name=True)) in _OTHER_NAME:
        names = [value for _, value in known.get("subjectAltName", ())] or _common(known, "subject")
        own = f" (libldap takes localhost for {server.name})" if server.host == _ITSELF else ""
        yield TlsFault.NAME, f"is for {', '.join(names) or 'no name'}, not for {server.host}{own}"


def _of_authority(
    server: TlsServer, directory: Directory, known: dict[str, Any], trusted: tuple[str, str]
) -> Iterator[tuple[TlsFault, str]]:
    file, folder = trusted
    named = next((one for one in ("tls_ca_cert_file", "tls_ca_cert_dir") if one in dict(directory.tls)), "")
    given = "LDAPTLS_CACERT" in dict(directory.environment)
    setting = named or ("LDAPTLS_CACERT in import_environment" if given else _LDAP_CONF)
    signer = ", ".join(_common(known, "issuer")) or "nobody who is named"
    context = _context(None)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags = ssl.VerifyFlags(_NO_TIME)
    try:
        if file or folder:
            context.load_verify_locations(file or None, folder or None)
    except OSError as why:
        yield TlsFault.AUTHORITY, f"cannot be verified: {file or folder} ({setting}): {why.strerror or why}"
        return
    if _refused(server, context):
        where = f"{file or folder} ({setting})" if file or folder else f"what libldap trusts ({setting})"
        yield TlsFault.AUTHORITY, f"was signed by {signer}, whose certificate is not in {where}"


def _common(known: dict[str, Any], part: str) -> list[str]:
    return [value for one in known.get(part, ()) for kind, value in one if kind == "commonName"]


def _option(library: ctypes.CDLL, number: int) -> str:
    """What libldap has for it: of Dovecot's settings, its own file, or built in."""
    found = ctypes.c_void_p()
    library.ldap_get_option(None, number, ctypes.byref(found))
    if not found.value:
        return ""
    text = ctypes.string_at(found.value).decode("utf-8", "replace")
    library.ldap_memfree(found)
    return text
