"""What a string can be that names no scheme: by its form alone.

Hex digits, base64 and the 13 characters of DES are hashes of several programs at once, and passwords that
somebody made at random look the same.  So a form gives readings, the likeliest first, and never one answer.

Lengths: Dovecot 2.3.19.1 and 2.4.1 src/auth/password-scheme.c and src/lib-auth/password-scheme.c; crypt(5).
"""

import re

from mailauth.expressions import expression
from mailauth.hashes.encoding import BASE64, CRYPT64, base64_decode
from mailauth.hashes.foreign_found import Found, no, yes
from mailauth.records import dataclass


@dataclass(frozen=True, slots=True)
class Reading:
    """One thing that a string may be.  ``prefix``: what makes it Dovecot's; None: Dovecot has none such."""

    what: str
    prefix: bytes | None
    origin: str = ""  # the name that says so: mailauth hash convert --from, mailauth migrate --origin

    @property
    def scheme(self) -> str:
        """As it stands between braces; "" where Dovecot has none."""
        return "" if self.prefix is None else self.prefix[1:].partition(b"}")[0].decode()

    def made(self, text: bytes) -> Found:
        """Dovecot's form."""
        if self.prefix is None:
            return no(self.what, "Dovecot has no such scheme")
        return yes(self.what, self.prefix + (text.lower() if is_hex(text) else text))


_HEX: dict[int, tuple[Reading, ...]] = {
    16: (Reading("MySQL's OLD_PASSWORD()", None), Reading("half of an LM hash", None)),
    32: (
        Reading("MD5", b"{PLAIN-MD5}", "md5"),
        Reading("NT", b"{CRYPT}$3$$", "nt"),
        Reading("LM", None),
        Reading("MD4", b"{PLAIN-MD4}", "md4"),
        Reading("DIGEST-MD5", b"{DIGEST-MD5}", "digest-md5"),
    ),
    40: (Reading("SHA-1", b"{SHA1}", "sha1"),),
    56: (Reading("SHA-224", None),),
    64: (Reading("SHA-256", b"{SHA256}", "sha256"), Reading("CRAM-MD5", b"{CRAM-MD5}", "courier")),
    70: (Reading("hMailServer's salt and SHA-256", None),),
    96: (Reading("SHA-384", None),),
    128: (Reading("SHA-512", b"{SHA512}", "sha512"),),
}
_DIGESTS = (
    (16, "MD5", b"{LDAP-MD5}", b"{SMD5}"),
    (20, "SHA-1", b"{SHA1}", b"{SSHA}"),
    (28, "SHA-224", None, None),
    (32, "SHA-256", b"{SHA256}", b"{SSHA256}"),
    (48, "SHA-384", None, None),
    (64, "SHA-512", b"{SHA512}", b"{SSHA512}"),
)
_SALTS = (8, 4, 16, 12, 20, 32)  # bytes, the usual ones first
_LEAST_B64 = 22  # characters: 16 bytes without padding
_LEAST_HEX, SURE_HEX = 16, 24  # digits: from here on with a letter, from here on without
_CUT_HEX = 20  # digits of a digest that was cut off, at least


def is_hex(text: bytes) -> bool:
    return re.fullmatch(rb"[0-9A-Fa-f]+", text) is not None


def hexed(text: bytes) -> bool:
    """Hex digits that no password is thought of with, and that chance does not write in base64."""
    if len(text) < _LEAST_HEX or not is_hex(text):
        return False
    return len(text) >= SURE_HEX or not text.isdigit()


def readings(text: bytes) -> tuple[Reading, ...]:
    """All that a string may be that names no scheme, the likeliest first; () where its form says nothing."""
    if hexed(text):
        return _HEX.get(len(text), ()) + _salted(len(text) / 2, ".HEX")
    if is_des(text):
        return (Reading("DES crypt", b"{DES-CRYPT}", "des"),)
    if raw := in_base64(text):
        return _of_bytes(len(raw))
    return ()


def likely(text: bytes) -> tuple[Reading, ...]:
    """The same without what is far-fetched: a salt, where an unsalted digest has just this length."""
    found = readings(text)
    return tuple(one for one in found if not one.what.startswith("salted")) or found


def _of_bytes(size: int) -> tuple[Reading, ...]:
    plain = tuple(Reading(what, prefix) for length, what, prefix, _ in _DIGESTS if size == length)
    return plain + _salted(size, "")


def _salted(size: float, encoding: str) -> tuple[Reading, ...]:
    return tuple(
        Reading(f"salted {what}", salted[:-1] + encoding.encode() + b"}")
        for salt in _SALTS
        for length, what, _, salted in _DIGESTS
        if salted and size == length + salt
    )


def in_base64(text: bytes) -> bytes | None:
    """What a string of base64 holds that is a digest by its look: capitals, small letters, no loose bits."""
    bare = text.rstrip(b"=")
    if len(bare) < _LEAST_B64 or len(bare) % 4 == 1 or bare.translate(None, BASE64):
        return None
    if bare.isdigit() or bare.upper() == bare or bare.lower() == bare:
        return None
    padding = b"=" * (-len(bare) % 4)
    if text not in (bare, bare + padding):
        return None
    ends = {0: BASE64, 2: b"AQgw", 3: b"AEIMQUYcgkosw048"}[len(bare) % 4]
    return base64_decode(bare + padding) if bare[-1] in ends else None


def is_des(text: bytes) -> bool:
    """13 characters of crypt(3)'s alphabet, of which the last holds 4 bits: DES, or a password."""
    return len(text) == 13 and not text.translate(None, CRYPT64) and not CRYPT64.index(text[-1:]) & 3


def undecided(text: bytes) -> str:
    """What a string may be by its form, where that is no certainty: "MD5, NT, LM"; "" for all else.

    Also a form that one scheme alone has is left open: the same digits may be a password made at random.
    """
    if may_be_salted(text):
        return "a digest with its salt before or after the password"
    if len(text) == 13 and not text.translate(None, CRYPT64):
        return "DES crypt or a password"
    found = likely(text)
    if found and not text.startswith(b"$"):
        return ", ".join(one.what for one in found) + " or a password"
    return ""


def may_be_salted(text: bytes) -> bool:
    """``hex:salt``, ``salt:hex`` or a salt and hex digits in one: nothing says where the password was put."""
    if text[:1] in (b"$", b"{", b"*") or _MARKED.match(text) or hexed(text):
        return False
    return _SALT_BESIDE.fullmatch(text) is not None or _reversed_hex(text)


def cut_hex(text: bytes) -> int:
    """The digits of the shortest digest that this may be the beginning of; 0 where it is whole, or no hex."""
    if len(text) < _CUT_HEX or not hexed(text) or readings(text):
        return 0
    return next((length for length in _HEX if length > len(text)), 0)


def cut_base64(text: bytes) -> int:
    """The characters of the shortest digest that this may be the beginning of; 0 where it is whole, or none.

    So long a text of capitals, small letters and digits is nobody's password.
    """
    if len(text) < _LONG or text.translate(None, BASE64) or not _MIXED.match(text):
        return 0
    forms = likely(text)
    if any(one.prefix for one in forms):
        return 0
    return next((length for length in _B64 if length > len(text)), 0)


def like_a_digest(text: bytes) -> bool:
    """Whether a text has the form of a digest, whole or cut off, and not of a password that is typed."""
    forms = likely(text)
    whole = bool(forms) and len(text) >= _B64[0] and not forms[0].what.startswith("salted")
    return hexed(text) or whole or cut_base64(text) > 0


_B64 = (28, 44, 88)  # characters of SHA-1, SHA-256 and SHA-512
_MIXED = expression(rb"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])")
_SALT_BESIDE = expression(rb"[0-9A-Fa-f]{32,128}[:$|].{1,128}|.{1,128}[:$|][0-9A-Fa-f]{32,128}", re.DOTALL)
_MARKED = expression(
    rb"""\$[A-Za-z0-9_,.=@-]{0,32}\$ | \{[A-Za-z0-9.@_-]{2,40}(?:\}.{6}|\Z) | \{\s*" | _[./0-9A-Za-z]{19}\Z
        | [0-9]\|\$ | [\\$]{2} | (?:sha1|md[45])[ ][0-9]+[ ].{16} | [\w+/]{14,}={1,2}\Z
        | (?:pbkdf2|scrypt|bcrypt|argon2|sha[0-9]*|md[45]|hmac|ssha[0-9]*|smd5|crypt|des|nt|ntlm|unsalted)
          [\w.-]*[:$|\}\])]
        | (?-i:grub\.|SCRAM-|AQAAAA) | base64:
        | (?:enc|aes[0-9-]*|vault:v[0-9]+|\$ansible_vault)[;:(\[]
        | =(?:19)?=?[0-9]+,t= | [0-9]{3,10},[^,]+,[A-Za-z0-9+/]{20}
        | (?:[\w+/]{4}){2,}[\w+/]{2}(?:==|[\w+/]=)\Z | obf: | \\0[0-7]{2}
        | otp-(?:md[45]|sha1)[ ] | -----BEGIN[ ]""",
    re.VERBOSE | re.IGNORECASE,
)
_WRITTEN_OVER = expression(rb"(?i)%24|&#0*36;|&#x0*24;|&dollar;|\\\$|\\u0024|\\x24|=24.{1,40}=24")
_CONTROL = expression(rb"[\x00-\x1f\x7f]")  # nobody types one: what a line end belongs to was damaged
_AROUND = b" \t\r\n\v\f\0\"'`"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_RAW = (16, 20, 24, 28, 32, 48, 64)  # bytes of digests, and of what is encrypted in blocks
_LONG = 40  # characters of base64: nobody's password, whatever it holds
_FOLDED = expression(rb"[A-Za-z0-9+/._-]{40,}={0,2}")


_OF_64 = (16, 22, 27, 32, 38)  # characters: 12 bytes (Cisco's PIX and ASA), 16, 20, 24, 28
_ALPHABET = expression(rb"[A-Za-z0-9+/._-]+")  # of base64, of URLs, of crypt(3)
_PIECE = expression(rb"[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[+/.]+")  # - and _ stand between words
_A_PIECE = 4  # characters, on the average: a word's at least


def may_be_hash(text: bytes) -> bool:
    """Whether a string may be a hash of any software, whole or damaged: then it is no plaintext for certain.

    What is left is a password, or nothing that anyone can tell from one.
    """
    bare = text.removeprefix(_BYTE_ORDER_MARK).strip(_AROUND).lstrip(b"[(<!*:")
    if _MYSQL.match(text) or _CONTROL.search(text.rstrip(b"\0")):
        return True
    if not bare.isascii() and not _is_text(bare):
        return True
    if _grouped_hex(bare) or (len(bare) == _LEAST_HEX and bare.isdigit()):
        return True
    if _MARKED.match(bare) or _SALT_BESIDE.fullmatch(bare) or _WRITTEN_OVER.search(bare):
        return True
    counted = re.match(rb"([0-9]{1,3})-", bare)  # {PLAIN-TRUNC}: a number of characters, and as many
    if counted and int(counted[1]) == len(bare) - counted.end():
        return True
    if hexed(bare) or hexed(bare.removeprefix(b"\\x").removeprefix(b"0x")) or is_des(bare):
        return True
    if _FOLDED.fullmatch(bare) and bare.lower() != bare != bare.upper():
        return True
    if re.match(rb"\$\d|\$(?:argon|2[abxy])", bare) or re.search(rb"\$[./0-9A-Za-z+=]{22,}\Z", bare):
        return True
    return (
        bool(readings(bare)) or _reversed_hex(bare) or is_bigcrypt(bare) or _has_digest(text.strip(_AROUND))
    )


def at_random(text: bytes) -> bool:
    """As long as a digest in 64 characters, and in pieces as chance makes them and no words are.

    A piece is a word in one case (a capital may begin it), or a number.  Of 1,500 random strings of 16
    characters 8 have so few pieces as a password of words has (docs/decisions/405).
    """
    if len(text) not in _OF_64 or _ALPHABET.fullmatch(text) is None or text in (text.lower(), text.upper()):
        return False
    return _A_PIECE * len(_PIECE.findall(text)) > len(text)


LEAST = 13
"""Characters of the shortest hash that mail software stores (docs/decisions/405)."""
_PIECES = expression(rb"[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[^-_ ]", re.DOTALL)


def by_chance(text: bytes) -> bool:
    """The same of any length and alphabet: it says something of many strings together, nothing of one."""
    return len(text) >= LEAST and _A_PIECE * len(_PIECES.findall(text)) > len(text)


def is_bigcrypt(text: bytes) -> bool:
    """Of crypt16 or bigcrypt: a salt, and blocks of DES, of which the last character has 4 bits each."""
    if len(text) < 24 or len(text) % 11 != 2 or text.translate(None, CRYPT64):
        return False
    return all(not CRYPT64.index(text[at : at + 1]) & 3 for at in range(12, len(text), 11))


def _has_digest(text: bytes) -> bool:
    """A digest beside something else: iterations, a salt, a name, brackets; whatever stands between them."""
    if _DOMINO.fullmatch(text):
        return True
    parts = [part for part in _BETWEEN.split(text) if part != text]
    return any(_HEX_DIGEST.fullmatch(part) or _BASE64_DIGEST.fullmatch(part) for part in parts)


def _reversed_hex(text: bytes) -> bool:
    """A few characters of salt, and a digest in hex, with nothing between them."""
    return re.fullmatch(rb".{1,32}?(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})", text, re.DOTALL) is not None


def _grouped_hex(text: bytes) -> bool:
    """Hex digits as fingerprints and UUIDs are written: in groups, with one sign between them."""
    parts = re.split(rb"[: .-]", text)
    signs = set(text.translate(None, b"0123456789ABCDEFabcdef"))
    even = all(part and not len(part) % 2 for part in parts)
    return len(parts) > 1 and len(signs) == 1 and even and hexed(b"".join(parts))


def _is_text(text: bytes) -> bool:
    """UTF-8, or a text of one byte a character: no control characters, and not as long as a raw digest."""
    try:
        return text.decode().isprintable()
    except UnicodeDecodeError:
        foreign = sum(byte >= 128 for byte in text)
        if len(text) in _RAW or (len(text) > _RAW[0] and 4 * foreign > len(text)):
            return False
        return not any(byte < 32 or 127 <= byte < 160 for byte in text)


_LOCKED = expression(
    rb"""[*!]{1,4} | \*?LK\*? | \*LK\*.* | \*?NP\*? | x | \*[01]
       | [*!]{1,2}(?:\{[A-Za-z0-9.-]{2,20}\})?\$\S{10,} | [*!]{1,2}\{[A-Za-z0-9.-]{2,20}\}\S*
       | [*!]{1,2}(?:LOCKED|DISABLED|locked|disabled)[*!]{0,2} | !!\S{13,}""",
    re.VERBOSE,
)
_BETWEEN = expression(rb"[^A-Za-z0-9+/=]+")
_HEX_DIGEST = expression(rb"(?=.*[0-9])(?:[0-9a-f]{32,}|[0-9A-F]{32,})")
_BASE64_DIGEST = expression(rb"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9+/]{22,}={0,2}")
_DOMINO = expression(rb"\([GH][A-Za-z0-9+/]{19,}\)")  # Lotus Domino's salted forms
_MYSQL = expression(rb"\*[0-9A-Fa-f]{40}")


def locked(text: bytes) -> bool:
    """What shadow(5), passwd(1) and panels write so that no password matches: "!", "*", "!$6$...", "*LK*"."""
    return _LOCKED.fullmatch(text) is not None and _MYSQL.fullmatch(text) is None
