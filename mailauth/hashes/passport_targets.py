"""Other software, and which of Dovecot's kinds of hash it verifies: a row each, by its own source or manual.

OpenLDAP 2.5.13 libraries/liblutil/passwd.c, contrib pw-sha2 and pw-pbkdf2; 389 Directory Server
ldap/servers/plugins/pwdstorage, src/plugins/pwdchan; Keycloak 26 Argon2PasswordHashProvider and
Pbkdf2PasswordHashProvider; zitadel/passwap of July 2026; Kanidm f72676f7 libs/crypto; Stalwart 0.16
crates/directory/src/core/secret.rs; Django 5.2 contrib/auth/hashers.py; PHP 8.2 ext/standard/crypt.c;
apr-util crypto/apr_passwd.c; Cyrus SASL 2.1.28 plugins/scram.c; RFC 5803.
"""

from collections.abc import Mapping
from dataclasses import field

from mailauth.errors import UsageError
from mailauth.hashes import passport_forms as form
from mailauth.hashes.passport_forms import Writer
from mailauth.records import dataclass

Forms = Mapping[str, Writer | tuple[Writer, str]]


@dataclass(frozen=True, slots=True)
class Destination:
    """``forms``: by the kind of content, how it is written there, with a note that this kind needs.

    ``anew``: the scheme, of whose kind ``forms`` has one, that a known password is hashed by.
    ``note``: what is to be known of all strings there.
    """

    about: str
    forms: Forms
    anew: str
    note: str = ""
    why: Mapping[str, str] = field(default_factory=dict)  # not taken, where more is to be said


_ALL_OF_CRYPT = (
    *(
        "bcrypt",
        "bcrypt-2x",
        "sha512crypt",
        "sha256crypt",
        "yescrypt",
        "gost-yescrypt",
        "sm3",
        "sm3-yescrypt",
    ),
    *("scrypt", "sha1crypt", "sunmd5", "md5crypt", "nt", "bsdi", "des"),
)


def _crypt(prefix: bytes = b"") -> dict[str, Writer | tuple[Writer, str]]:
    """What the system's crypt(3) verifies, by libxcrypt."""
    needs = "needs a crypt(3) that has it, as Linux's libxcrypt"
    return {kind: (form.as_is(prefix), needs) for kind in _ALL_OF_CRYPT}


def _ldap(*names: str, note: str = "") -> dict[str, tuple[Writer, str]]:
    kinds = {"MD5": "md5", "SHA": "sha1"}
    return {kinds.get(name, name.lower()): (form.digest(f"{{{name}}}".encode()), note) for name in names}


_BEFORE = "Django puts the salt before the password, Dovecot's follows it"
_DJANGO: Forms = {
    "pbkdf2": form.django_pbkdf2,
    "argon2id": (form.as_is(b"argon2"), "needs argon2-cffi beside Django"),
    "argon2i": (form.as_is(b"argon2"), "needs argon2-cffi beside Django"),
}
_SHA2 = ("SHA512", "SHA256", "SSHA512", "SSHA256")

TARGETS: dict[str, Destination] = {
    "389ds": Destination(
        "389 Directory Server (userPassword)",
        {
            **_crypt(b"{CRYPT}"),
            **_ldap("MD5", "SHA", "SMD5", "SSHA", *_SHA2),
            "pbkdf2": (form.padded_pbkdf2(b"{PBKDF2-SHA1}"), "needs the plugin pwdchan, of 1.4.4 and newer"),
        },
        "SHA512-CRYPT",
        "it takes hashes from the Directory Manager only, or with nsslapd-allow-hashed-passwords: on",
    ),
    "authentik": Destination(
        "authentik (the column password of authentik_core_user)",
        {kind: writer[0] if isinstance(writer, tuple) else writer for kind, writer in _DJANGO.items()},
        "ARGON2ID",
        why={"bcrypt": "it has Django's own list of hashers, and that has bcrypt of a SHA-256 only"},
    ),
    "cyrus-sasl": Destination(
        "Cyrus SASL (sasldb2, and the SQL and LDAP stores of auxprop)",
        {
            "plain": (form.as_is(), "for userPassword; saslpasswd2 -p reads it from standard input"),
            "scram-sha-256": (
                form.scram(b"SCRAM-SHA-256$"),
                "for authPassword, which serves SCRAM-SHA-256 only",
            ),
            "scram-sha-1": (form.scram(b"SCRAM-SHA-1$"), "for authPassword, which serves SCRAM-SHA-1 only"),
        },
        "PLAIN",
        why=dict.fromkeys(
            _ALL_OF_CRYPT,
            "it compares the password itself; saslauthd has this kind by PAM or shadow: --to shadow",
        ),
    ),
    "django": Destination(
        "Django (the column password of auth_user)",
        {**_DJANGO, "bcrypt": (form.as_is(b"bcrypt$"), "needs BCryptPasswordHasher in PASSWORD_HASHERS")},
        "PBKDF2",
        why=dict.fromkeys(("ssha512", "ssha256", "ssha", "smd5"), _BEFORE),
    ),
    "htpasswd": Destination(
        "Apache's htpasswd files",
        {**_crypt(), "bcrypt": form.bcrypt(), "sha1": form.digest(b"{SHA}")},
        "BLF-CRYPT",
    ),
    "kanidm": Destination(
        "Kanidm (password_import)",
        {
            "argon2id": form.phc_argon2(b"{ARGON2}"),
            "pbkdf2": form.padded_pbkdf2(b"{PBKDF2-SHA1}"),
            **_ldap("SHA", "SSHA", *_SHA2),
            "sha512crypt": (
                form.usual_salt(b"{crypt}"),
                "Kanidm f72676f7 reads it back from its database as $5$, which never matches: try one first",
            ),
            "sha256crypt": form.usual_salt(b"{crypt}"),
            "md5crypt": form.usual_salt(b"{crypt}"),
            "nt": (form.nt(b"sambaNTPassword: "), "passwords that are not ASCII do not match there"),
        },
        "ARGON2ID",
    ),
    "keycloak": Destination(
        "Keycloak (a credential of a user, as JSON)",
        {
            "argon2id": (form.keycloak_argon2, "needs Keycloak 24 or newer"),
            "argon2i": (form.keycloak_argon2, "needs Keycloak 24 or newer"),
            "pbkdf2": form.keycloak_pbkdf2,
        },
        "ARGON2ID",
    ),
    "openldap": Destination(
        "OpenLDAP (userPassword)",
        {
            **_crypt(b"{CRYPT}"),
            **_ldap("MD5", "SHA", "SMD5", "SSHA"),
            **_ldap(*_SHA2, note="needs the module pw-sha2"),
            "argon2id": (form.as_is(b"{ARGON2}"), "needs the module argon2"),
            "argon2i": (form.as_is(b"{ARGON2}"), "needs the module argon2"),
            "pbkdf2": (form.adapted_pbkdf2(b"{PBKDF2}", salt=16), "needs the module pw-pbkdf2"),
        },
        "ARGON2ID",
    ),
    "php": Destination(
        "PHP's password_verify()",
        {
            "bcrypt": form.bcrypt(),
            "argon2id": (form.as_is(), "needs a PHP with Argon2"),
            "argon2i": (form.as_is(), "needs a PHP with Argon2"),
            **dict.fromkeys(("sha512crypt", "sha256crypt", "md5crypt", "bsdi", "des"), form.usual_salt()),
        },
        "BLF-CRYPT",
    ),
    "postgresql": Destination(
        "PostgreSQL (ALTER ROLE ... PASSWORD)",
        {"scram-sha-256": form.scram(b"SCRAM-SHA-256$")},
        "SCRAM-SHA-256",
        "clients change passwords that are not ASCII by SASLprep first, Dovecot does not",
    ),
    "shadow": Destination("shadow(5), for PAM and saslauthd", _crypt(), "SHA512-CRYPT"),
    "stalwart": Destination(
        "Stalwart (the secret of an account)",
        {
            "argon2id": form.phc_argon2(),
            "argon2i": form.phc_argon2(),
            "bcrypt": form.bcrypt(),
            **dict.fromkeys(
                ("sha512crypt", "sha256crypt", "md5crypt", "sha1crypt", "bsdi"), form.usual_salt()
            ),
            "des": form.usual_salt(b"{CRYPT}"),
            **_ldap("MD5", "SHA", "SSHA", *_SHA2),
        },
        "ARGON2ID",
        why={"pbkdf2": "its PBKDF2 is of SHA-256 and SHA-512, Dovecot's of SHA-1"},
    ),
    "zitadel": Destination(
        "ZITADEL (hashedPassword)",
        {
            "argon2id": form.zitadel_argon2,
            "argon2i": form.zitadel_argon2,
            "bcrypt": form.bcrypt(),
            "pbkdf2": form.adapted_pbkdf2(b"$pbkdf2$", 1000, 10_000_000),
            **dict.fromkeys(("sha512crypt", "sha256crypt", "md5crypt"), form.usual_salt()),
            "smd5": form.zitadel_salted_md5,
            "md5": form.hexed(),
        },
        "BLF-CRYPT",
        "SystemDefaults.PasswordHasher.Verifiers must have this kind",
    ),
}


def destination(name: str) -> Destination:
    """Raises UsageError with all names for one that there is not."""
    found = TARGETS.get(name.lower())
    if found is None:
        raise UsageError(f"There is no target {name!r}; there are {', '.join(TARGETS)}.")
    return found
