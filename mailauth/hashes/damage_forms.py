"""What the forms of hashes tell of a damaged one: which scheme it was, and how it was damaged.

Each function is certain or says nothing.
"""

import re

from mailauth.expressions import expression
from mailauth.hashes import accepts, bcrypt, braces, mend
from mailauth.hashes.bare import may_be_hash
from mailauth.hashes.damaged import Kind
from mailauth.hashes.encoding import BASE64, CRYPT64, base64_decode
from mailauth.hashes.hash import Flaw, Password
from mailauth.hashes.schemes import SCHEMES, Entry, known_as, lookup, of_family

Said = tuple[Kind, str | Flaw, str]
"""Kind, detail or the flaw that has it, and the scheme that it should have; "" where none is meant."""

_ARGON2 = of_family("argon2")
_SCRAM = of_family("scram-sha-1", "scram-sha-256")
_CRYPT = tuple(one.name for one in SCHEMES if one.library == "libcrypt")
_LABELS: tuple[tuple[re.Pattern[bytes], str, tuple[str, ...]], ...] = tuple(
    (expression(pattern, re.DOTALL), scheme, takers)
    for pattern, scheme, takers in (
        (rb"\$argon2(?:id|d)\$", "ARGON2ID", _ARGON2),
        (rb"\$argon2i\$", "ARGON2I", _ARGON2),
        (rb"\$2[a-z]?\$", "BLF-CRYPT", (*known_as("BLF-CRYPT"), *_CRYPT)),
        (rb"\$1\$[^$]*\$[0-9]+\$[0-9a-fA-F]", "PBKDF2", of_family("pbkdf2")),
        (rb"\$1\$", "MD5-CRYPT", (*known_as("MD5-CRYPT"), *known_as("MD5"), *_CRYPT)),
        (rb"\$5\$", "SHA256-CRYPT", _CRYPT),
        (rb"\$6\$", "SHA512-CRYPT", _CRYPT),
        (rb"\$(?:y|gy|7|sha1|md5|3)[$,]", "CRYPT", _CRYPT),
        (rb"[0-9]{4,10},[^,]+,[A-Za-z0-9+/]{27}=,", "SCRAM-SHA-1", of_family("scram-sha-1")),
        (rb"[0-9]{4,10},[^,]+,[A-Za-z0-9+/]{43}=,", "SCRAM-SHA-256", of_family("scram-sha-256")),
    )
)
_TAKERS = {scheme: takers for _, scheme, takers in _LABELS}

_HASHED = expression(
    rb"""[\s"'`]* [\[({<]? (?:[A-Za-z0-9.-]{2,20}[\])}>:])? (?:\{[A-Za-z0-9.-]{2,20})?
        (?:\{[A-Za-z0-9.-]{2,20}\})? [\s"'`]* (?:[$\\]?) (?:
        \$argon2(?:id|i|d)\$ | \$2[a-z]?\$[0-9]{2}\$.{20} | \$[156]\$[^$]{0,40}\$.{10}
        | \$(?:y|gy)\$.{20} | \$argon2(?:id|i|d)\$ | =19=[0-9]+,t=
        | \$\$?(?:argon2|2[abxy]|[156])[^$]*\$.{20}
    )""",
    re.VERBOSE | re.DOTALL,
)
_NAMED = expression(
    rb"[\s\"'`]+\{[A-Za-z0-9.-]{2,20}\}[A-Za-z0-9+/=$.]{20}|\{[A-Za-z0-9.-]{2,20}\}[\s\"'`]*\S{20}"
)

MARKED = expression(
    rb"\{|\$[A-Za-z0-9-]+\$|\*[0-9A-Fa-f]{40}|pbkdf2|scrypt|bcrypt|argon2|[123]\||sha1\$|md5\$|grub\.|SCRAM-"
)
"""What begins so is no base64 and no hex: only then is another software's format certain."""


def label(payload: bytes) -> str:
    """The scheme that a hash's own beginning names; "" where it names none."""
    return next((scheme for pattern, scheme, _ in _LABELS if pattern.match(payload)), "")


def takers(scheme: str) -> tuple[str, ...]:
    """The schemes that verify such a hash."""
    return _TAKERS[scheme]


def looks_hashed(text: bytes) -> bool:
    """So plainly a hash that nobody has it for a password."""
    text = text.removeprefix(mend.BYTE_ORDER_MARK)
    if _HASHED.match(text):
        return True
    found = _NAMED.match(text)
    return bool(found) and lookup(text.strip(b" \t\r\n\"'`")[1:].partition(b"}")[0]) is not None


_NO_WORD = frozenset({b"NULL", b"null", b"None", b"nil", b"(null)", b"undefined"})
_RAW = (16, 20, 24, 28, 32, 36, 40, 48, 64, 72, 80)  # bytes of digests, with a salt and without


def _is_raw(text: bytes) -> bool:
    """Neither UTF-8 nor a text of one byte a character: those have no control characters but a line end."""
    try:
        return not text.decode().strip("\t\r\n").isprintable()
    except UnicodeDecodeError:
        return any(byte < 32 or byte == 127 for byte in text)


_NAMES = tuple(name.encode() for scheme in SCHEMES for name in (scheme.name, *scheme.aliases))
_BRACES = b"[]{}()<>"
_NO_PASSWORD_IN = 4  # braces and nothing else: nobody's password


def leftover(text: bytes) -> Said | None:
    """Cut off in the scheme's name or before its }, as "{" and "{ARGON2"; braces alone; a lone 0 or 1."""
    if text[:1] == b"{" and any(name.startswith(text[1:]) for name in _NAMES):
        return Kind.CUT, f"cut off before the }}: {len(text)} characters of {{SCHEME}}", ""
    if text in (b"0", b"1"):
        return Kind.OTHER, f"a {text.decode()} alone, as a condition gives it: MySQL takes || for OR", ""
    if 1 <= len(text) <= _NO_PASSWORD_IN and not text.strip(_BRACES):
        return Kind.OTHER, "braces and nothing in them: the rest is gone", ""
    return None


def wrapped(text: bytes, password: Password) -> Said | None:
    """The password itself, with quotes or braces around it that are taken for a part of it."""
    for kind, what, around in ((Kind.QUOTES, "quotes", mend.QUOTES), (Kind.BRACES, "braces", _BRACES)):
        if text != password.text and text.strip(around) == password.text:
            return kind, f"{what} around the password count as part of it", "PLAIN"
    whole = braces.repaired(text)
    if whole is not None and whole.partition(b"}")[2].strip(mend.BLANKS) == password.text:
        return Kind.BRACES, "the braces around the scheme are not { and }", "PLAIN"
    return None


def no_password(text: bytes) -> Said | None:
    """What is taken for the password itself, as the default scheme has it, and plainly is none."""
    if text in _NO_WORD:
        return Kind.EMPTY, f"the word {text.decode()} is stored, in place of nothing", ""
    if len(text) in _RAW and _is_raw(text):
        return (
            Kind.OTHER,
            f"{len(text)} raw bytes and no text, as a digest that was not written in base64",
            "",
        )
    return None


def within(scheme: str, payload: bytes, flaw: Flaw | None) -> Said | None:
    """How a hash that has the right name was damaged."""
    if scheme in _ARGON2:
        return argon2(payload)
    if scheme in known_as("BLF-CRYPT"):
        return blowfish(payload)
    if flaw is not None and flaw.cut:
        return Kind.CUT, flaw.reason, ""
    return scram(scheme, payload) if scheme in _SCRAM else None


def scram(scheme: str, payload: bytes) -> Said | None:
    """Three of four fields, or a last one that ends too soon."""
    keys = 44 if scheme in of_family("scram-sha-256") else 28
    found = re.fullmatch(rb"[0-9]{4,10}(?:,[A-Za-z0-9+/=]*){0,2}(?:,([A-Za-z0-9+/]*))?", payload)
    whole = payload.count(b",") == 3 and found is not None and len(found[1] or b"") >= keys - 2
    if found is None or whole:
        return None
    return Kind.CUT, f"cut off: {payload.count(b',') + 1} of 4 fields, and the last is not whole", ""


_DELIBERATE = (4, 8, 12)  # bytes of a tag that somebody may have asked for


def argon2(payload: bytes) -> Said | None:  # noqa: C901 - libsodium's decoder, field by field
    """Source: argon2_decode_string() of libsodium 1.0.18."""
    parts = payload.split(b"$")
    if parts[1] == b"argon2d":
        return Kind.ARGON2D, "argon2d: libsodium has only argon2i and argon2id", ""
    fields = parts[2:]
    if fields and fields[0][:2] != b"v=" and re.match(rb"[a-z]+=", fields[0]):
        return Kind.ARGON2_VERSION, "no v=: that means Argon2 1.0 (v=16), and libsodium takes only v=19", ""
    version = re.fullmatch(rb"v=([0-9]*)", fields[0]) if fields else None
    if version is None:
        return (Kind.CUT, "cut off after the name", "") if not fields or fields[0] in (b"", b"v") else None
    if len(fields) == 1:
        return Kind.CUT, "cut off after v=", ""
    if version[1] != b"19":
        return Kind.ARGON2_VERSION, f"v={version[1].decode()}: libsodium takes only v=19 (Argon2 1.3)", ""
    if len(fields) == 2:
        return Kind.CUT, "cut off before the salt", ""
    refused = _parameters(fields[1])
    if refused:
        return Kind.ARGON2_PARAMETERS, refused, ""
    if len(fields) == 3:
        return Kind.CUT, "cut off before the tag", ""
    if len(fields) > 4:
        return None
    salt, tag = fields[2:]
    odd = (salt + tag).translate(None, BASE64)
    if odd and not odd.strip(b"-_="):
        which = "url-safe base64 (- and _)" if odd.strip(b"=") else "padding (=)"
        return Kind.BASE64, f"{which} in salt or tag: libsodium takes plain base64 without padding", ""
    if odd:
        return None
    return _sizes(salt, tag)


def _parameters(text: bytes) -> str:
    pairs = [pair.partition(b"=")[::2] for pair in text.split(b",")]
    names = [name for name, _ in pairs]
    if sorted(names) == [b"m", b"p", b"t"] and names != [b"m", b"t", b"p"]:
        return "the parameters are in another order than m, t, p"
    if names != [b"m", b"t", b"p"]:
        return "libsodium takes m, t and p and nothing else"
    values = [value for _, value in pairs]
    if any(not re.fullmatch(rb"0|[1-9][0-9]{0,9}", value) for value in values):
        return "a parameter is no plain number"
    m, t, p = (int(value) for value in values)
    if not t or not p or m < 8 * p or max(m, t) >= 2**32 or p >= 2**24:
        return f"m={m}, t={t}, p={p}: out of the range that libsodium takes"
    return ""


def _canonical(text: bytes) -> int | None:
    """Bytes that unpadded base64 holds, if its last character is one that an encoder writes."""
    rest = len(text) & 3
    ends = {0: BASE64, 2: b"AQgw", 3: b"AEIMQUYcgkosw048"}
    if rest == 1 or (text and text[-1] not in ends[rest]):
        return None
    return len(text) * 3 // 4


def _sizes(salt: bytes, tag: bytes) -> Said | None:
    salt_size, tag_size = _canonical(salt), _canonical(tag)
    if salt_size is None or (tag_size is None and len(tag) in mend.WHOLE_TAGS):
        return Kind.BASE64, "the last character of salt or tag has bits that no encoder sets", ""
    if tag_size is None or (tag_size < 16 and tag_size not in _DELIBERATE):
        return Kind.CUT, f"cut off: a tag of {len(tag)} characters", ""
    if tag_size < 16:
        return (
            Kind.ARGON2_SHORT,
            f"a tag of {tag_size} bytes, made so or cut off: libsodium wants 16 or more",
            "",
        )
    if salt_size < 8:
        return Kind.ARGON2_SHORT, f"a salt of {salt_size} bytes: libsodium wants 8 or more", ""
    return None


def blowfish(payload: bytes) -> Said | None:
    """Source: crypt_verify_blowfish() of Dovecot 2.3.19.1 src/auth/password-scheme-crypt.c."""
    found = re.match(rb"\$2([a-z]?)\$", payload)
    if not found:
        return None
    minor, rest = found[1], payload[found.end() :]
    if minor not in (b"a", b"b", b"x", b"y"):
        if not re.match(rb"[0-9]{2}\$[./A-Za-z0-9]{20}", rest):
            return None
        name = f"$2{minor.decode()}$"
        return Kind.BCRYPT_MINOR, f"{name}: Dovecot has $2a$, $2b$, $2x$ and $2y$ and no other bcrypt", ""
    if len(payload) == bcrypt.LENGTH - 1 and re.match(rb"[4-9]\$", rest):
        return Kind.BCRYPT_SALT, "the cost must be two digits from 04 to 31", ""
    if len(payload) < bcrypt.LENGTH:
        foreign = rest.translate(None, bcrypt.ALPHABET + b"$")
        return None if foreign else (Kind.CUT, f"cut off: {len(payload)} of {bcrypt.LENGTH} characters", "")
    if len(payload) > bcrypt.LENGTH:
        return None
    if not re.match(rb"(?:0[4-9]|[12][0-9]|3[01])\$", rest):
        return Kind.BCRYPT_SALT, "the cost must be two digits from 04 to 31", ""
    if rest[3:25].translate(None, bcrypt.ALPHABET):
        return Kind.BCRYPT_SALT, "a character in the salt that bcrypt's base64 lacks", ""
    if rest[24] not in b".Oeu":
        return Kind.BCRYPT_SALT, "the salt ends in a character that bcrypt never writes there", ""
    return None


_DOLLARS = frozenset(of_family("argon2", "crypt")) - {*known_as("DES-CRYPT"), *known_as("MD5")}


def eaten(name: bytes | None, payload: bytes) -> str:
    """What a shell leaves of a hash in double quotes, where that is certain; else "".

    $argon2id, $v and $m are names of variables that nobody sets, and $2 and $1 are arguments.
    """
    if b"$" in payload:
        return ""
    if re.match(rb"(?:=19)?=[0-9]+,t=[0-9]+,p=[0-9]+", payload):
        return "$argon2id, $v and $m are gone: a shell or Compose took them for variables"
    entry = lookup(name) if name is not None else None
    scheme = entry[0].name if entry else ""
    if scheme in (*known_as("BLF-CRYPT"), *known_as("CRYPT")) and re.fullmatch(
        rb"[abxy](?:[0-9]|[\w./-]*sh[0-9])[./A-Za-z0-9]*", payload
    ):
        return "$2 and $1 are gone: a shell took them for its arguments"
    if scheme not in _DOLLARS:
        return ""
    if re.match(rb"=[0-9]{4,9}(?:[./]|$)", payload):
        return "$6 and $rounds are gone: a shell took them for variables"
    if scheme.startswith(("SHA", "MD5")) and re.fullmatch(rb"[./][./0-9A-Za-z]{0,100}", payload):
        return "the id and the salt are gone: a shell took them for variables"
    return ""


def of_digest(entry: Entry, payload: bytes, flaw: Flaw | None) -> Said | None:
    """Plain and salted digests, SCRAM and PBKDF2, of a scheme that this Dovecot has."""
    scheme = entry[0]
    if flaw is None:
        return None
    if scheme.name in _ARGON2 and any(whole.startswith(payload) for whole in (b"$argon2id", b"$argon2i")):
        return Kind.CUT, f"cut off: {len(payload)} characters after the scheme", ""
    if scheme.name in _SCRAM:
        return scram(scheme.name, payload)
    if entry[2]:
        return _of_base64(entry, payload)
    if "pbkdf2" in scheme.families and flaw.cut:
        return Kind.CUT, flaw.reason, ""
    return None


def _of_base64(entry: Entry, payload: bytes) -> Said | None:
    scheme = entry[0]
    usual = payload.translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    if not usual or usual.translate(None, BASE64):
        return None
    padded = usual + b"=" * (-len(usual) % 4)
    raw = base64_decode(padded) if len(usual) % 4 != 1 else None
    length = None if raw is None else len(raw)
    whole = scheme.raw_length or scheme.digest_length
    if not whole or entry[2] == "HEX":
        return None
    fits = length == whole if scheme.raw_length else length is not None and length - whole in mend.USUAL_SALTS
    if fits and padded != payload:
        what = (
            "padding (=) is missing" if usual == payload else "- and _ or the padding are not plain base64's"
        )
        return Kind.BASE64, f"the base64 is not as Dovecot takes it: {what}", ""
    if mend.renamed_digest(scheme.name.encode(), payload):
        other = mend.renamed_digest(scheme.name.encode(), payload).decode()
        return Kind.MISLABELLED, f"named {{{scheme.name}}}, and its length is that of {{{other}}}", other
    if length is None or length < whole:
        reached = len(usual) * 3 // 4
        if reached < whole and reached not in (16, 20, 32, 64):
            return Kind.CUT, f"cut off: {reached} bytes of {whole}", ""
    return None


def unknown_id(payload: bytes) -> bool:
    """A string of crypt(3)'s shape with an id that libxcrypt does not have."""
    return bool(re.match(rb"\$[A-Za-z0-9-]{1,16}\$[^$]*\$?[./0-9A-Za-z]{8}", payload))


def is_des(payload: bytes) -> bool:
    """13 characters that only DES makes: a password of such a mixture is not to be expected."""
    if len(payload) != 13 or payload.translate(None, CRYPT64) or CRYPT64.index(payload[-1:]) & 3:
        return False
    classes = (rb"[0-9]", rb"[A-Z]", rb"[a-z]", rb"[./]")
    mixed = sum(bool(re.search(one, payload)) for one in classes) >= 3
    return mixed and not re.match(rb"[A-Za-z][a-z]+[0-9./]+$", payload)


_NEVER_TEXT = expression(rb"[!*]|x$|\*LK\*|NP$|\{|\$|[0-9A-Fa-f]{16,}$|[0-9]+,", re.IGNORECASE)


def is_text(payload: bytes) -> bool:
    """What people choose for passwords, and no scheme makes: short, or with blanks and signs."""
    if not 1 <= len(payload) < 40 or _NEVER_TEXT.match(payload):
        return False
    try:
        printable = payload.decode().isprintable()
    except UnicodeDecodeError:
        return False
    if not printable:
        return False
    signs = payload.translate(None, BASE64 + CRYPT64 + b"=-_")
    return bool(signs) or len(payload) < 13


def is_password(text: bytes) -> bool:
    """Nothing that is stored for a hash, whole or damaged, and as long as people's passwords are."""
    return 1 <= len(text) < 40 and not _NEVER_TEXT.match(text) and not may_be_hash(text)


def wants_hash(name: bytes) -> bool:
    entry = lookup(name)
    return entry is not None and entry[0].name in _DOLLARS


def shown(name: bytes) -> str:
    """A scheme's name that may be shown: what else stands in braces may be a secret."""
    entry = lookup(name)
    if entry is not None:
        return f"{{{entry[0].name}{'.' if entry[1] else ''}{entry[1]}}}"
    known = accepts.known_misname(name)
    return f"{{{known}}}" if known else "of this name"
