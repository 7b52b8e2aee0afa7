"""The server's certificates: in the files that Dovecot uses, and, with a host, as clients get them."""

import socket
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from mailauth.clients.door import cut_after, unchecked
from mailauth.dovecot import children, inroot
from mailauth.dovecot.conf import Block
from mailauth.evidence import NotApplicable
from mailauth.evidence.network import (
    Address,
    Certificate,
    Certificates,
    Listener,
    Listening,
    TlsFiles,
    TlsFlaw,
)
from mailauth.later import import_now, later
from mailauth.oserrors import unseen
from mailauth.probes.network import addresses, observe_listening
from mailauth.probes.scene import Scene
from mailauth.records import dataclass

if TYPE_CHECKING:
    import ssl

    import service_identity
    import service_identity.cryptography
    from cryptography import exceptions, x509
    from cryptography.hazmat.primitives import serialization
else:  # 45 ms, and with a host another 80
    exceptions = later("cryptography.exceptions")
    service_identity = later("service_identity")
    serialization = later("cryptography.hazmat.primitives.serialization")
    x509 = later("cryptography.x509")

_PATIENCE = 2.0  # seconds for one connection
_ANSWER = 10.0  # seconds for each answer: a login process may have to be started for it
_ALL = 30.0  # seconds for all of them
_MAX = 1 << 20  # bytes of a certificate file
# The settings that name a certificate and its key; a "<" before 2.3's file is Dovecot's "the content of".
# 2.4's doveconf prints them in a block, ssl_server { cert_file = ... }, however they were written.
_SETTINGS = {
    "2.3": (("ssl_cert", "ssl_key"), ("ssl_alt_cert", "ssl_alt_key")),
    "2.4": (
        ("ssl_server_cert_file", "ssl_server_key_file"),
        ("ssl_server_alt_cert_file", "ssl_server_alt_key_file"),
    ),
}
# What is said to begin TLS, and how the line begins that is waited for.
# Source: RFC 9051 6.2.1, RFC 2595 4, RFC 3207 4, RFC 5804 2.2.
_STARTTLS = {
    "imap": ((b"", b"* "), (b"m STARTTLS\r\n", b"m OK")),
    "pop3": ((b"", b"+OK"), (b"STLS\r\n", b"+OK")),
    "submission": ((b"", b"220 "), (b"EHLO mailauth.invalid\r\n", b"250 "), (b"STARTTLS\r\n", b"220 ")),
    "sieve": ((b"", b"OK"), (b"STARTTLS\r\n", b"OK")),
}
_MAX_LINE, _MAX_LINES = 8192, 64
_BLOCK_24 = "ssl_server"
_APART = ("local", "remote", "protocol")  # blocks whose clients may have a certificate of their own
_KEY_PASSWORD = {"2.3": "ssl_key_password", "2.4": "ssl_server_key_password"}


@dataclass(frozen=True, slots=True)
class _Pair:
    """A certificate and its key, as configured: paths as Dovecot sees them."""

    cert_setting: str
    cert: str
    key_setting: str
    key: str
    block: str = ""  # "local_name NAME", "local ADDRESS": whose clients get it; "" for everyone


def observe_tls_files(scene: Scene) -> TlsFiles | NotApplicable:
    """Whether Dovecot can use its certificates and keys.  Raises CannotObserve for what we may not read."""
    listening = _served(scene)
    if isinstance(listening, str):
        return NotApplicable(TlsFiles, listening)
    pairs, unset = _pairs(scene), _unset(scene, listening)
    tree, setting = scene.config.tree, _KEY_PASSWORD[scene.config.version.dialect]
    password = _value(tree, setting)
    files = tuple(dict.fromkeys(file for pair in pairs for file in (pair.cert, pair.key)))
    contents = {file: _read(scene, file) for file in files}
    _load()

    def flaws() -> tuple[TlsFlaw, ...]:
        return tuple(flaw for pair in pairs for flaw in _flaws(contents, pair, password.encode() or None))

    found = children.nobody(flaws, tuple[TlsFlaw, ...]) if pairs else ()
    source = "the files named in " + scene.config.file
    return TlsFiles(source, files, (*unset, *found), required=tree.get("ssl") == "required")


def observe_certificates(scene: Scene) -> Certificates | NotApplicable:
    """The certificates' dates and names.  Raises CannotObserve for a file that we may not read."""
    listening = _served(scene)
    if isinstance(listening, str):
        return NotApplicable(Certificates, listening)
    pairs = _pairs(scene)
    if not pairs:
        return NotApplicable(Certificates, "no certificate is configured")
    if listening.local_only and not scene.host:
        return NotApplicable(Certificates, "no client on another machine can connect")
    asked = [one for protocol in listening.asked for one in listening.of(protocol)]
    if scene.port:
        asked = [one for one in asked if one.port == scene.port]
    reached = addresses(scene.host) if scene.host else []
    contents = {file: _read(scene, file) for file in dict.fromkeys(pair.cert for pair in pairs)}
    blocks = _blocks(pairs, scene.host, reached)
    _load(scene.host)

    def told() -> tuple[Certificate, ...]:
        return tuple(_all(scene.host, reached, asked, contents, blocks))

    found = children.nobody(told, tuple[Certificate, ...])
    if not found:
        return NotApplicable(Certificates, "there is no certificate that can be read")
    return Certificates("the certificates", datetime.now(UTC), scene.host, found)


def _load(host: str = "") -> None:
    """What the child needs, before it is one."""
    import_now(exceptions, serialization, x509)
    if host:
        import_now(service_identity.cryptography.__name__)
        unchecked()


def _all(
    host: str,
    reached: Sequence[Address],
    asked: list[Listener],
    contents: Mapping[str, bytes | None],
    blocks: Mapping[str, tuple[str, bool]],
) -> Iterator[Certificate]:
    """What the host presents, and what the files have."""
    for place, one in _presented(host, reached, asked):
        yield _told(one, place, host, presented=True)
    for file, content in contents.items():
        with suppress(ValueError):  # NET007 tells these
            if content is not None:
                serves, mine = blocks[file]
                yield replace(_told(_leaf(content), file, host, presented=False), serves=serves, asked=mine)


def _blocks(pairs: list[_Pair], host: str, reached: Sequence[Address]) -> dict[str, tuple[str, bool]]:
    """For each certificate's file: the block that it stands in, and whether the host's clients get it.

    A block for a name or an address counts before what is set for everyone.
    """
    names = [pair for pair in pairs if pair.block and _is_of(pair.block, host, reached)]
    mine = {pair.cert for pair in names} or {pair.cert for pair in pairs if not pair.block}
    found: dict[str, tuple[str, bool]] = {}
    for pair in sorted(pairs, key=lambda one: bool(one.block)):
        found.setdefault(pair.cert, (pair.block, not host or pair.cert in mine))
    return found


def _is_of(block: str, host: str, reached: Sequence[Address]) -> bool:
    """Whether a block is for clients of this host.

    Several names may stand in one, and "*" is one label.  Source: config_filter_match_local_name(), Dovecot
    2.3.19.1 src/config/config-filter.c; dns_match_wildcard(), src/lib/dns-util.c.
    """
    kind, _, names = block.partition(" ")
    for name in names.strip('"').lower().split():
        if kind == "local_name":
            labels, wanted = name.split("."), host.lower().rstrip(".").split(".")
            same = (one in ("*", other) for one, other in zip(labels, wanted, strict=False))
            if len(labels) == len(wanted) and all(same):
                return True
            continue
        with suppress(ValueError):
            if any(ip_address(str(one)) in ip_network(name, strict=False) for one in reached):
                return True
    return False


def _served(scene: Scene) -> Listening | str:
    """Who is served with TLS; or why there is nothing to look at."""
    if scene.config.tree.get("ssl", "yes") == "no":
        return "TLS is off (ssl = no)"
    listening = observe_listening(scene)
    return listening.reason if isinstance(listening, NotApplicable) else listening


def _pairs(scene: Scene) -> list[_Pair]:
    """What Dovecot is set to use, by name too."""
    config = scene.config
    dialect = config.version.dialect
    found: dict[_Pair, None] = {}
    for block in config.tree.walk():
        if block.kind not in ("", "local", "local_name", "protocol"):
            continue
        only = f"{block.kind} {block.name}" if block.kind in ("local", "local_name") else ""
        for cert, key in _SETTINGS[dialect]:
            files = [_value(block, name) or _value(config.tree, name) for name in (cert, key)]
            if dialect == "2.3":
                files = [one[1:].strip() if one.startswith("<") else "" for one in files]
            if all(files):
                found[_Pair(cert, files[0], key, files[1], only)] = None
    return list(found)


def _value(block: Block, name: str) -> str:
    """A setting of TLS in a block; "" where it is not set there."""
    inside = (one.get(name.removeprefix(f"{_BLOCK_24}_")) for one in block.all(_BLOCK_24))
    return next(filter(None, inside), block.get(name)).strip()


def _unset(scene: Scene, listening: Listening) -> Iterator[TlsFlaw]:
    """What a handshake needs and nobody set: Dovecot starts and offers TLS, and each handshake fails.

    With the default, ssl = yes, and neither of the two, this counts where another machine's clients connect:
    a server for a webmail beside it needs no TLS.  Clients of one address, or of some protocols, may have
    what the others lack: then what the log says counts.  Source: openssl_iostream_use_certificate_error(),
    src/lib-ssl-iostream/iostream-openssl-common.c of Dovecot 2.3.19.1 and 2.4.1; seen of 2.3.13 to 2.4.5.
    """
    tree, dialect = scene.config.tree, scene.config.version.dialect
    pair = _SETTINGS[dialect][0]
    values = {name: _value(tree, name) for name in pair}
    apart = [block for block in tree.walk() if block.kind in _APART]
    if values[pair[0]]:  # without a certificate for everyone a handshake ends before a name is heard
        apart += [block for block in tree.walk() if block.kind == "local_name"]
    others = any(_value(block, name) for block in apart for name in pair)
    others |= bool(values[pair[0]] and _value(tree, _SETTINGS[dialect][1][0]))
    wanted = tree.get("ssl") == "required" or any(values.values()) or not listening.local_only
    if others or not wanted:
        return
    for name, value in values.items():
        if not value:
            yield TlsFlaw(name, "", "is not set", missing=False)
        elif dialect == "2.3" and not value.startswith("<"):
            yield TlsFlaw(name, "", 'has no "<" before the name of the file', missing=False)


def _read(scene: Scene, file: str) -> bytes | None:
    """The start of a file; None where there is none.  Raises CannotObserve when we may not read it."""
    try:
        with inroot.opened(scene.dovecot.path(file)) as stream:
            return stream.read(_MAX)
    except FileNotFoundError:
        return None
    except OSError as why:
        raise unseen(file, why) from None


def _leaf(pem: bytes) -> "x509.Certificate":
    """The server's own certificate: the first one.  Raises ValueError when there is none."""
    return x509.load_pem_x509_certificates(pem)[0]


def _flaws(contents: Mapping[str, bytes | None], pair: _Pair, password: bytes | None) -> Iterator[TlsFlaw]:
    def of_cert(data: bytes) -> bytes:
        return _leaf(data).public_key().public_bytes(*form)

    def of_key(data: bytes) -> bytes:
        return serialization.load_pem_private_key(data, password).public_key().public_bytes(*form)

    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    public = []
    for setting, file, read in (
        (pair.cert_setting, pair.cert, of_cert),
        (pair.key_setting, pair.key, of_key),
    ):
        content = contents[file]
        if content is None:
            yield TlsFlaw(setting, file, "there is no such file", missing=True)
            continue
        try:
            public.append(read(content))
        except TypeError:
            said = "the key is encrypted, and no password for it is set"
            yield TlsFlaw(
                setting, file, said if password is None else "the key is not encrypted", missing=False
            )
        except (ValueError, exceptions.UnsupportedAlgorithm):
            what = "certificate" if setting == pair.cert_setting else "private key"
            yield TlsFlaw(setting, file, f"there is no PEM {what} in it that can be read", missing=False)
    if len(public) == 2 and public[0] != public[1]:
        yield TlsFlaw(pair.key_setting, pair.key, f"it is not the key of {pair.cert}", missing=False)


def _told(cert: "x509.Certificate", place: str, host: str, *, presented: bool) -> Certificate:
    names: tuple[str, ...] = ()
    with suppress(x509.ExtensionNotFound, ValueError):
        found = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = (
            *found.get_values_for_type(x509.DNSName),
            *map(str, found.get_values_for_type(x509.IPAddress)),
        )
    covers = _covers(cert, host) if host else None
    return Certificate(place, names, cert.not_valid_before_utc, cert.not_valid_after_utc, presented, covers)


def _covers(cert: "x509.Certificate", host: str) -> bool:
    """Whether the certificate is for the host, by RFC 9525: its subjectAltName, never its common name."""
    literal = False
    with suppress(ValueError):
        literal = bool(ip_address(host))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a certificate without subjectAltName: no match is enough
            check = (
                service_identity.cryptography.verify_certificate_ip_address
                if literal
                else service_identity.cryptography.verify_certificate_hostname
            )
            check(cert, host)
    except (service_identity.VerificationError, service_identity.CertificateError, ValueError):
        return False
    return True


def _presented(
    host: str, reached: Sequence[Address], listeners: list[Listener]
) -> Iterator[tuple[str, "x509.Certificate"]]:
    """What a client gets that connects to the host: from the first listener that answers."""
    if not reached:
        return  # the child without a host has no TLS loaded
    context = unchecked()  # to look is not to trust
    for address in reached:
        for one in sorted(listeners, key=lambda listener: not listener.tls):
            with suppress(OSError):
                if der := _handshake(str(address), one, host, context):
                    yield f"{host}:{one.port}", x509.load_der_x509_certificate(der)
                    return


def _handshake(address: str, listener: Listener, host: str, context: "ssl.SSLContext") -> bytes | None:
    """Up to the server's certificate, and away again: no login."""
    with (
        socket.create_connection((address, listener.port), timeout=_PATIENCE) as plain,
        cut_after(_ALL, plain),
    ):
        plain.settimeout(_ANSWER)
        if not listener.tls:
            lines = plain.makefile("rb", buffering=0)
            for say, wait in _STARTTLS[listener.protocol]:
                plain.sendall(say)
                told = (lines.readline(_MAX_LINE) for _ in range(_MAX_LINES))
                if not any(line.startswith(wait) for line in told):
                    return None
        with context.wrap_socket(plain, server_hostname=host) as secured:
            return secured.getpeercert(binary_form=True)
