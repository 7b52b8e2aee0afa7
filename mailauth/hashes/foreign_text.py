"""Hashes of other software that Dovecot takes once they have the right name, or order, or none does."""

import base64
import binascii
import re

from mailauth.expressions import expression
from mailauth.hashes.foreign_found import Found, no, none, yes

_ARGON2 = expression(
    rb"\$argon2(id|i|d)\$(?:v=(\d+)\$)?([a-z0-9=,A-Z+/]+)\$([A-Za-z0-9+/]+=*)\$([A-Za-z0-9+/]+=*)"
)


def argon2(text: bytes) -> Found | None:
    """Any PHC string of Argon2, with whatever stands before it: Django, Nextcloud, Spring, OpenLDAP."""
    head = re.match(
        rb"(?:(argon2)(?=\$)|(?:2|3)\||\{(?:argon2(?:@SpringSecurity_v5_\d)?|ARGON2(?:I|ID)?)\})?(?=\$argon2)",
        text,
        re.IGNORECASE,
    )
    if not head:
        return None
    found = _ARGON2.fullmatch(text, head.end())
    if not found:
        return no("Argon2", "not a whole Argon2 string: cut off, or something follows it")
    kind, version, fields, salt, tag = found.groups()
    source = "Argon2" + (f" ({head[0].decode()})" if head[0] else "")
    if kind == b"d":
        return no(source, "argon2d: libsodium has only argon2i and argon2id")
    if version != b"19":
        return no(source, "Argon2 version 1.0 (v=16): libsodium takes only v=19")
    values = dict(part.partition(b"=")[::2] for part in fields.split(b","))
    if set(values) != {b"m", b"t", b"p"}:
        extra = b", ".join(sorted(set(values) - {b"m", b"t", b"p"})).decode() or "a parameter missing"
        return no(source, f"libsodium takes m, t and p and nothing else ({extra})")
    order = b"m=%b,t=%b,p=%b" % (values[b"m"], values[b"t"], values[b"p"])
    made = b"{ARGON2%b}$argon2%b$v=19$%b$%b$%b" % (
        kind.upper(),
        kind,
        order,
        salt.rstrip(b"="),
        tag.rstrip(b"="),
    )
    return yes(source, made, "" if order == fields else "parameters put in libsodium's order m, t, p")


_HASHED_FIRST = (
    (b"bcrypt_sha256$", "Django bcrypt_sha256", "bcrypt of the SHA-256 of the password"),
    (b"$bcrypt-sha256$", "passlib bcrypt_sha256", "bcrypt of an HMAC of the password"),
    (b"$wp$", "WordPress 6.8", "bcrypt of an HMAC of the password"),
)


def bcrypt(text: bytes) -> Found | None:
    for prefix, source, what in _HASHED_FIRST:
        if text.startswith(prefix):
            return no(source, f"{what}: Dovecot gives bcrypt the password itself")
    found = re.fullmatch(
        rb"(bcrypt\$|1\||\{bcrypt\}|\{BF-?CRYPT\}|\{BLOWFISH\})?(\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53})",
        text,
        re.IGNORECASE,
    )
    if not found:
        return None
    sources = {
        None: "bcrypt",
        b"bcrypt$": "Django bcrypt",
        b"1|": "Nextcloud",
        b"{bcrypt}": "Spring Security bcrypt",
    }
    return yes(
        sources.get(found[1], "bcrypt"),
        b"{BLF-CRYPT}" + found[2],
        "as is, if no pepper was added to the password",
    )


_CRYPT = (
    (rb"\$1\$[^$:]{0,8}\$[./0-9A-Za-z]{22}", "md5crypt", b"{MD5-CRYPT}", "weak: Dovecot 2.4 refuses it"),
    (rb"\$5\$.{0,60}\$[./0-9A-Za-z]{43}", "sha256crypt", b"{CRYPT}", ""),
    (rb"\$6\$.{0,60}\$[./0-9A-Za-z]{86}", "sha512crypt", b"{CRYPT}", ""),
    (rb"\$(?:y|gy)\$.+\$[./0-9A-Za-z]{43}", "yescrypt", b"{CRYPT}", "needs libxcrypt"),
    (rb"\$7\$.+\$[./0-9A-Za-z]{43}", "scrypt of crypt(3)", b"{CRYPT}", "needs libxcrypt"),
    (rb"\$sha1\$\d+\$.+\$[./0-9A-Za-z]{28}", "sha1crypt of NetBSD", b"{CRYPT}", "needs libxcrypt"),
    (rb"\$md5[,$].+\$[./0-9A-Za-z]{22}", "md5crypt of Sun", b"{CRYPT}", "needs libxcrypt"),
    (rb"\$3\$\$[0-9a-f]{32}", "NT hash of crypt(3)", b"{CRYPT}", "needs libxcrypt; unsalted MD4"),
    (rb"_[./0-9A-Za-z]{19}", "DES of BSDi", b"{CRYPT}", "needs libxcrypt; Dovecot 2.4 refuses it as weak"),
    (rb"[./0-9A-Za-z]{13}", "DES crypt", b"{DES-CRYPT}", "weak: Dovecot 2.4 refuses it"),
)


def crypt(text: bytes) -> Found | None:
    for pattern, source, prefix, reason in _CRYPT:
        if re.fullmatch(pattern, text):
            return yes(source, prefix + text, reason)
    return None


_HEX = {
    32: ((b"{CRYPT}$3$$", "NT hash", "weak, and of ASCII passwords only; if it is an MD5: --from md5"),
         (b"{PLAIN-MD5}", "unsalted MD5", "weak: Dovecot 2.4 refuses it")),
    40: ((b"{SHA.HEX}", "unsalted SHA-1", ""),),
    64: ((b"{SHA256.HEX}", "unsalted SHA-256", "if it is Courier's hmac-md5, say so (--from courier)"),
         (b"{CRAM-MD5}", "userdbpw -hmac-md5 of Courier", "")),
    96: ((None, "unsalted SHA-384", "Dovecot has no SHA-384"),),
    128: ((b"{SHA512.HEX}", "unsalted SHA-512", ""),),
}  # fmt: skip


def bare_hex(text: bytes) -> tuple[Found, ...]:
    """Every reading of hex digits alone, the likeliest first; nothing in them says which."""
    if not re.fullmatch(rb"(?:[0-9A-Fa-f]{2})+", text) or len(text) not in _HEX:
        return ()
    return tuple(
        yes(source, prefix + text.lower(), reason) if prefix else no(source, reason)
        for prefix, source, reason in _HEX[len(text)]
    )


_SALTED = {
    32: (b"SMD5", "MD5"),
    40: (b"SSHA", "SHA-1"),
    64: (b"SSHA256", "SHA-256"),
    128: (b"SSHA512", "SHA-512"),
}


def salted_hex(text: bytes) -> Found | None:
    """``hex:salt`` (Joomla 1.5) where the salt followed the password in the digest."""
    found = re.fullmatch(rb"([0-9A-Fa-f]{32,128}):([^:]{1,128})", text)
    if found and len(found[1]) in _SALTED:
        name, digest = _SALTED[len(found[1])]
        made = base64.b64encode(binascii.unhexlify(found[1]) + found[2])
        return yes(
            f"{digest}(password, salt):salt", b"{%b}%b" % (name, made), "if the salt came after the password"
        )
    found = re.fullmatch(rb"[^\s${}:|*]{1,32}?[0-9a-f]{64}", text)
    if found and len(text) > 64 and len(text) not in (96, 128):
        return no(
            "SHA-256(salt, password) as of hMailServer",
            "Dovecot puts the salt after the password, never before",
        )
    return None


def django_digest(text: bytes) -> Found | None:
    found = re.fullmatch(rb"(?:unsalted_)?(md5|sha1)\$([^$]*)\$([0-9a-f]{32}|[0-9a-f]{40})", text)
    if not found:
        return None
    if found[2]:
        return no(f"Django {found[1].decode()}", "the salt came before the password; Dovecot's follows it")
    name = b"PLAIN-MD5" if found[1] == b"md5" else b"SHA.HEX"
    return yes(f"Django unsalted {found[1].decode()}", b"{%b}%b" % (name, found[3]))


_HOPELESS = (
    (rb"\$[PH]\$.{31}", "phpass", "iterated MD5: Dovecot has none"),
    (rb"\$S\$.{52}", "Drupal 7", "iterated SHA-512: Dovecot has none"),
    (rb"\$apr1\$.*", "htpasswd -m (apr1)", "Apache's own MD5-crypt: neither Dovecot nor crypt(3) has it"),
    (rb"\*[0-9A-Fa-f]{40}", "MySQL PASSWORD()", "SHA-1 of the raw SHA-1: Dovecot has none"),
    (rb"grub\.pbkdf2\.sha512\..*", "GRUB", "PBKDF2 with SHA-512: Dovecot has it only with SHA-1 and SHA-256"),
    (rb"\{S?SHA-?384\}.*", "OpenLDAP pw-sha2", "Dovecot has no SHA-384"),
    (rb"\{scrypt(?:@.*)?\}.*", "Spring Security scrypt", "its salt is raw bytes, crypt(3)'s $7$ takes text"),
    (rb"\{sha256\}[0-9a-f]{80}", "Spring's StandardPasswordEncoder", "iterated SHA-256: Dovecot has none"),
    (rb"\{SASL\}.*", "OpenLDAP {SASL}", "it names an account elsewhere and holds no password"),
)  # fmt: skip


def hopeless(text: bytes) -> Found | None:
    for pattern, source, reason in _HOPELESS:
        if re.fullmatch(pattern, text, re.DOTALL):
            return no(source, reason)
    return none("a locked account", "no password matches it") if text[:1] in (b"!", b"*") else None


_NT_NOTE = "needs libxcrypt; unsalted MD4; passwords that are not ASCII do not match"


def named_nt(text: bytes) -> Found | None:
    """As Samba's and FreeIPA's directories export them, and as Kanidm takes them: attribute and value."""
    found = re.fullmatch(
        rb"(?:sambaNTPassword: ([0-9A-Fa-f]{32})|ipaNTHash: ([A-Za-z0-9+/_-]{22}(?:==)?))", text
    )
    if not found:
        return None
    digits = (
        found[1]
        or base64.urlsafe_b64decode(found[2].translate(bytes.maketrans(b"+/", b"-_")).rstrip(b"=") + b"==")
        .hex()
        .encode()
    )
    return yes("NT hash of a directory", b"{CRYPT}$3$$" + digits.lower(), _NT_NOTE)


def salted_md5(text: bytes) -> Found | None:
    """ZITADEL's passwap: the salt is text."""
    found = re.fullmatch(rb"\$md5salted-(suffix|prefix)\$([^$ ]+)\$([A-Za-z0-9+/]{22}==)", text)
    if not found:
        return None
    if found[1] == b"prefix":
        return no("ZITADEL md5salted", "the salt came before the password; Dovecot's follows it")
    return yes("ZITADEL md5salted", b"{SMD5}" + base64.b64encode(base64.b64decode(found[3]) + found[2]))


def postgresql_md5(text: bytes, role: str) -> Found | None:
    """``md5`` and MD5 of password and role, which Dovecot has as a salted MD5 with the role as its salt.

    Source: pg_md5_encrypt() in PostgreSQL 15 src/common/md5_common.c.
    """
    found = re.fullmatch(rb"md5([0-9a-f]{32})", text)
    if not found:
        return None
    if not role:
        return no("PostgreSQL md5", "the role's name is hashed with the password: say it with --user")
    raw = binascii.unhexlify(found[1]) + role.encode(errors="surrogateescape")
    return yes("PostgreSQL md5", b"{SMD5}" + base64.b64encode(raw), "if the user is the role's name")


_RENAMED = (
    (b"{MD5RAW}", "Courier {MD5RAW}", b"{PLAIN-MD5}"),
    (b"{noop}", "Spring Security noop", b"{PLAIN}"),
    (b"{ldap}", "Spring Security ldap", b""),
    (b"{SHA-1}", "SHA-1", b"{SHA1}"),
    (b"{X-DES}", "DES", b"{DES-CRYPT}"),
    (b"{sha512-crypt}", "sha512crypt", b"{SHA512-CRYPT}"),
)


def renamed(text: bytes) -> Found | None:
    for old, source, new in _RENAMED:
        if text.startswith(old):
            return yes(source, new + text[len(old) :])
    return None


READERS = (django_digest, argon2, bcrypt, crypt, salted_hex, salted_md5, named_nt, renamed, hopeless)
