"""Networks of real interfaces: namespaces that last as long as a test, and what goes through them."""

import ctypes
import fcntl
import os
import select
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pyroute2 import IPRoute

from tests.conftest import missing

_NEWNET = 0x40000000  # CLONE_NEWNET, linux/sched.h
_TUNSETIFF, _TAP_NO_PI = 0x400454CA, 0x0002 | 0x1000  # linux/if_tun.h
_NODAD = 2  # IFA_F_NODAD: an IPv6 address that can be used at once
_LIBC = ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


class Networks:
    """Namespaces by name.  The thread that makes them goes in and out; processes that it starts stay."""

    def __init__(self, *names: str) -> None:
        self._home = os.open("/proc/self/ns/net", os.O_RDONLY)
        self._spaces: dict[str, int] = {}
        self._taps: list[int] = []
        self._stop = -1
        self._carrier: threading.Thread | None = None
        for name in names:
            _check(_LIBC.unshare(_NEWNET))
            self._spaces[name] = os.open("/proc/self/ns/net", os.O_RDONLY)
            for kind in ("all", "default"):  # an interface's own address can be used at once, too
                Path(f"/proc/sys/net/ipv6/conf/{kind}/accept_dad").write_text("0")
            with IPRoute() as kernel:
                kernel.link("set", index=1, state="up")
            _check(_LIBC.setns(self._home, _NEWNET))

    def close(self) -> None:
        _check(_LIBC.setns(self._home, _NEWNET))
        if self._carrier:
            os.close(self._stop)
            self._carrier.join()
        for one in (self._home, *self._spaces.values(), *self._taps):
            os.close(one)

    @contextmanager
    def inside(self, name: str) -> Iterator[IPRoute]:
        """Be there; what is given speaks with that namespace's kernel."""
        before = os.open("/proc/self/ns/net", os.O_RDONLY)
        try:
            _check(_LIBC.setns(self._spaces[name], _NEWNET))
            with IPRoute() as kernel:
                yield kernel
        finally:
            _check(_LIBC.setns(before, _NEWNET))
            os.close(before)

    def cable(self, one: str, other: str, *, names: tuple[str, str]) -> None:
        """A veth pair between two namespaces, up on both ends."""
        with self.inside(one) as kernel:
            kernel.link("add", ifname=names[0], kind="veth", peer=names[1])
            [index] = kernel.link_lookup(ifname=names[1])
            kernel.link("set", index=index, net_ns_fd=self._spaces[other])
        for space, name in zip((one, other), names, strict=True):
            with self.inside(space) as kernel:
                kernel.link("set", index=_index(kernel, name), state="up")

    def tap(self, one: str, other: str, *, names: tuple[str, str]) -> None:
        """A tap device in each of two namespaces, and frames carried between them."""
        if not Path("/dev/net/tun").exists():
            missing(
                "/dev/net/tun is not here, and this test makes a network of it: modprobe tun, or mknod it"
            )
        ends = []
        for space, name in zip((one, other), names, strict=True):
            with self.inside(space) as kernel:
                end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
                fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TAP_NO_PI))
                kernel.link("set", index=_index(kernel, name), state="up")
                ends.append(end)
        self._taps += ends
        stop, self._stop = os.pipe()
        self._taps.append(stop)
        self._carrier = threading.Thread(target=_carry, args=(*ends, stop), daemon=True)
        self._carrier.start()

    def address(self, space: str, device: str, address: str, *, remove: bool = False) -> None:
        text, _, length = address.partition("/")
        with self.inside(space) as kernel:
            more: dict[str, Any] = {} if ip_address(text).version == 4 else {"flags": _NODAD}
            what = "del" if remove else "add"
            kernel.addr(what, index=_index(kernel, device), address=text, prefixlen=int(length), **more)

    def route(self, space: str, to: str, *, via: str = "", device: str = "", remove: bool = False) -> None:
        with self.inside(space) as kernel:
            way: dict[str, Any] = {"gateway": via} if via else {"oif": _index(kernel, device)}
            family = socket.AF_INET6 if ":" in to else socket.AF_INET
            kernel.route("del" if remove else "add", dst=to, family=family, **way)

    def sysctl(self, space: str, name: str, value: str) -> None:
        with self.inside(space):
            Path(f"/proc/sys/{name.replace('.', '/')}").write_text(value)


def _carry(one: int, other: int, stop: int) -> None:
    """What one tap sends the other gets, until ``stop`` is closed on its other side."""
    while True:
        ready, _, _ = select.select([one, other, stop], [], [])
        if stop in ready:
            return
        for here, there in ((one, other), (other, one)):
            if here in ready:
                with suppress(OSError):  # a frame may be lost
                    os.write(there, os.read(here, 65536))


def _index(kernel: IPRoute, name: str) -> int:
    return int(kernel.link_lookup(ifname=name)[0])


@dataclass
class Authority:
    """A certificate authority of our own, and a folder for what it signs.

    It has the extensions that RFC 5280 wants of one (4.2.1.1 to 4.2.1.3): Python 3.13 trusts no other
    (ssl.VERIFY_X509_STRICT).
    """

    folder: Path
    _key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def sign(
        self, *names: str, name: str = "server", begins: int = -90, ends: int = 90, alternatives: bool = True
    ) -> None:
        """``NAME.crt`` and ``NAME.key``, valid from ``begins`` to ``ends`` days from now.

        Without ``alternatives`` the first name is the subject's alone.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0] if names else "nobody")])
        made = self._begin(subject, key.public_key(), begins, ends)
        made = made.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
        )
        if names and alternatives:
            made = made.add_extension(x509.SubjectAlternativeName([_general(one) for one in names]), False)
        self._write(
            f"{name}.crt", made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        self._write(
            f"{name}.key",
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )

    def trust(self) -> ssl.SSLContext:
        """A client that trusts this authority, and checks names and dates."""
        return ssl.create_default_context(cadata=self._certificate().decode())

    def publish(self, name: str) -> None:
        """``NAME.crt``, by which others trust it."""
        self._write(f"{name}.crt", self._certificate())

    def _certificate(self) -> bytes:
        made = self._begin(_AUTHORITY, self._key.public_key(), -365, 365)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        made = made.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
        )
        made = made.add_extension(_SIGNS, critical=True)
        return made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def settings(self, dialect: str, name: str = "server", key: str = "") -> str:
        cert, its = self.folder / f"{name}.crt", self.folder / (key or f"{name}.key")
        if dialect == "2.3":
            return f"ssl = yes\nssl_cert = <{cert}\nssl_key = <{its}\n"
        return f"ssl = yes\nssl_server_cert_file = {cert}\nssl_server_key_file = {its}\n"

    def _begin(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, begins: int, ends: int
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(_AUTHORITY)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=begins))
            .not_valid_after(now + timedelta(days=ends))
        )

    def _write(self, name: str, data: bytes) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / name).write_bytes(data)


_SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
_AUTHORITY = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of the tests")])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def imap_login(
    address: str,
    port: int,
    user: str,
    password: bytes,
    *,
    tls: ssl.SSLContext | None = None,
    name: str = "",
    patience: float = 30.0,
) -> bool:
    """A client's login over the network, with STARTTLS if ``tls``: whether it came to an end that is OK.

    ``patience``: for how many seconds it waits for each answer.
    """
    with ExitStack() as stack:
        try:
            plain = stack.enter_context(socket.create_connection((address, port), timeout=patience))
            stream: Any = stack.enter_context(plain.makefile("rb", buffering=0))
            assert stream.readline().startswith(b"* OK")
            if tls:
                plain.sendall(b"a STARTTLS\r\n")
                _until(stream, b"a ")
                secured = stack.enter_context(tls.wrap_socket(plain, server_hostname=name or address))
                stream, plain = stack.enter_context(secured.makefile("rb")), secured
            plain.sendall(b'b LOGIN "%b" "%b"\r\n' % (user.encode(), password))
            return _until(stream, b"b ").startswith(b"b OK")
        except OSError:
            return False


def _until(stream: Any, start: bytes) -> bytes:
    while line := stream.readline():
        if line.startswith(start):
            return bytes(line)
    raise ConnectionResetError
