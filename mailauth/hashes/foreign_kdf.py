"""PBKDF2 and scrypt hashes of other software, in Dovecot's words.

SCRAM's SaltedPassword is PBKDF2 with SCRAM's own digest, so StoredKey and ServerKey follow from a
PBKDF2 result without the password (RFC 5802 section 3). A longer PBKDF2 result begins with the
one that is wanted. scrypt becomes libxcrypt's $7$, which takes the salt as text only.
"""

import base64
import binascii
import json
import re
import struct

from mailauth.hashes.encoding import CRYPT64
from mailauth.hashes.foreign_found import Derived, Found, no, none, yes
from mailauth.hashes.scram import LEAST, MOST, keys, written

_SIZES = {"sha1": 20, "sha256": 32}
_NAMES = {"sha1": "SCRAM-SHA-1", "sha256": "SCRAM-SHA-256"}


def pbkdf2(source: str, digest: str, rounds: int, salt: bytes, key: bytes) -> Found:
    """The Dovecot form of one PBKDF2-HMAC result."""
    derived = Derived(digest, (rounds,), salt, key)
    if digest not in _SIZES:
        return no(
            source, f"PBKDF2 with {digest.upper()}: Dovecot has it only with SHA-1 and SHA-256", derived
        )
    size = _SIZES[digest]
    if len(key) < size:
        return no(source, f"the key has {len(key)} bytes; {size} are needed", derived)
    if digest == "sha1" and _is_text(salt) and 1 <= rounds < 2**32:
        return yes(source, b"{PBKDF2}$1$%b$%d$%b" % (salt, rounds, key[:size].hex().encode()))
    if not LEAST <= rounds <= MOST:
        return no(source, f"{rounds} rounds: Dovecot's {_NAMES[digest]} takes no fewer than {LEAST}", derived)
    text = written(rounds, salt, *keys(digest, key[:size]))
    return yes(source, b"{%b}%b" % (_NAMES[digest].encode(), text), "PBKDF2 made into SCRAM keys")


def _is_text(salt: bytes) -> bool:
    return bool(salt) and all(0x21 <= char < 0x7F and char != 0x24 for char in salt)


def _b64(text: bytes) -> bytes:
    """Any base64: padded or not, with + / or . / or - _."""
    text = text.rstrip(b"=").translate(bytes.maketrans(b".-_", b"++/"))
    return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)


def encode64(raw: bytes) -> bytes:
    """The base64 of yescrypt and $7$: small end first (libxcrypt lib/alg-yescrypt-common.c)."""
    text = bytearray()
    for at in range(0, len(raw), 3):
        part = raw[at : at + 3]
        value = int.from_bytes(part, "little")
        text += bytes(
            CRYPT64[value >> 6 * i & 63] for i in range(len(part) * 8 // 6 + 1 if len(part) < 3 else 4)
        )
    return bytes(text)


def scrypt(source: str, n: int, r: int, p: int, salt: bytes, key: bytes) -> Found:
    if n < 2 or n & (n - 1) or not (0 < r < 2**30 and 0 < p < 2**30):
        return no(source, "parameters that $7$ cannot say")
    derived = Derived("", (n, r, p), salt, key)
    if len(key) < 32:
        return no(source, "parameters that $7$ cannot say", derived)
    if not salt or salt.translate(None, CRYPT64):
        return no(
            source,
            "crypt(3)'s $7$ takes the salt as text of ./0-9A-Za-z, and this salt is raw bytes",
            derived,
        )
    numbers = bytes([CRYPT64[n.bit_length() - 1]]) + _le30(r) + _le30(p)
    return yes(
        source,
        b"{CRYPT}$7$%b%b$%b" % (numbers, salt, encode64(key[:32])),
        "scrypt as $7$; needs a libcrypt that has it (libxcrypt)",
    )


def _le30(value: int) -> bytes:
    return bytes(CRYPT64[value >> 6 * i & 63] for i in range(5))


def django(text: bytes) -> Found | None:
    found = re.fullmatch(rb"pbkdf2_(sha1|sha256|sha512)\$(\d{1,10})\$([^$]+)\$([A-Za-z0-9+/=]+)", text)
    if found:
        digest, rounds, salt, key = found.groups()
        return pbkdf2(f"Django pbkdf2_{digest.decode()}", digest.decode(), int(rounds), salt, _b64(key))
    found = re.fullmatch(rb"scrypt\$(\d{1,10})\$([^$]+)\$(\d{1,9})\$(\d{1,9})\$([A-Za-z0-9+/=]+)", text)
    if found:
        n, salt, r, p, key = found.groups()
        return scrypt("Django scrypt", int(n), int(r), int(p), salt, _b64(key))
    return None


def werkzeug(text: bytes) -> Found | None:
    found = re.fullmatch(rb"pbkdf2:(\w+)(?::(\d{1,10}))?\$([^$]+)\$([0-9a-f]+)", text)
    if found:
        digest, rounds, salt, key = found.groups()
        name = digest.decode().lower()
        if rounds is None:
            return no("Werkzeug", "no number of rounds is written, and it depends on Werkzeug's version")
        return pbkdf2(f"Werkzeug pbkdf2:{name}", name, int(rounds), salt, binascii.unhexlify(key))
    found = re.fullmatch(rb"scrypt:(\d{1,10}):(\d{1,9}):(\d{1,9})\$([^$]+)\$([0-9a-f]+)", text)
    if found:
        n, r, p, salt, key = found.groups()
        return scrypt("Werkzeug scrypt", int(n), int(r), int(p), salt, binascii.unhexlify(key))
    return None


def passlib(text: bytes) -> Found | None:
    """The modular formats, and OpenLDAP's pw-pbkdf2, which has the same fields."""
    found = re.fullmatch(rb"\$pbkdf2(?:-(sha\d+))?\$(\d{1,10})\$([./A-Za-z0-9]*)\$([./A-Za-z0-9]+)", text)
    source = "passlib pbkdf2"
    if not found:
        found = re.fullmatch(
            rb"\{PBKDF2(?:-(SHA\d+))?\}(\d{1,10})\$([./A-Za-z0-9+]*=*)\$([./A-Za-z0-9+]+=*)", text
        )
        source = "OpenLDAP pw-pbkdf2, 389 Directory Server"
    if found:
        digest, rounds, salt, key = found.groups()
        return pbkdf2(source, (digest or b"sha1").decode().lower(), int(rounds), _b64(salt), _b64(key))
    found = re.fullmatch(rb"\$scrypt\$ln=(\d+),r=(\d+),p=(\d+)\$([./A-Za-z0-9+]*)\$([./A-Za-z0-9+]+)", text)
    if found:
        ln, r, p = (int(number) for number in found.groups()[:3])
        if ln > 62:
            return no("passlib scrypt", "ln is out of range")
        return scrypt("passlib scrypt", 1 << ln, r, p, _b64(found[4]), _b64(found[5]))
    found = re.fullmatch(rb"\$scram\$(\d{1,10})\$([./A-Za-z0-9]*)\$(.+)", text)
    if found:
        kinds = dict(part.split(b"=", 1) for part in found[3].split(b",") if b"=" in part)
        for kind, digest in ((b"sha-256", "sha256"), (b"sha-1", "sha1")):
            if kind in kinds:
                return pbkdf2("passlib scram", digest, int(found[1]), _b64(found[2]), _b64(kinds[kind]))
        return no("passlib scram", "it holds neither sha-1 nor sha-256")
    return None


def p5k2(text: bytes) -> Found | None:
    """Dwayne Litzenberger's $p5k2$ salts with its own text; Cryptacular's with the decoded salt."""
    found = re.fullmatch(rb"\$p5k2\$([0-9a-f]{0,8})\$([./A-Za-z0-9_=-]*)\$([./A-Za-z0-9_=-]+)", text)
    if not found:
        return None
    rounds = int(found[1], 16) if found[1] else 400
    if found[3].endswith(b"="):
        return pbkdf2("Cryptacular $p5k2$", "sha1", rounds, _b64(found[2]), _b64(found[3]))
    return pbkdf2("dlitz $p5k2$", "sha1", rounds, text[: found.end(2)], _b64(found[3]))


def atlassian(text: bytes) -> Found | None:
    if not text.startswith(b"{PKCS5S2}"):
        return None
    raw = _b64(text[9:])
    return pbkdf2("Atlassian {PKCS5S2}", "sha1", 10_000, raw[:16], raw[16:])


def spring(text: bytes) -> Found | None:
    """Pbkdf2PasswordEncoder without a secret: salt and key in hex, or base64."""
    for name, digest, rounds, salt in (
        (b"{pbkdf2@SpringSecurity_v5_8}", "sha256", 310_000, 16),
        (b"{pbkdf2}", "sha1", 185_000, 8),
    ):
        if text.startswith(name):
            body = text[len(name) :]
            is_hex = re.fullmatch(rb"(?:[0-9a-f]{2})+", body)
            raw = binascii.unhexlify(body) if is_hex else _b64(body)
            return pbkdf2("Spring Security pbkdf2 (without a secret)", digest, rounds, raw[:salt], raw[salt:])
    return None


def phc_pbkdf2(text: bytes) -> Found | None:
    """The PHC string of RustCrypto's crate pbkdf2, which Stalwart stores: i rounds, l bytes."""
    found = re.fullmatch(
        rb"\$pbkdf2(?:-(sha\d+))?\$i=(\d{1,10})(?:,l=\d+)?\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)", text
    )
    if not found:
        return None
    digest, rounds, salt, key = found.groups()
    return pbkdf2("PBKDF2 as a PHC string", (digest or b"sha1").decode(), int(rounds), _b64(salt), _b64(key))


def ds389(text: bytes) -> Found | None:
    """389 Directory Server's {PBKDF2_SHA256}: rounds (4 bytes), salt (64) and key (256), pbkdf2_pwd.c."""
    if not text.startswith(b"{PBKDF2_SHA256}"):
        return None
    source, raw = "389 Directory Server {PBKDF2_SHA256}", _b64(text[15:])
    if len(raw) != 324:
        return no(source, f"it has {len(raw)} bytes, not 324: cut off?")
    return pbkdf2(source, "sha256", int.from_bytes(raw[:4], "big"), raw[4:68], raw[68:])


def scram_keys(text: bytes) -> Found | None:
    """PostgreSQL's rolpassword, which is RFC 5803's authPassword."""
    found = re.fullmatch(
        rb"SCRAM-SHA-(1|256)\$(\d{1,10}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)", text
    )
    if not found:
        return None
    digest, rounds, *fields = found.groups()
    source = "PostgreSQL rolpassword" if digest == b"256" else "authPassword (RFC 5803)"
    if int(rounds) < LEAST:
        return no(source, f"{int(rounds)} rounds: Dovecot takes no fewer than {LEAST}")
    return yes(source, b"{SCRAM-SHA-%b}" % digest + b",".join((rounds, *fields)))


def keycloak(text: bytes) -> Found | None:
    """A credential of Keycloak's as JSON: secretData and credentialData, nested or side by side."""
    if not text.startswith(b"{") or b'"' not in text:
        return None
    try:
        fields = _flat(json.loads(text))
        algorithm = str(fields.get("algorithm", "pbkdf2-sha256"))
        rounds, salt, key = (
            int(fields["hashIterations"]),
            _b64(fields["salt"].encode()),
            _b64(fields["value"].encode()),
        )
        m, p = (int(fields[name]) if algorithm == "argon2" else 0 for name in ("memory", "parallelism"))
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return none(
            "Keycloak",
            "wanted: JSON with value, salt, hashIterations and algorithm (secretData, credentialData),"
            " for argon2 memory and parallelism, too",
        )
    if algorithm == "argon2":
        if fields.get("version", "1.3") != "1.3" or fields.get("type", "id") not in ("id", "i"):
            return no("Keycloak argon2", "libsodium takes argon2id and argon2i of version 1.3 only")
        kind = fields.get("type", "id")
        parts = tuple(base64.b64encode(part).rstrip(b"=") for part in (salt, key))
        prefix = f"{{ARGON2{kind.upper()}}}$argon2{kind}$v=19$m={m},t={rounds},p={p}$".encode()
        return yes("Keycloak argon2", prefix + b"$".join(parts))
    digest = algorithm.partition("-")[2] or "sha1"
    return pbkdf2(f"Keycloak {algorithm}", digest, rounds, salt, key)


def _flat(value: object) -> dict[str, str]:
    """All leaves of nested JSON; what is a string with JSON inside is opened; lists give their first."""
    fields: dict[str, str] = {}
    if isinstance(value, dict):
        for name, inner in value.items():
            opened = json.loads(inner) if isinstance(inner, str) and inner.startswith("{") else inner
            if isinstance(opened, dict):
                fields |= _flat(opened)
            else:
                leaf = opened[0] if isinstance(opened, list) and opened else opened
                fields[str(name)] = str(leaf)
    return fields


def aspnet(text: bytes) -> Found | None:
    """ASP.NET Core Identity: a format byte, and in version 3 digest, rounds and salt length."""
    if not re.fullmatch(rb"A[A-Za-z0-9+/]{60,}={0,2}", text) or len(text) % 4:
        return None
    raw = _b64(text)
    if raw[0] == 0 and len(raw) == 49:
        return pbkdf2("ASP.NET Identity v2", "sha1", 1000, raw[1:17], raw[17:])
    if raw[0] != 1 or len(raw) < 13:
        return None
    kind, rounds, salt = struct.unpack(">3I", raw[1:13])
    if kind > 2 or not 8 <= salt <= len(raw) - 29:
        return None
    return pbkdf2(
        "ASP.NET Identity v3",
        ("sha1", "sha256", "sha512")[kind],
        rounds,
        raw[13 : 13 + salt],
        raw[13 + salt :],
    )


READERS = (
    *(django, werkzeug, passlib, phc_pbkdf2, p5k2, atlassian, spring, ds389, scram_keys, keycloak),
    aspnet,
)
