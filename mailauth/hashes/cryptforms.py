"""The hash formats of crypt(3), as libxcrypt 4.4.33 and 4.5 read and write them.

A stored string can match only if libxcrypt could have written it: the forms below say exactly
what it writes. Source: libxcrypt 4.4.33 lib/crypt-*.c, lib/alg-yescrypt-common.c; crypt(5).
"""

import re
from collections.abc import Callable

from mailauth.expressions import expression
from mailauth.hashes.encoding import CRYPT64, first_foreign
from mailauth.hashes.hash import Flaw, Params, Verdict
from mailauth.hashes.md5crypt import surplus, trailing
from mailauth.records import dataclass

_SALT = rb"[^\x00-\x20\x7f-\xff!*:;$\\]"
_PLAIN = CRYPT64 + b"$"
Values = dict[str, int | str]
_BAD = expression(rb"[^\x21-\x7e]|[!*:;\\]")  # check_badsalt_chars()


@dataclass(frozen=True, slots=True)
class Form:
    """One algorithm: its name, the prefix that selects it, and how to read and price it."""

    kind: str
    prefix: bytes
    read: Callable[[bytes], Params | None]
    seconds: Callable[[Values], float]
    shape: Callable[[Values], str]
    digest: int  # characters after the last $
    since: str = ""  # the libcrypt that was the first to have it, where those in use differ


def bad_character(text: bytes) -> int | None:
    found = _BAD.search(text)
    return found.start() if found else None


def kind_of(text: bytes) -> Form | None:
    form = _BY_THREE.get(text[:3])
    if form is not None:
        return form
    for form in FORMS:
        if form.prefix and text.startswith(form.prefix):
            return form
    if len(text) > 1 and text[:1] in CRYPT64 and text[1:2] in CRYPT64:
        return FORMS[-1]
    return None


def _by(pattern: bytes, params: Callable[[re.Match[bytes]], Params]) -> Callable[[bytes], Params | None]:
    compiled = expression(pattern)

    def read(text: bytes) -> Params | None:
        found = compiled.fullmatch(text)
        return params(found) if found else None

    return read


def _sha(kind: str, digest: bytes, length: int, ends: bytes) -> Callable[[bytes], Params | None]:
    """By its parts where the salt is an ordinary one, which is fast; else by the whole form."""
    usual: dict[int, Params] = {n: (("kind", kind), ("rounds", 5000), ("salt", n)) for n in range(17)}
    plain = kind[:-1].encode()
    whole = _by(
        rb"\$%b\$(?:rounds=([1-9][0-9]{3,8})\$|(?!rounds=))(%b{0,16})\$%b"
        % (kind[1:-1].encode(), _SALT, digest),
        lambda found: (("kind", kind), ("rounds", int(found[1] or 5000)), ("salt", len(found[2]))),
    )

    def read(text: bytes) -> Params | None:
        parts = text.rsplit(b"$", 2)
        if (
            parts[0] == plain
            and len(parts[1]) <= 16
            and len(parts[2]) == length
            and parts[2][-1] in ends
            and not text.translate(None, _PLAIN)
        ):
            return usual[len(parts[1])]
        return whole(text)

    return read


def decode64_uint32(text: bytes, at: int, least: int) -> tuple[int, int] | None:
    """A number of yescrypt's: value and where the next begins (decode64_uint32() there)."""
    start, end, chars, bits = 0, 47, 1, 0
    char = CRYPT64.find(text[at : at + 1]) if at < len(text) else -1
    if char < 0:
        return None
    at += 1
    value = least
    while char > end:
        value += (end + 1 - start) << bits
        start, end = end + 1, end + 1 + (62 - end) // 2
        chars, bits = chars + 1, bits + 6
    value += (char - start) << bits
    for _ in range(chars - 1):
        char = CRYPT64.find(text[at : at + 1]) if at < len(text) else -1
        if char < 0:
            return None
        at, bits = at + 1, bits - 6
        value += char << bits
    return value & 0xFFFF_FFFF, at


def _yescrypt(kind: str) -> Callable[[bytes], Params | None]:
    tail = expression(rb"\$([./0-9A-Za-z]*)\$[./0-9A-Za-z]{43}")

    def read(text: bytes) -> Params | None:
        at = len(kind)
        numbers: list[int] = []
        for least in (0, 1, 1):
            number = decode64_uint32(text, at, least)
            if number is None:
                return None
            numbers.append(number[0])
            at = number[1]
        _flavor, log2_n, r = numbers
        p = 1
        if text[at : at + 1] != b"$":
            more = _yescrypt_more(text, at)
            if more is None:
                return None
            p, at = more
        found = tail.fullmatch(text, at)
        if not found or log2_n > 63:
            return None
        return (("kind", kind), ("N", 1 << log2_n), ("r", r), ("p", p), ("salt", len(found[1])))

    return read


def _yescrypt_more(text: bytes, at: int) -> tuple[int, int] | None:
    have = decode64_uint32(text, at, 1)
    if have is None:
        return None
    p, at = 1, have[1]
    for bit, least in ((1, 2), (2, 1), (4, 1), (8, 1)):
        if have[0] & bit:
            number = decode64_uint32(text, at, least)
            if number is None:
                return None
            at = number[1]
            p = number[0] if bit == 1 else p
    return p, at


def _le30(text: bytes) -> int:
    return sum(CRYPT64.index(char) << 6 * i for i, char in enumerate(text))


_FORM_7 = expression(
    rb"\$7\$([./0-9A-Za-z])([./0-9A-Za-z]{5})([./0-9A-Za-z]{5})([./0-9A-Za-z$]*)\$[./0-9A-Za-z]{43}"
)


def _scrypt(text: bytes) -> Params | None:
    found = _FORM_7.fullmatch(text)
    if not found:
        return None
    log2_n, r, p = CRYPT64.index(found[1]), _le30(found[2]), _le30(found[3])
    if not (log2_n and r and p):
        return None
    return (("kind", "$7$"), ("N", 1 << log2_n), ("r", r), ("p", p), ("salt", len(found[4])))


def _scrypt_seconds(values: Values) -> float:
    return 1e-4 + int(values["N"]) * int(values["r"]) * int(values["p"]) * 0.6e-6


def _scrypt_shape(values: Values) -> str:
    return f"{values['kind']}N={values['N']},r={values['r']},p={values['p']}..."


def _sha_shape(values: Values) -> str:
    return f"{values['kind']}rounds={values['rounds']}$..."


_SM3 = "libxcrypt 4.5"
FORMS = (
    Form("$sm3y$", b"$sm3y$", _yescrypt("$sm3y$"), _scrypt_seconds, _scrypt_shape, 43, _SM3),
    Form(
        "$sm3$",
        b"$sm3$",
        _sha("$sm3$", rb"[./0-9A-Za-z]{42}[./0-9A-D]", 43, CRYPT64[:16]),
        lambda values: int(values["rounds"]) * 0.7e-6,
        _sha_shape,
        43,
        _SM3,
    ),
    Form("$y$", b"$y$", _yescrypt("$y$"), _scrypt_seconds, _scrypt_shape, 43),
    Form("$gy$", b"$gy$", _yescrypt("$gy$"), _scrypt_seconds, _scrypt_shape, 43),
    Form("$7$", b"$7$", _scrypt, _scrypt_seconds, _scrypt_shape, 43),
    Form(
        "$6$",
        b"$6$",
        _sha("$6$", rb"[./0-9A-Za-z]{85}[./01]", 86, b"./01"),
        lambda values: int(values["rounds"]) * 0.9e-6,
        _sha_shape,
        86,
    ),
    Form(
        "$5$",
        b"$5$",
        _sha("$5$", rb"[./0-9A-Za-z]{42}[./0-9A-D]", 43, CRYPT64[:16]),
        lambda values: int(values["rounds"]) * 0.7e-6,
        _sha_shape,
        43,
    ),
    Form(
        "$sha1$",
        b"$sha1",
        _by(
            rb"\$sha1\$(0|[1-9][0-9]{0,19})\$([./0-9A-Za-z]+)\$[./0-9A-Za-z]{28}",
            lambda found: (("kind", "$sha1$"), ("rounds", int(found[1])), ("salt", len(found[2]))),
        ),
        lambda values: int(values["rounds"]) * 1.0e-6,
        _sha_shape,
        28,
    ),
    Form(
        "$md5$",
        b"$md5",
        _by(
            rb"\$md5[,$](?:rounds=([1-9][0-9]{0,9})\$)?([./0-9A-Za-z]*\$?)\$[./0-9A-Za-z]{22}",
            lambda found: (("kind", "$md5$"), ("rounds", 4096 + int(found[1] or 0)), ("salt", len(found[2]))),
        ),
        lambda values: int(values["rounds"]) * 2.5e-6,
        _sha_shape,
        22,
    ),
    Form(
        "$1$",
        b"$1$",
        _by(
            rb"\$1\$(" + _SALT + rb"{0,8})\$[./0-9A-Za-z]{21}[./01]",
            lambda found: (("kind", "$1$"), ("salt", len(found[1]))),
        ),
        lambda _values: 3e-4,
        lambda _values: "$1$...",
        22,
    ),
    Form(
        "$3$",
        b"$3$",
        _by(rb"\$3\$\$[0-9a-f]{32}", lambda _found: (("kind", "$3$"),)),
        lambda _values: 1e-5,
        lambda _values: "$3$$...",
        32,
    ),
    Form(
        "_",
        b"_",
        _by(
            rb"_([./0-9A-Za-z]{4})[./0-9A-Za-z]{4}[./0-9A-Za-z]{11}",
            lambda found: (("kind", "_"), ("rounds", _le30(found[1]))),
        ),
        lambda values: int(values["rounds"]) * 0.4e-6,
        lambda values: f"_(BSDi DES, {values['rounds']} rounds)...",
        11,
    ),
    Form(
        "DES",
        b"",
        _by(
            rb"[./0-9A-Za-z]{2}((?:[./0-9A-Za-z]{11}){1,16})",
            lambda found: (("kind", "DES"), ("blocks", len(found[1]) // 11)),
        ),
        lambda _values: 1e-5,
        lambda _values: "(DES)...",
        11,
    ),
)
"""In libxcrypt's order, bcrypt apart; DES is whatever begins with two of its characters."""

_BY_THREE = {form.prefix: form for form in FORMS if len(form.prefix) == 3}

_OTHERS = (
    (b"$argon2", "Argon2: crypt(3) has none, it wants {ARGON2ID} before it"),
    (b"$P$", "phpass: crypt(3) has none"),
    (b"$H$", "phpass: crypt(3) has none"),
    (b"$apr1$", "Apache's MD5-crypt: crypt(3) has none"),
    (b"$wp$", "WordPress 6.8's bcrypt of a hash of the password: Dovecot has none"),
    (b"$bcrypt-sha256$", "passlib's bcrypt of a hash of the password: Dovecot has none"),
    (b"$pbkdf2", "passlib's PBKDF2: crypt(3) has none"),
    (b"$scrypt$", "passlib's scrypt: crypt(3) has only $7$"),
    (b"$2$", "$2$ is the first bcrypt, of 1997, which libxcrypt does not have"),
    (b"{", "a second {SCHEME} after the first"),
    (b"$", "no algorithm of crypt(3) here has this prefix"),
)


def _no(reason: str, at: int, *, cut: bool = False) -> Flaw:
    return Flaw(Verdict.MISMATCH, reason, at, cut)


def why_not(payload: bytes, text: bytes) -> Flaw:
    """Why crypt(3) never writes this, for a string that no form reads."""
    if not payload:
        return _no("nothing follows the scheme: no password matches, not even the empty one", 0)
    if text in (b"*0", b"*1"):
        return _no("what crypt(3) gives when it fails: the hashing went wrong, and this was stored", 0)
    if text[:1] in (b"!", b"*", b"x") and (len(text) < 3 or text[:1] == b"!"):
        return _no("a locked account: no password matches", 0)
    bad = bad_character(text)
    if bad is not None and not text[bad:].strip():
        return _no(trailing(text[bad:]), bad)
    form = kind_of(text)
    if form is None:
        other = next((why for prefix, why in _OTHERS if text.startswith(prefix)), None)
        return _no(other or "nothing that crypt(3) knows (a shell may have eaten $...)", 0)
    if bad is not None:
        return _no("crypt(3) takes only printable ASCII, and no blank and none of ! * : ; \\", bad)
    return _in_form(form, text)


def _in_form(form: Form, text: bytes) -> Flaw:  # noqa: C901, PLR0912 - one sentence for each way to be wrong
    rest, at = text[len(form.prefix) :], len(form.prefix)
    if form.kind in ("$5$", "$6$") and rest.startswith(b"rounds="):
        number, dollar, _ = rest[7:].partition(b"$")
        plain = number.isdigit() and not number.startswith(b"0")
        if not (dollar and plain and len(number) < 10 and int(number) >= 1000):
            return _no("rounds= takes 1000 to 999999999, without leading zeros", at + 7)
        rest, at = rest[7 + len(number) + 1 :], at + 7 + len(number) + 1
    if not form.prefix or form.kind == "_":
        want = 20 if form.prefix else 13
        foreign = first_foreign(text[1:], CRYPT64)
        if foreign is not None:
            return _no(trailing(text[1 + foreign :]), 1 + foreign)
        if len(text) < want:
            return _no(f"cut off: {len(text)} of {want} characters", len(text), cut=True)
        return _no(f"longer than {want} characters", want)
    last = rest.rfind(b"$")
    digest_at = at + last + 1
    length = len(text) - digest_at
    if last < 0 or not length:
        if length == 0 and last > 0 and form.read(text[:-1]):
            return _no("ends in a $ too many", len(text) - 1)
        return _no(f"cut off: {len(text)} characters, and no digest among them", len(text), cut=True)
    if form.kind in ("$1$", "$5$", "$6$") and last > (8 if form.kind == "$1$" else 16):
        most = 8 if form.kind == "$1$" else 16
        return _no(f"a salt of {last} characters; {form.kind} uses and writes only {most}", at + most)
    if length < form.digest:
        whole = digest_at + form.digest
        return _no(f"cut off: {len(text)} of {whole} characters", len(text), cut=True)
    if length > form.digest:
        has = f"a {form.kind} hash has a digest of {form.digest}"
        return surplus(length - form.digest, has, digest_at + form.digest)
    if form.kind == "$3$":
        return _no("libxcrypt writes $3$$ and the hex in small letters", at)
    foreign = first_foreign(text[digest_at:], CRYPT64)
    if foreign is not None:
        return _no("a character that this kind of hash cannot have", digest_at + foreign)
    if form.kind in ("$1$", "$5$", "$6$"):
        return _no("the last character is one that this algorithm never makes", len(text) - 1)
    return _no("the parameters before the salt are none that libxcrypt takes", len(form.prefix))
