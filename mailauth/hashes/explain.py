"""Everything that can be said of a stored string without its password: for ``hash show``."""

from dataclasses import replace

from mailauth.hashes import accepts, judge
from mailauth.hashes.cryptforms import FORMS
from mailauth.hashes.damaged import Reader
from mailauth.hashes.hash import Flaw, Hash, Memory, Params
from mailauth.hashes.headline import headline
from mailauth.hashes.mend import Mended, mend
from mailauth.hashes.nature import judged
from mailauth.hashes.strength import Strength
from mailauth.records import dataclass

DEFAULT_SCHEMES = ("CRYPT", "PLAIN", "MD5", "SHA512-CRYPT", "SSHA512", "BLF-CRYPT", "ARGON2ID")
"""Dovecot's own defaults (2.3 sql MD5, passwd-file CRYPT; 2.4.0 to 2.4.2 PLAIN), and common settings."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one Dovecot version does with the string: None when it can match there."""

    dovecot: str
    flaw: Flaw | None


@dataclass(frozen=True, slots=True)
class Default:
    """What a string without {SCHEME} is under one default scheme."""

    scheme: str
    shown: str
    flaw: Flaw | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A stored string, explained; no part of it holds a salt, a digest or a password, but ``mended``."""

    headline: str
    shown: str
    length: int
    scheme: str
    about: str
    params: Params
    flaw: Flaw | None
    taken: tuple[Taken, ...]
    memory: Memory
    seconds: float
    strength: Strength | None
    alarms: tuple[str, ...]
    notes: tuple[str, ...]
    defaults: tuple[Default, ...]
    mended: Mended | None


def explain(
    stored: bytes | str,
    *,
    default_scheme: str | None = None,
    dovecot: tuple[int, ...] | None = None,
    allow_weak: bool = False,
) -> Explanation:
    text = judge.raw(stored)
    parsed = judge.parse(text, default_scheme=default_scheme, dovecot=dovecot, allow_weak=allow_weak)
    anywhere = judge.parse(text, default_scheme=default_scheme)
    known = parsed if isinstance(parsed, Hash) else anywhere if isinstance(anywhere, Hash) else None
    releases = accepts.RELEASES if dovecot is None else (dovecot,)
    taken = tuple(_taken(text, release, default_scheme, allow_weak) for release in releases)
    flaw = parsed if isinstance(parsed, Flaw) else next((one.flaw for one in taken if one.flaw), None)
    prefixed = judge.split(text)[0] is not None
    return Explanation(
        headline=_headline(text, default_scheme, dovecot, allow_weak=allow_weak),
        shown=judge.shown(text, default_scheme=default_scheme),
        length=len(text),
        scheme=known.scheme.name if known else "",
        about=known.scheme.about if known else "",
        params=known.params if known else (),
        flaw=flaw,
        taken=taken,
        memory=known.scheme.memory(known.payload) if known else Memory(),
        seconds=known.scheme.seconds(known.params) if known else 0.0,
        strength=known.strength if known else None,
        alarms=alarms(known) if known else (),
        notes=notes(known) if known else (),
        defaults=()
        if prefixed or default_scheme
        else tuple(_default(text, name) for name in DEFAULT_SCHEMES),
        mended=mend(text, dovecot=dovecot, allow_weak=allow_weak)
        if flaw and default_scheme is None
        else None,
    )


def _headline(
    text: bytes, default_scheme: str | None, dovecot: tuple[int, ...] | None, *, allow_weak: bool
) -> str:
    """As the newest Dovecot has it, where none is named, and a crypt scheme is its default.

    A bare "$1$" is another thing to a database's passdb (see ``Reader.taken``): where a default scheme is
    named, both are said.
    """
    reader = Reader(dovecot or accepts.RELEASES[-1], default_scheme or "CRYPT", allow_weak or dovecot is None)
    seen = judged(text, reader)
    said = headline(text, seen)
    in_sql = judged(text, replace(reader, prefixing=True)) if default_scheme else seen
    return said if in_sql.fate is seen.fate else f"{said}; in a database: {headline(text, in_sql)}"


def _taken(text: bytes, release: tuple[int, ...], default_scheme: str | None, allow_weak: bool) -> Taken:
    parsed = judge.parse(text, default_scheme=default_scheme, dovecot=release, allow_weak=allow_weak)
    return Taken(accepts.version_text(release), parsed if isinstance(parsed, Flaw) else None)


def _default(text: bytes, name: str) -> Default:
    parsed = judge.parse(text, default_scheme=name)
    shown = judge.shown(text, default_scheme=name)
    return Default(name, shown, parsed if isinstance(parsed, Flaw) else None)


def alarms(hash_: Hash) -> tuple[str, ...]:
    """Strings that let anyone in, or nearly so."""
    values = dict(hash_.params)
    found: list[str] = []
    if hash_.reads == 0:
        found.append("every password matches: PLAIN-TRUNC compares the first 0 characters")
    if "pbkdf2" in hash_.scheme.families and values["rounds"] == 0:
        zeros = hash_.payload.rstrip().endswith(b"$" + b"0" * 40)
        found.append(
            "every password matches: with 0 rounds Dovecot computes nothing and compares with zeros"
            if zeros
            else "no password matches: with 0 rounds Dovecot compares with zeros, and these are none"
        )
    if hash_.scheme.itself:
        if not hash_.payload:
            found.append("the empty password matches")
        elif judge.split(hash_.payload)[0] is not None or hash_.payload.startswith((b"$", b"{")):
            found.append("this looks like a hash stored as PLAIN: the hash itself is then the password")
    if hash_.scheme.raw_length and not any(hash_.payload):
        found.append("a digest of zeros: a default, or an accident")
    return tuple(found)


def notes(hash_: Hash) -> tuple[str, ...]:  # noqa: C901 - one line for each oddity
    """What is odd, and may be why the right password does not match."""
    values = dict(hash_.params)
    found: list[str] = []
    payload = hash_.payload
    if hash_.scheme.stores_password and payload != payload.strip():
        edge = "newline" if payload.endswith((b"\n", b"\r")) else "blank"
        found.append(f"the stored password begins or ends in a {edge}, which counts")
    if hash_.scheme.partly and hash_.reads is None:
        found.append("the length before the - is not that of what follows: it is compared whole")
    elif hash_.scheme.partly:
        found.append(
            f"any password that begins with these {values['length']} characters matches, a shorter one does"
            " not"
        )
    form = next((one for one in FORMS if one.kind == values.get("kind")), None)
    if form is not None and form.since:
        found.append(
            f"not Dovecot but its system's libcrypt decides: {form.since} and newer have {form.kind}"
        )
    if hash_.scheme.library == "libsodium":
        if values["tag"] != 32:
            found.append(
                f"a tag of {values['tag']} bytes where nearly everyone makes 32: something added, or cut off?"
            )
        found.append(
            "whether associated data (data=) or a secret went into it cannot be seen; Dovecot knows neither"
        )
    kind = str(values.get("kind", ""))
    if kind == "2x":
        found.append(
            "$2x$ repeats a bug of 2011: only hashes made with that bug match, of passwords beyond ASCII"
        )
    if kind == "2a":
        found.append(
            "$2a$ with a byte 0xff in the password: crypt_blowfish's safety measure gives another digest"
        )
    if kind.startswith("2"):
        found.append(
            "72 bytes of a password count; a program that hashes the password first (Django bcrypt_sha256,"
            " Rails' pepper) makes strings that look the same and do not match"
        )
    if kind == "$1$" and not hash_.prefixed and hash_.scheme.families == ("crypt",):
        found.append("without {SCHEME}: $1$ is taken for MD5-CRYPT whatever the default scheme is")
    if kind == "DES":
        found.append("8 characters of a password count")
    return tuple(found)
