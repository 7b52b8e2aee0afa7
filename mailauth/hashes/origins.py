"""Software, and what its bare strings are: what a form leaves open, whoever knows the origin can say.

Each row is from the software's own source or manual.  A name stands for the forms that it writes itself, so
that one store may hold several.  Where Dovecot has no such hash, that is said, and the string is left.
"""

from dataclasses import field

from mailauth.errors import UsageError
from mailauth.expressions import expression
from mailauth.hashes.bare import is_des, is_hex, may_be_hash
from mailauth.hashes.encoding import base64_encode, hex_decode
from mailauth.hashes.foreign_found import Found, no, yes
from mailauth.records import dataclass

PLAIN = "plain"
"""The origin that says: what is no hash for certain is a password."""


@dataclass(frozen=True, slots=True)
class Origin:
    """``hexes``: by the number of hex digits, what stands before them; "" where Dovecot has no such hash.

    ``des``: 13 characters are DES.  ``salted``: what ``hex:salt`` is, "" for nothing of Dovecot's.
    ``plain``: what is none of these is a password.
    """

    about: str
    hexes: dict[int, bytes] = field(default_factory=dict)
    des: bool = False
    salted: str = ""
    plain: bool = False


_MD5, _NT, _SHA1 = b"{PLAIN-MD5}", b"{CRYPT}$3$$", b"{SHA1}"
_SHA256, _SHA512, _CRAM = b"{SHA256.HEX}", b"{SHA512.HEX}", b"{CRAM-MD5}"
_FIRST = "the salt comes before the password; Dovecot's follows it"

ORIGINS: dict[str, Origin] = {
    "nt": Origin("NT hashes", {32: _NT}),
    "md5": Origin("MD5 in hex", {32: _MD5}),
    "md4": Origin("MD4 in hex", {32: b"{PLAIN-MD4}"}),
    "digest-md5": Origin("MD5 of user:realm:password", {32: b"{DIGEST-MD5}"}),
    "sha1": Origin("SHA-1 in hex", {40: _SHA1}),
    "sha256": Origin("SHA-256 in hex", {64: _SHA256}),
    "sha512": Origin("SHA-512 in hex", {128: _SHA512}),
    "des": Origin("DES of crypt(3)", des=True),
    PLAIN: Origin("passwords as they are", plain=True),
    # userdbpw -hmac-md5 and -md5, authlib's {MD5RAW}
    "courier": Origin("Courier's userdb", {64: _CRAM, 32: _MD5}),
    # the functions MD5(), SHA1(), SHA2(), ENCRYPT(), OLD_PASSWORD()
    "mysql": Origin(
        "MySQL's and MariaDB's functions",
        {16: b"", 32: _MD5, 40: _SHA1, 56: b"", 64: _SHA256, 96: b"", 128: _SHA512},
        des=True,
    ),
    # tep_encrypt_old_password() of osCommerce 2.3: md5(salt . password) . ':' . salt
    "oscommerce": Origin("osCommerce, Zen Cart", salted=_FIRST),
    # JUserHelper of Joomla 1.5: md5(password . salt) . ':' . salt
    "joomla": Origin("Joomla before 3.2", {32: _MD5}, salted="SMD5"),
    # wp_check_password(): 32 hex digits are md5(password)
    "wordpress": Origin("WordPress", {32: _MD5}),
    # vpopmail's mkpasswd3() writes crypt(3)
    "vpopmail": Origin("vpopmail's pw_passwd", des=True),
    # mailUtilities.changeEmailPassword(): outside Red Hat's systems the password as it is
    "cyberpanel": Origin("CyberPanel", plain=True),
    # Crypt.cpp: type 2 is MD5, type 3 a salt of six and SHA-256 of salt and password
    "hmailserver": Origin("hMailServer", {32: _MD5, 70: b""}),
    "samba": Origin("Samba's and Active Directory's NT hashes", {32: _NT}),
    "django": Origin("Django's unsalted MD5", {32: _MD5}),
    # functions_convert: 32 hex digits are md5(password) of phpBB 2
    "phpbb": Origin("phpBB 2", {32: _MD5}),
    "drupal": Origin("Drupal 6", {32: _MD5}),
    "shadow": Origin("shadow(5), ISPConfig, froxlor, cPanel, Hestia", des=True),
}


def named(name: str) -> Origin:
    """Raises UsageError with all names for one that there is not."""
    found = ORIGINS.get(name.lower())
    if found is None:
        raise UsageError(f"There is no origin {name!r}; there are {', '.join(ORIGINS)}.")
    return found


_HEX_AND_SALT = expression(rb"([0-9A-Fa-f]{32}):([^:]{1,128})")


def reading(text: bytes, name: str) -> Found | None:
    """Dovecot's form of a bare string from there, or why there is none; None: not one of its forms."""
    from_there = named(name)
    if is_hex(text) and len(text) in from_there.hexes:
        prefix = from_there.hexes[len(text)]
        return yes(name, prefix + text.lower()) if prefix else no(name, "Dovecot has no such scheme")
    if from_there.des and is_des(text):
        return yes(name, b"{DES-CRYPT}" + text)
    if from_there.salted and (found := _HEX_AND_SALT.fullmatch(text)):
        if from_there.salted != "SMD5":
            return no(name, from_there.salted)
        return yes(name, b"{SMD5}" + base64_encode((hex_decode(found[1]) or b"") + found[2]))
    return None


_FORMED = expression(rb"[A-Za-z0-9+/=._:-]+")


def is_password(text: bytes, name: str) -> bool:
    """Whether the origin says that such a string is a password: never of what bears a hash's own marks."""
    if not named(name).plain or not text:
        return False
    return not may_be_hash(text) or (_FORMED.fullmatch(text) is not None and b"$" not in text)
