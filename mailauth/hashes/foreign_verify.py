"""Whether a password matches another software's hash, also where Dovecot has no form of it.

Sources: WordPress 6.8 wp-includes/pluggable.php, wp_hash_password(); Drupal 7 includes/password.inc;
Django 5 contrib/auth/hashers.py; passlib's manual, "bcrypt_sha256"; Spring Security 5
StandardPasswordEncoder; what passlib has a handler for is computed by that.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable

from mailauth.hashes import judge
from mailauth.hashes.allowance import here
from mailauth.hashes.encoding import CRYPT64, base64_decode
from mailauth.hashes.foreign import readings
from mailauth.hashes.foreign_found import Derived
from mailauth.hashes.hash import MiB, Password, Verdict
from mailauth.hashes.libraries import passlib
from mailauth.records import dataclass

_ROUND = 2e-6  # seconds for one of an iterated hash, at most: OpenSSL's SHA-512 and Python's loop
_SCRYPT_BLOCK = 1e-6  # for 128 bytes of scrypt


@dataclass(frozen=True, slots=True)
class ForeignAnswer:
    """``source``: whose hash it is.  ``matches``: None where that was not computed, and ``why`` says so."""

    source: str
    matches: bool | None
    why: str = ""


class _TooMuchError(Exception):
    """It would take too long, or too much memory."""


def verify(stored: bytes, password: Password, user: str = "") -> ForeignAnswer | None:
    """None: no form that is known here."""
    text = password.text
    for pattern, source, work in _FORMS:
        if found := re.fullmatch(pattern, stored, re.DOTALL):
            return _answer(source, lambda work=work, found=found: work(found, text))  # type: ignore[misc]
    for one in readings(stored, role=user):
        if one.derived is not None:
            derived = one.derived
            return _answer(one.source, lambda derived=derived: _same(derived, text))  # type: ignore[misc]
        if one.dovecot is not None and stored[:1] != b"{":
            judged = judge.verify(one.dovecot, password, user=user)
            computed = judged.verdict in (Verdict.MATCH, Verdict.MISMATCH)
            return ForeignAnswer(
                one.source, judged.verdict is Verdict.MATCH if computed else None, judged.reason
            )
    return None


def _answer(source: str, work: Callable[[], bool]) -> ForeignAnswer:
    try:
        return ForeignAnswer(source, work())
    except _TooMuchError as why:
        return ForeignAnswer(source, None, f"{source}: {why}")
    except (ValueError, TypeError, MemoryError):
        return ForeignAnswer(source, None, f"{source}: it cannot be computed")


def _rounds(count: int) -> None:
    seconds, most = count * _ROUND, here().limits.seconds
    if seconds > most:
        raise _TooMuchError(f"would take about {seconds:.0f} s, and {most:.0f} s are allowed; not computed")


def _same(derived: Derived, text: bytes) -> bool:
    size = len(derived.key)
    if not size:
        raise ValueError
    if derived.digest:
        [rounds] = derived.numbers
        _rounds(rounds * -(-size // hashlib.new(derived.digest).digest_size))
        made = hashlib.pbkdf2_hmac(derived.digest, text, derived.salt, rounds, size)
    else:
        n, r, p = derived.numbers
        memory, most = 128 * r * (n + p + 2), here().limits.memory
        if memory > most:
            raise _TooMuchError(f"asks for {memory / MiB:.0f} MiB, and {most / MiB:.0f} MiB are allowed")
        _rounds(int(n * r * p * _SCRYPT_BLOCK / _ROUND))
        made = hashlib.scrypt(text, salt=derived.salt, n=n, r=r, p=p, dklen=size, maxmem=memory + MiB)
    return hmac.compare_digest(made, derived.key)


def _bcrypt(hashed: bytes, text: bytes) -> bool:
    """Of what another hash made of the password."""
    judged = judge.verify(b"{BLF-CRYPT}" + hashed, Password(text))
    if judged.verdict not in (Verdict.MATCH, Verdict.MISMATCH):
        raise _TooMuchError(judged.reason)
    return judged.verdict is Verdict.MATCH


def _wordpress(found: re.Match[bytes], text: bytes) -> bool:
    made = hmac.digest(b"wp-sha384", text.strip(b" \t\n\r\0\v"), "sha384")
    return _bcrypt(found[1], base64.b64encode(made))


def _django_bcrypt(found: re.Match[bytes], text: bytes) -> bool:
    return _bcrypt(found[1], hashlib.sha256(text).hexdigest().encode())


def _passlib_bcrypt(found: re.Match[bytes], text: bytes) -> bool:
    kind, cost, salt, digest = found.group("t", "r", "salt", "digest")
    made = hmac.digest(salt, text, "sha256") if found["v"] else hashlib.sha256(text).digest()
    return _bcrypt(b"$%b$%02d$%b%b" % (kind, int(cost), salt, digest), base64.b64encode(made))


def _drupal(found: re.Match[bytes], text: bytes) -> bool:
    """``U``: of what was MD5 before."""
    word = hashlib.md5(text, usedforsecurity=False).hexdigest().encode() if found[1] else text
    times = CRYPT64.index(found[2])
    _rounds(1 << times)
    made = hashlib.sha512(found[3] + word).digest()
    for _ in range(1 << times):
        made = hashlib.sha512(made + word).digest()
    return _small_end_first(made)[: len(found[4])] == found[4]


def _small_end_first(raw: bytes) -> bytes:
    """The base64 of phpass."""
    made = bytearray()
    for at in range(0, len(raw), 3):
        part = raw[at : at + 3]
        value = int.from_bytes(part, "little")
        made += bytes(CRYPT64[value >> 6 * i & 63] for i in range(len(part) + 1))
    return bytes(made)


def _spring(found: re.Match[bytes], text: bytes) -> bool:
    """StandardPasswordEncoder without a secret."""
    raw = bytes.fromhex(found[1].decode())
    made = raw[:8] + text
    for _ in range(1024):
        made = hashlib.sha256(made).digest()
    return hmac.compare_digest(made, raw[8:])


def _sha384(found: re.Match[bytes], text: bytes) -> bool:
    raw = base64_decode(found[1]) or b""
    return len(raw) >= 48 and hashlib.sha384(text + raw[48:]).digest() == raw[:48]


def _by(name: str) -> Callable[[re.Match[bytes], bytes], bool]:
    """The handler of that name that passlib has."""

    def work(found: re.Match[bytes], text: bytes) -> bool:
        handler, stored = getattr(passlib.hash, name), found[0].decode("ascii")
        if hasattr(handler, "from_string"):
            rounds = int(getattr(handler.from_string(stored), "rounds", 1))
            _rounds(1 << rounds if getattr(handler, "rounds_cost", "") == "log2" else rounds)
        return bool(handler.verify(text, stored))

    return work


_C64 = rb"[./A-Za-z0-9]"
_BCRYPT = rb"\$2[abxy]\$\d\d\$" + _C64 + rb"{53}"
_FORMS: tuple[tuple[bytes, str, Callable[[re.Match[bytes], bytes], bool]], ...] = (
    (rb"\$wp(" + _BCRYPT + rb")", "WordPress 6.8", _wordpress),
    (rb"bcrypt_sha256\$(" + _BCRYPT + rb")", "Django bcrypt_sha256", _django_bcrypt),
    (
        rb"\$bcrypt-sha256\$(?P<v>v=2,t=)?(?P<t>2[aby]),(?:r=)?(?P<r>\d{1,2})\$(?P<salt>" + _C64 + rb"{22})"
        rb"\$(?P<digest>" + _C64 + rb"{31})",
        "passlib bcrypt_sha256",
        _passlib_bcrypt,
    ),
    (rb"(U?)\$S\$(.)(.{8})(.{43})", "Drupal 7", _drupal),
    (rb"\$[PH]\$.{31}", "phpass", _by("phpass")),
    (rb"\$apr1\$.*", "htpasswd -m (apr1)", _by("apr_md5_crypt")),
    (rb"\*[0-9A-Fa-f]{40}", "MySQL PASSWORD()", _by("mysql41")),
    (rb"[0-9a-f]{16}", "MySQL OLD_PASSWORD()", _by("mysql323")),
    (rb"sha1\$[^$]+\$[0-9a-f]{40}", "Django sha1", _by("django_salted_sha1")),
    (rb"md5\$[^$]+\$[0-9a-f]{32}", "Django md5", _by("django_salted_md5")),
    (rb"grub\.pbkdf2\.sha512\..*", "GRUB", _by("grub_pbkdf2_sha512")),
    (rb"\{FSHP\d\|.*", "FSHP", _by("fshp")),
    (rb"\{sha256\}([0-9a-f]{80})", "Spring's StandardPasswordEncoder", _spring),
    (rb"\{S?SHA-?384\}(.*)", "OpenLDAP pw-sha2", _sha384),
)
