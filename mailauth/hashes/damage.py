"""How a stored string that matches nothing was damaged: exactly one kind for each string.

Precedence, where there was more than one accident: what cannot be undone, whatever stands around it;
then what can, the outermost first (blanks, quotes, braces, protected dollars, a second scheme, the
name).  What no pattern names for certain is OTHER, with the parser's own reason.
"""

from collections.abc import Iterator

from mailauth.hashes import (
    accepts,
    bare,
    braces,
    damage_forms,
    digest_damage,
    judge,
    mend,
    notation,
    way_back,
)
from mailauth.hashes.damage_forms import Said
from mailauth.hashes.damaged import Damage, Kind, Reader
from mailauth.hashes.foreign import convert
from mailauth.hashes.hash import Flaw, Hash, Password, Verdict
from mailauth.hashes.schemes import SCHEMES, called, lookup

_CRYPTS = frozenset(one.name for one in SCHEMES if one.library == "libcrypt")
_REVERSIBLE = frozenset(
    {Kind.BLANKS, Kind.PADDED, Kind.WRAPPED, Kind.BYTEA}
    | {Kind.QUOTES, Kind.BRACES, Kind.TWO_PREFIXES, Kind.MISLABELLED, Kind.NO_PREFIX}
    | {Kind.NEWER_NAME, Kind.FOREIGN_NAME, Kind.BASE64, Kind.NOTATION}
)
_LOST = frozenset(
    {Kind.CUT, Kind.PLAINTEXT, Kind.EMPTY, Kind.LIBC, Kind.WEAK, Kind.BCRYPT_MINOR}
    | {Kind.ARGON2D, Kind.ARGON2_VERSION, Kind.ARGON2_SHORT, Kind.ONE_CASE}
)


def classify(
    stored: bytes, parsed: Hash | Flaw, reader: Reader, password: Password | None = None
) -> Damage | None:
    """The damage of the string that the store holds; ``parsed`` is how this Dovecot takes it.

    None when it is sound: a password can match it, and it is no hash that is taken for a password.
    A ``password`` that was given tells a plaintext from a broken hash.
    """
    text = judge.raw(stored)
    found = _classify(text, parsed, reader, password)
    if found is None:
        return None
    kind, detail, scheme = found
    opens = kind in (Kind.LOCKED, Kind.EMPTY) and isinstance(parsed, Hash) and parsed.scheme.stores_password
    can_be = tuple(one.what for one in bare.likely(text)) if kind is Kind.NO_PREFIX and not scheme else ()
    mendable = kind not in _LOST and _mends(text, kind, reader, password)
    if isinstance(detail, Flaw):
        return Damage(kind, detail.reason, mendable, scheme, can_be, opens, detail.surplus)
    return Damage(kind, detail, mendable, scheme, can_be, opens)


def _mends(text: bytes, kind: Kind, reader: Reader, password: Password | None) -> bool:
    if kind is Kind.OTHER:
        again = mend.mend(text, dovecot=reader.dovecot, allow_weak=reader.allow_weak)
        return again is not None and not again.guessed
    return way_back.mended(text, reader, password) is not None


def _classify(text: bytes, parsed: Hash | Flaw, reader: Reader, password: Password | None) -> Said | None:  # noqa: C901 - the order of precedence
    if reader.noscheme and (said := _as_noscheme(text, password)):
        return said
    name = None if reader.noscheme else _written(text)
    payload = text if name is None else text[len(name) + 2 :]
    as_text = isinstance(parsed, Hash) and parsed.scheme.stores_password
    if (
        (as_text or isinstance(parsed, Flaw))
        and bare.locked(payload)
        and (name is None or payload[:1] in _LOCKS)
    ):
        return Kind.LOCKED, _OPEN_LOCK if as_text else "a locked account: no password matches it", ""
    if isinstance(parsed, Hash) and as_text:
        return _as_text(text, payload, name, parsed, password, reader)
    named = name is not None and not damage_forms.wants_hash(name)
    if password is not None and password.text and password.text == name and not payload:
        return Kind.BRACES, "the password itself is between the braces", "PLAIN"
    if password is not None and password.text and password.text in (text, payload) and not named:
        return Kind.PLAINTEXT, "the password itself is stored, where a hash is expected", ""
    if not _unpacked(parsed) and notation.encoded(payload) and (said := _Look(reader, None).at(text)):
        return said  # whatever this scheme makes of these digits
    if isinstance(parsed, Hash):
        return (
            _of_one_case(parsed, password, reader.user)
            or digest_damage.of_password(payload, name, parsed, password, reader.user)
            or digest_damage.in_hex(payload, name, parsed)
            or _shortened(parsed, password, reader.user)
        )
    if parsed.verdict is Verdict.WEAK:
        allowed = judge.parse(
            text, default_scheme=reader.default_scheme, dovecot=reader.dovecot, allow_weak=True
        )
        if isinstance(allowed, Hash):
            return Kind.WEAK, parsed.reason, ""
        parsed = allowed  # 2.4 calls all DES that stands under {CRYPT} and begins with no $
    if reader.noscheme and text.startswith(b"{"):
        return Kind.OTHER, parsed, ""
    if name is None and (said := damage_forms.leftover(text)):
        return said
    if said := digest_damage.of_password(payload, name, None, password, reader.user):
        return said
    return _Look(reader, parsed).at(text) or (Kind.OTHER, parsed, "")


_LOCKS = (b"!", b"*")
_OPEN_LOCK = "it locks an account elsewhere, and here these characters are the password"


def _as_noscheme(text: bytes, password: Password | None) -> Said | None:
    """A hash with its scheme, which is taken for a part of it."""
    whole = judge.parse(text, default_scheme=None)
    if isinstance(whole, Flaw) or _written(text) is None or (password and password.text == text):
        return None
    name = whole.scheme.name
    return Kind.OTHER, f"the query returns it as password_noscheme, so that {{{name}}} names no scheme", name


def _as_text(
    text: bytes, payload: bytes, name: bytes | None, parsed: Hash, password: Password | None, reader: Reader
) -> Said | None:
    """A password stored as it is, unless it is plainly a hash that has lost its name."""
    if password is not None and password.text in (text, payload, parsed.payload):
        return None  # also the empty one
    if parsed.scheme.partly:
        return None
    if not payload:
        return Kind.EMPTY, "nothing is stored" if not text else "nothing follows the scheme", ""
    if said := damage_forms.leftover(payload):
        return said
    if name is None and (said := damage_forms.no_password(text)):
        return said
    if password is not None and password.text:
        said = damage_forms.wrapped(payload, password)
        said = said or digest_damage.of_password(payload, name, None, password, reader.user)
        if said:
            return said
    if not notation.encoded(payload) and not any(
        map(damage_forms.looks_hashed, (text, payload, *(again for _, again in notation.readings(text))))
    ):
        return _foreign(text, None) if name is None else None
    found = _Look(reader, None).at(text)
    vague = (Kind.PLAINTEXT, Kind.UNKNOWN) if name is None else (Kind.PLAINTEXT, Kind.OTHER, Kind.UNKNOWN)
    return None if found is None or found[0] in vague else found


def _of_one_case(parsed: Hash, password: Password | None, user: str) -> Said | None:
    """A hash that parses, and that no hashing makes: its letters have lost their case."""
    found = notation.one_case(parsed.payload)
    if not found or (
        password is not None and judge.verify_hash(parsed, password, user=user).verdict is Verdict.MATCH
    ):
        return None
    return Kind.ONE_CASE, found, ""


def _shortness(parsed: Hash) -> tuple[str, bool]:
    """What is odd about the length, and whether nobody makes such a hash."""
    values = dict(parsed.params)
    tag, salt = int(values.get("tag", 0)), int(values.get("salt", 0))
    if parsed.scheme.library == "libsodium" and tag < _USUAL_TAG and tag != _LEAST_TAG:
        return f"a tag of {tag} bytes, where nearly everyone makes 32", tag % 4 != 0
    if "salt" in parsed.scheme.options and salt not in mend.USUAL_SALTS:
        return f"a salt of {salt} bytes after the digest", False
    return "", False


_USUAL_TAG, _LEAST_TAG = 32, 16


def _shortened(parsed: Hash, password: Password | None, user: str) -> Said | None:
    """A hash that parses and was cut off all the same: with so much of it no password can be called wrong."""
    odd, surely = _shortness(parsed)
    if not odd or (password is None and not surely):
        return None
    if (
        password is not None
        and judge.verify_hash(parsed, password, user=user).verdict is not Verdict.MISMATCH
    ):
        return None
    return Kind.CUT, f"probably cut off: {odd}", ""


def _unpacked(parsed: Hash | Flaw) -> bool:
    """Whether Dovecot itself unpacks the hash: {ARGON2ID.B64} before base64 of a whole one."""
    if not isinstance(parsed, Hash) or parsed.scheme.stores_password:
        return False
    return bool(parsed.encoding) and not parsed.scheme.default_encoding


def _written(text: bytes) -> bytes | None:
    name, _, at = judge.split(text)
    return name if at else None


class _Look:
    """One look at a string, accident by accident."""

    def __init__(self, reader: Reader, flaw: Flaw | None) -> None:
        self._reader = reader
        self._flaw = flaw

    def at(self, text: bytes, depth: int = 0) -> Said | None:
        """None: sound once it is named so."""
        name = _written(text)
        payload = text if name is None else text[len(name) + 2 :]
        parsed = judge.parse(text, default_scheme=None, dovecot=self._reader.dovecot, allow_weak=True)
        if isinstance(parsed, Hash) and name is not None:
            hidden = parsed.scheme.stores_password and damage_forms.looks_hashed(payload)
            if not hidden and (_unpacked(parsed) or not notation.encoded(payload)):
                return None
        if not payload.strip():
            return Kind.EMPTY, "nothing follows the scheme" if name else "nothing is stored", ""
        if depth < 4:
            for kind, detail, undone in self._undone(name, payload):
                inner = self.at(undone, depth + 1)
                if inner is None or inner[0] in _REVERSIBLE:
                    return kind, detail, ""
                return inner
        return self._of(name, payload, parsed if isinstance(parsed, Flaw) else None, depth)

    def _undone(self, name: bytes | None, payload: bytes) -> Iterator[tuple[Kind, str, bytes]]:
        """What can be taken away from around a hash."""
        prefix = b"" if name is None else b"{%b}" % name
        bare = payload.strip(mend.BLANKS).removeprefix(mend.BYTE_ORDER_MARK)
        if bare != payload:
            yield Kind.PADDED if _padded(payload) else Kind.BLANKS, _where(payload), prefix + bare
        unwrapped = mend.unwrapped(payload)
        if unwrapped not in (payload, bare):
            yield Kind.WRAPPED, "there is a line break in it", prefix + unwrapped
        if name is not None and name.strip() != name:
            yield Kind.BLANKS, "there are blanks between { and }", b"{%b}%b" % (name.strip(), payload)
        for what, again in notation.readings(payload):
            kind = Kind.BYTEA if payload.startswith(notation.BYTEA) else Kind.NOTATION
            yield kind, what, again if again.startswith(b"{") else prefix + again
        bare = payload.strip(mend.QUOTES)
        if bare != payload:
            yield Kind.QUOTES, "there are quotes around it, which count", prefix + bare
        whole = braces.repaired(payload) if name is None else None
        if whole is not None:
            yield Kind.BRACES, "the braces around the scheme are not { and }", whole
        for written, what in ((b"\\$", "there is a backslash before each $"), (b"$$", "each $ is doubled")):
            if payload.startswith(written):
                yield Kind.SHELL, what, prefix + payload.replace(written, b"$")
        second = _written(payload) if name is not None else None
        if second is not None and (lookup(second) or accepts.meant(second)):
            yield Kind.TWO_PREFIXES, "a second {SCHEME} follows the first", payload

    def _of(self, name: bytes | None, payload: bytes, flaw: Flaw | None, depth: int) -> Said:
        told = self._flaw or flaw or Flaw(Verdict.MISMATCH, "no hash that this Dovecot has")
        if one_case := notation.one_case(payload):
            return Kind.ONE_CASE, one_case, ""
        eaten = damage_forms.eaten(name, payload)
        if eaten:
            return Kind.SHELL, eaten, ""
        label = damage_forms.label(payload)
        entry = lookup(name) if name is not None else None
        newer = entry is not None and accepts.missing(entry[0], self._reader.dovecot) is not None
        known = entry[0].name if entry and not entry[1] and not newer else ""
        if label and known not in damage_forms.takers(label):
            return self._relabelled(name, label, payload, depth)
        if label:
            return damage_forms.within(label, payload, flaw) or (Kind.OTHER, flaw or told, "")
        return self._unlabelled(name, payload, flaw, told)

    def _relabelled(self, name: bytes | None, label: str, payload: bytes, depth: int) -> Said:
        """The hash is another scheme's than the name says, or has no name."""
        if depth < 5:
            inner = self.at(b"{%b}%b" % (label.encode(), payload), 5)
            if inner is not None:
                return inner
        if name is None:
            return Kind.NO_PREFIX, f"{called(label)} without {{{label}}} before it", label
        shown = damage_forms.shown(name)
        entry = lookup(name)
        if entry is None:
            other = accepts.known_misname(name)
            if other or convert(b"{%b}%b" % (name, payload)).dovecot is not None:
                return Kind.FOREIGN_NAME, f"{shown} is another program's name; Dovecot's is {label}", label
            return Kind.UNKNOWN, f"no Dovecot has a scheme {shown}; the hash is {label}", label
        missing = accepts.missing(entry[0], self._reader.dovecot)
        if missing is not None and entry[0].since:
            return Kind.NEWER_NAME, missing.reason, label
        if missing is not None:
            return Kind.UNKNOWN, missing.reason, label
        return Kind.MISLABELLED, f"named {shown}, and it is {called(label)}", label

    def _unlabelled(self, name: bytes | None, payload: bytes, flaw: Flaw | None, told: Flaw) -> Said:
        """No prefix inside the hash tells what it is: digests, other software's formats, no hash at all."""
        if name is not None:
            found = self._named(name, payload, flaw)
            if found is not None:
                return found
        if (name is None or _family(name)) and (found := _foreign(payload, name)):
            return found
        if (name is None or _family(name)) and (found := self._by_form(name, payload)):
            kind, detail, scheme = found
            if name is None or kind is not Kind.NO_PREFIX:
                return found
            return Kind.MISLABELLED, f"named {damage_forms.shown(name)}, and it is {detail}", scheme
        crypts = self._reader.default_scheme in _CRYPTS if name is None else _crypt(name)
        if crypts and damage_forms.unknown_id(payload):
            return Kind.LIBC, "crypt(3) has no algorithm of this id", ""
        if name is None and damage_forms.is_des(payload):
            return Kind.NO_PREFIX, f"{called('DES-CRYPT')} without {{DES-CRYPT}} before it", "DES-CRYPT"
        text = damage_forms.is_text(payload) or (name is None and damage_forms.is_password(payload))
        if text and (name is None or damage_forms.wants_hash(name)):
            return Kind.PLAINTEXT, "it looks like no hash at all, but like a password", ""
        return Kind.OTHER, flaw if flaw is not None and name is not None else told, ""

    def _by_form(self, name: bytes | None, payload: bytes) -> Said | None:
        """By its length; what has no name may be the beginning of a digest of the default scheme."""
        entry = (
            lookup(self._reader.default_scheme.encode("utf-8", "surrogateescape")) if name is None else None
        )
        said = damage_forms.of_digest(entry, payload, self._flaw) if entry else None
        if said and said[0] is Kind.CUT and bare.cut_base64(payload):
            return said
        return digest_damage.by_form(payload)

    def _named(self, name: bytes, payload: bytes, flaw: Flaw | None) -> Said | None:
        entry = lookup(name)
        if entry is not None:
            missing = accepts.missing(entry[0], self._reader.dovecot)
            if missing is not None:
                kind = Kind.NEWER_NAME if entry[0].since else Kind.UNKNOWN
                return kind, missing.reason, (*entry[0].aliases, "")[0] if kind is Kind.NEWER_NAME else ""
            return damage_forms.of_digest(entry, payload, flaw)
        if name.upper() == b"ARGON2D":
            return Kind.ARGON2D, "argon2d: libsodium has only argon2i and argon2id", ""
        meant = accepts.meant(name)
        whole = b"{%b}%b" % (name, payload)
        if meant and not isinstance(
            judge.parse(b"{%b}%b" % (meant.encode(), payload), default_scheme=None), Flaw
        ):
            return (
                Kind.FOREIGN_NAME,
                f"{damage_forms.shown(name)} is another program's name; Dovecot's is {meant}",
                meant,
            )
        found = _foreign(whole, name)
        if found is not None:
            return found
        return Kind.UNKNOWN, accepts.unknown(name.decode(errors="replace")).reason, ""


def _family(name: bytes) -> bool:
    """A name under which any string of crypt(3) may stand."""
    entry = lookup(name)
    return bool(entry and entry[0].families == ("crypt",))


def _crypt(name: bytes | None) -> bool:
    """{CRYPT} itself, under which strings of any libc are put."""
    return name is not None and name.upper() == b"CRYPT"


def _foreign(text: bytes, name: bytes | None) -> Said | None:
    """Another software's format, where it is one for certain."""
    if not damage_forms.MARKED.match(text):
        return None
    found = convert(text)
    if found.ours or not found.is_hash:
        return None
    if found.dovecot is None:
        return Kind.FOREIGN_FORMAT, f"{found.source}: {found.reason}", ""
    if name is not None and found.dovecot.endswith(b"}" + text.partition(b"}")[2]):
        scheme = found.dovecot[1:].partition(b"}")[0].decode()
        return Kind.FOREIGN_NAME, f"{found.source}: Dovecot's name for it is {scheme}", scheme
    return Kind.FOREIGN_FORMAT, f"{found.source}: Dovecot takes it in another form", ""


def _padded(payload: bytes) -> bool:
    """Whether several blanks end it, as a column of a fixed width has them."""
    rest = payload[len(payload.rstrip(mend.BLANKS)) :]
    return len(rest) > 1 and not rest.strip(b" ")


def _where(payload: bytes) -> str:
    before = len(payload) - len(payload.lstrip(mend.BLANKS))
    rest = payload[len(payload.rstrip(mend.BLANKS)) :]
    if rest:
        what = {
            b"\n": "a newline",
            b"\r\n": "a CR and a newline",
            b"\r": "a CR",
            b" ": "a blank",
            b"\t": "a tab",
        }
        many = f"{len(rest)} blanks" if not rest.strip(b" ") else f"{len(rest)} blanks or line ends"
        return f"it ends in {what.get(rest, many)}"
    many = f"{before} blanks or line ends" if before > 1 else "a blank or a line end"
    return f"{many} before it" if before else "there is a byte order mark before it"
