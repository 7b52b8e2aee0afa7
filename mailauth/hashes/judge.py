"""Parse, verify and generate: stored strings, judged as a given Dovecot judges them.

``dovecot`` is a version as a tuple, (2, 3, 19, 1) or (2, 4); None means any Dovecot of today: all
schemes are known and none is refused as weak, which is how ``doveadm pw -t`` of 2.4 judges.
``default_scheme`` is the passdb's, for strings without {SCHEME}; None means there is none, and
such a string is malformed, which is again how ``doveadm pw -t`` judges.
Nothing here keeps state: all of it may be called from many threads.
"""

from dataclasses import replace

from mailauth.counted import counted
from mailauth.errors import UsageError
from mailauth.expressions import expression
from mailauth.hashes import accepts
from mailauth.hashes.allowance import here
from mailauth.hashes.encoding import BASE64, base64_decode, base64_encode, first_foreign, hex_decode
from mailauth.hashes.hash import (
    Flaw,
    Hash,
    Judgement,
    Limits,
    Memory,
    Password,
    Scheme,
    Verdict,
)
from mailauth.hashes.schemes import SCHEMES, Entry, by_head, lookup

Release = tuple[int, ...]

_PBKDF2_BARE = expression(rb"\$1\$[^$]*\$[0-9]+\$[0-9A-Fa-f]{40}")
_WIDTHS = (
    20,
    25,
    30,
    32,
    35,
    40,
    45,
    50,
    60,
    64,
    70,
    72,
    75,
    80,
    90,
    96,
    100,
    106,
    120,
    127,
    128,
    150,
    200,
    254,
    255,
)


def split(stored: bytes) -> tuple[bytes | None, bytes, int]:
    """Scheme (None where none is written), what follows it, and where that begins.

    Source: password_get_scheme() in Dovecot 2.3.19.1 src/auth/password-scheme.c. A bare "$1$"
    is MD5-CRYPT and ends before its fourth "$".
    """
    if stored.startswith(b"{"):
        end = stored.find(b"}")
        if end >= 0:
            return stored[1:end], stored[end + 1 :], end + 1
    elif stored.startswith(b"$1$"):
        dollar = stored.find(b"$", 3)
        if dollar >= 0:
            end = stored.find(b"$", dollar + 1)
            return b"MD5-CRYPT", stored if end < 0 else stored[:end], 0
    return None, stored, 0


def raw(stored: bytes | str) -> bytes:
    """As C sees it: bytes, up to the first NUL."""
    if isinstance(stored, str):
        stored = stored.encode(errors="surrogateescape")
    return stored.partition(b"\0")[0] if b"\0" in stored else stored


def parse(
    stored: bytes | str,
    *,
    default_scheme: str | None = "CRYPT",
    dovecot: Release | None = None,
    allow_weak: bool = False,
) -> Hash | Flaw:
    """Understand a stored string the way that Dovecot would, or say why it can never match."""
    text = stored.encode("utf-8", "surrogateescape") if type(stored) is str else raw(stored)
    head, brace, payload = text.partition(b"}")
    entry = by_head(head)
    if entry is not None and dovecot is None:  # the common case, and fast
        scheme, written, decode, read = entry
        decoded = decode(payload) if decode else payload
        if decoded is not None:
            params = read(decoded)
            if type(params) is tuple:
                return Hash(scheme, written, params, decoded)
            if brace and isinstance(params, Flaw):
                return _placed(params, -1 if decode else len(head) + 1, text)
    return _parse(text, default_scheme, dovecot, allow_weak)


def _parse(text: bytes, default_scheme: str | None, dovecot: Release | None, allow_weak: bool) -> Hash | Flaw:  # noqa: C901 - Dovecot's order
    """Every case, and every reason."""
    text = raw(text)
    name, payload, at = split(text)
    prefixed = name is not None and at > 0
    if name is None:
        if default_scheme is None:
            return _no_scheme(text)
        name = default_scheme.encode("utf-8", "surrogateescape")
    entry = lookup(name)
    if entry is None:
        return accepts.unknown(name.decode(errors="replace"))
    scheme, written, in_force, guess = entry
    if dovecot is not None:
        missing = accepts.missing(scheme, dovecot)
        if missing:
            return missing
    if in_force:
        decoded = _decode(payload, scheme, in_force, guess)
        if isinstance(decoded, Flaw):
            return _placed(decoded, at, text)
        payload = decoded
        at = -1
    if dovecot is not None and not allow_weak and dovecot >= (2, 4):
        weak = accepts.refused_as_weak(scheme, payload)
        if weak:
            return weak
    params = scheme.parse(payload)
    if isinstance(params, Flaw):
        if not at and scheme.families == ("crypt",) and _PBKDF2_BARE.fullmatch(text):
            return Flaw(
                params.verdict, "a PBKDF2 hash without {PBKDF2}: a bare $1$ is taken for MD5-CRYPT", 0
            )
        return _placed(params, at, text)
    return Hash(scheme, written, params, payload, prefixed)


def _placed(flaw: Flaw, at: int, text: bytes) -> Flaw:
    """The flaw with its place counted in the whole string, where that can be said."""
    reason = flaw.reason
    if flaw.cut and len(text) in _WIDTHS:
        reason += f"; the whole string has {len(text)} characters, as a VARCHAR({len(text)}) leaves them"
    position = None if flaw.position is None or at < 0 else at + flaw.position
    return replace(flaw, reason=reason, position=position)


def _no_scheme(text: bytes) -> Flaw:
    if text.startswith(b"{"):
        return Flaw(Verdict.MALFORMED, "no } after {: no scheme can be read", 0)
    return Flaw(Verdict.MALFORMED, "no {SCHEME} before it, so the passdb's default scheme decides", 0)


def _decode(payload: bytes, scheme: Scheme, in_force: str, guess: bool) -> bytes | Flaw:
    """Source: password_decode() in Dovecot 2.3.19.1 src/auth/password-scheme.c."""
    want = scheme.raw_length
    decoded = None
    if guess:
        if len(payload) == 2 * want:
            decoded = hex_decode(payload)
        if decoded is None:
            decoded = base64_decode(payload)
        in_force = "BASE64"
    elif in_force == "HEX":
        decoded = hex_decode(payload)
    else:
        decoded = base64_decode(payload)
    if decoded is None:
        return _not_decoded(payload, in_force)
    if want and len(decoded) != want:
        return _wrong_length(payload, decoded, want)
    return decoded


def _not_decoded(payload: bytes, encoding: str) -> Flaw:
    if encoding == "HEX":
        at = first_foreign(payload, b"0123456789abcdefABCDEF")
        cut = at is None
        why = "an odd number of digits: cut off?" if cut else "a character that is no hex digit"
        if at is not None and payload[at:].strip() == b"":
            why = "ends in a newline or blank"
        return Flaw(Verdict.MALFORMED, f"Input isn't valid HEX encoded data: {why}", at, cut)
    at = first_foreign(payload, BASE64 + b"= \t\r\n")
    cut = False
    if at is None:
        bare = payload.translate(None, b" \t\r\n")
        padding = len(bare) - len(bare.rstrip(b"="))
        if b"=" in bare[: len(bare) - padding]:
            why = "padding (=) in the middle"
        elif padding:
            cut, why = True, "the padding (=) does not fit the number of characters: cut off?"
        else:
            cut, why = True, "the padding (=) is missing: stripped, or cut off?"
    elif payload[at : at + 1] in b"-_":
        why = "url-safe base64 (- and _), Dovecot takes + and /"
    elif payload[at : at + 1] == b"$":
        why = "a $ is no base64: another scheme's hash?"
    else:
        why = "a character that base64 lacks"
    return Flaw(Verdict.MALFORMED, f"Input isn't valid base64 encoded data: {why}", at, cut)


def _wrong_length(payload: bytes, decoded: bytes, want: int) -> Flaw:
    bare = payload.rstrip(b"\r\n")
    cut = False
    if bare != payload and len(bare) == 2 * want and hex_decode(bare) is not None:
        why = "hex that ends in a newline, and so was taken for base64"
    elif hex_decode(payload) is not None and len(payload) == 2 * want:
        why = "hex, where .b64 says base64"
    elif len(decoded) < want:
        cut, why = True, "cut off, or another scheme's digest"
    elif len(decoded) in (16, 20, 32, 64):
        why = "another scheme's digest"
    else:
        why = "a salt or something else follows the digest"
    said = f"Input length isn't valid ({len(decoded)} instead of {want})"
    return Flaw(Verdict.MALFORMED, f"{said}: {why}", len(payload), cut)


def too_much(scheme: Scheme, hash_: Hash, limits: Limits, more: str = "") -> Judgement | None:
    """A refusal to compute, for a string that asks for more than ``limits``; ``more``: what raises them."""
    need = scheme.memory(hash_.payload)
    if need.total > limits.memory:
        return Judgement(
            Verdict.OUT_OF_MEMORY,
            f"asks for {need.total / 2**20:.0f} MiB, more than the {limits.memory / 2**20:.0f} MiB allowed"
            f" here{more}; not computed",
        )
    time = scheme.seconds(hash_.params)
    if time > limits.seconds:
        return Judgement(
            Verdict.UNSUPPORTED,
            f"would take about {time:.0f} s, more than the {limits.seconds:.0f} s allowed here{more}; not"
            " computed (Dovecot gives a login up after 60 s)",
        )
    return None


def verify(
    stored: bytes | str,
    password: Password,
    *,
    user: str = "",
    default_scheme: str | None = "CRYPT",
    dovecot: Release | None = None,
    allow_weak: bool = False,
    limits: Limits | None = None,
) -> Judgement:
    """The verdict that Dovecot would give, and the reason that it would not."""
    parsed = parse(stored, default_scheme=default_scheme, dovecot=dovecot, allow_weak=allow_weak)
    if isinstance(parsed, Flaw):
        return Judgement(parsed.verdict, parsed.reason)
    return verify_hash(parsed, password, user=user, limits=limits)


def verify_hash(
    hash_: Hash, password: Password, *, user: str = "", limits: Limits | None = None
) -> Judgement:
    """The same for a string already parsed."""
    allowance = here()
    refused = too_much(hash_.scheme, hash_, limits or allowance.limits, "" if limits else allowance.more)
    if refused := refused or allowance.refused():
        return refused
    with allowance.counted():
        return hash_.scheme.verify(hash_.payload, password, user)


def generate(scheme: str, password: Password, *, user: str = "", **params: int | str) -> str:
    """A new stored string; today's recommendations stand in for what ``params`` does not say.

    ``scheme`` may have an encoding, as in "SSHA512.HEX". Raises UsageError for a scheme or
    parameter that does not exist, and for a password with a NUL, which Dovecot would cut there.
    """
    entry = lookup(scheme.encode("utf-8", "surrogateescape"))
    if entry is None:
        raise UsageError(f"{accepts.unknown(scheme).reason}.")
    if b"\0" in password.raw:
        raise UsageError("The password holds a NUL byte, and Dovecot takes only what stands before it.")
    unknown = sorted(set(params) - set(entry[0].options))
    if unknown:
        known = ", ".join(entry[0].options) or "none"
        raise UsageError(f"{entry[0].name} has no parameter {unknown[0]}; it has: {known}.")
    payload = entry[0].generate(password, user, params)
    made = f"{{{entry[0].name}{'.' if entry[1] else ''}{entry[1]}}}".encode() + _encoded(payload, entry)
    return made.decode(errors="surrogateescape")


def _encoded(payload: bytes, entry: Entry) -> bytes:
    if entry[2] == "HEX":
        return payload.hex().encode()
    return base64_encode(payload) if entry[2] else payload


def identify(stored: bytes | str) -> Scheme | None:
    """The scheme a string names (or, for "$1$", implies); None where it names none that exists."""
    name = split(raw(stored))[0]
    entry = lookup(name) if name is not None else None
    return entry[0] if entry else None


def hash_memory(hash_: Hash) -> Memory:
    return hash_.scheme.memory(hash_.payload)


def shown(
    stored: bytes | str, *, default_scheme: str | None = "CRYPT", dovecot: Release | None = None
) -> str:
    """Any stored string as a report may show it: never a byte that is not structure."""
    parsed = parse(stored, default_scheme=default_scheme, dovecot=dovecot)
    return parsed.shown if isinstance(parsed, Hash) else shown_broken(stored)


def shown_broken(stored: bytes | str) -> str:
    """The same of one that is known for no hash."""
    text = raw(stored)
    name, payload, at = split(text)
    if name is None:
        return f"(no scheme) ({counted(len(text), 'character')})"
    entry = lookup(name)
    if entry is None:
        return f"{{{accepts.known_misname(name) or '?'}}}... ({len(payload)} characters after the scheme)"
    prefix = f"{{{entry[0].name}{'.' if entry[1] else ''}{entry[1]}}}" if at else ""
    return f"{prefix}... ({len(payload)} characters after the scheme)"


assert len({scheme.name for scheme in SCHEMES}) == len(SCHEMES), "a scheme is listed twice"
