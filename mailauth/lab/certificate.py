"""Certificates of the lab's own for 127.0.0.1: signed by itself, or by an authority of the lab's."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mailauth.lab.settings import Certificate

_DAYS = 30


_KEY_USAGE = x509.KeyUsage(
    digital_signature=True,
    key_cert_sign=True,
    crl_sign=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


def make(folder: Path) -> Certificate:
    """Write tls.crt and tls.key (for root or the lab's owner only) into the folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    return _write(folder, "tls", _for_this_machine(key, "lab.invalid", key, "lab.invalid"), key)


def issue(folder: Path, name: str) -> tuple[Path, Certificate]:
    """A new authority's certificate, NAME-ca.crt, and one that it signed: NAME.crt and NAME.key."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    title = f"authority of {name}"
    signed = (
        _begun(authority, title, title)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_KEY_USAGE, critical=True)
        .sign(authority, hashes.SHA256())
    )
    file = folder / f"{name}-ca.crt"
    file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    return file, _write(folder, name, _for_this_machine(key, f"{name}.invalid", authority, title), key)


def _for_this_machine(
    key: ec.EllipticCurvePrivateKey, name: str, authority: ec.EllipticCurvePrivateKey, issuer: str
) -> x509.Certificate:
    names: list[x509.GeneralName] = [
        x509.DNSName("localhost"),
        x509.IPAddress(ip_address("127.0.0.1")),
    ]
    begun = _begun(key, name, issuer).add_extension(x509.SubjectAlternativeName(names), critical=False)
    return begun.sign(authority, hashes.SHA256())


def _begun(key: ec.EllipticCurvePrivateKey, name: str, issuer: str) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=_DAYS))
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _write(folder: Path, name: str, signed: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Certificate:
    made = Certificate(folder / f"{name}.crt", folder / f"{name}.key")
    made.cert.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    made.key.touch(mode=0o600)
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return made
