"""What each Dovecot version takes, refuses, or does not know.

Source: password-scheme.c and password-scheme-crypt.c of 2.3.13 to 2.4.4, and the commit
56d75d41a9 that removed OTP before 2.4.5. Note that ``doveadm pw -t`` allows weak schemes always.
"""

from mailauth.hashes.hash import Flaw, Scheme, Verdict

RELEASES = ((2, 3, 19, 1), (2, 4, 1), (2, 4, 5))
"""Those between which something changed; asked about by ``hash show``."""


_MEANT = {
    "BCRYPT": "BLF-CRYPT",
    "BF-CRYPT": "BLF-CRYPT",
    "BLOWFISH": "BLF-CRYPT",
    "BLOWFISH-CRYPT": "BLF-CRYPT",
    "BLF": "BLF-CRYPT",
    "ARGON2D": None,
    "SHA-1": "SHA1",
    "SHA-256": "SHA256",
    "SHA-512": "SHA512",
    "SSHA1": "SSHA",
    "SSHA-256": "SSHA256",
    "SSHA-512": "SSHA512",
    "SHA384": None,
    "SSHA384": None,
    "SHA512CRYPT": "SHA512-CRYPT",
    "SHA256CRYPT": "SHA256-CRYPT",
    "MD5CRYPT": "MD5-CRYPT",
    "SHA-512-CRYPT": "SHA512-CRYPT",
    "SCRAM-SHA256": "SCRAM-SHA-256",
    "SCRAM-SHA1": "SCRAM-SHA-1",
    "PBKDF2-SHA1": "PBKDF2",
    "NOOP": "PLAIN",
    "PLAINTEXT": "PLAIN",
    "YESCRYPT": "CRYPT",
    "SCRYPT": "CRYPT",
}


def version_text(dovecot: tuple[int, ...]) -> str:
    """As Dovecot writes it: 2.4.0, and not 2.4.0.0."""
    return ".".join(map(str, dovecot[:3] if dovecot[3:] == (0,) else dovecot))


def known_misname(name: bytes) -> str:
    """A scheme's wrong name that many people write; what else stands in braces may be a secret."""
    text = name.decode(errors="replace").upper()
    return text if text in _MEANT else ""


def meant(name: bytes) -> str:
    """Dovecot's name for what another program calls ``name``; "" where there is none."""
    return _MEANT.get(name.decode(errors="replace").upper()) or ""


def unknown(name: str) -> Flaw:
    """No Dovecot knows a scheme of this name."""
    upper = name.upper()
    plain, dot, encoding = upper.partition(".")
    if dot and encoding not in ("HEX", "B64", "BASE64"):
        return Flaw(Verdict.UNSUPPORTED, "Unknown scheme: only hex, b64 or base64 may follow the dot", 1)
    if not plain.strip():
        return Flaw(Verdict.UNSUPPORTED, "Unknown scheme: there is nothing between { and }", 1)
    if plain != plain.strip():
        return Flaw(Verdict.UNSUPPORTED, "Unknown scheme: there are blanks between { and }", 1)
    if plain in _MEANT:
        meant = _MEANT[plain]
        hint = f"Dovecot's name for it is {meant}" if meant else "Dovecot has nothing like it"
        return Flaw(Verdict.UNSUPPORTED, f"Unknown scheme {plain}: {hint}", 1)
    if plain.startswith(("ARGON2@", "PBKDF2@")):
        return Flaw(
            Verdict.UNSUPPORTED, "Unknown scheme: Spring Security's name for it (see hash convert)", 1
        )
    return Flaw(Verdict.UNSUPPORTED, "Unknown scheme: no Dovecot has one of this name", 1)


def missing(scheme: Scheme, dovecot: tuple[int, ...]) -> Flaw | None:
    """The scheme exists, but not in this Dovecot."""
    if scheme.since and dovecot < scheme.since:
        return Flaw(
            Verdict.UNSUPPORTED,
            f"Unknown scheme {scheme.name}: Dovecot has it since {version_text(scheme.since)}"
            + (f"; {scheme.aliases[0]} is the same" if scheme.aliases else ""),
            1,
        )
    if scheme.gone and dovecot >= scheme.gone:
        return Flaw(
            Verdict.UNSUPPORTED,
            f"Unknown scheme {scheme.name}: Dovecot {version_text(scheme.gone)} took it out",
            1,
        )
    return None


def refused_as_weak(scheme: Scheme, payload: bytes) -> Flaw | None:
    """What 2.4 refuses unless auth_allow_weak_schemes=yes: by name, and DES or $1$ inside CRYPT.

    Source: password_verify() and crypt_verify() in Dovecot 2.4.1 src/lib-auth.
    """
    weak = scheme.name if scheme.weak else ""
    blowfish = len(payload) > 4 and payload[:2] == b"$2" and payload[3:4] == b"$"
    if not weak and scheme.library == "libcrypt" and len(payload) > 1 and not blowfish:
        if payload[:1] != b"$":
            weak = "DES-CRYPT"
        elif payload[1:2] == b"1":
            weak = "MD5-CRYPT"
    if not weak:
        return None
    return Flaw(
        Verdict.WEAK,
        f"Weak password scheme '{weak}' used and refused: Dovecot 2.4 takes it only with"
        " auth_allow_weak_schemes=yes",
    )
