"""``hash convert --to``: a stored string of Dovecot's in the form of other software, or why there is none.

No password is needed, as the same digest, salt and cost are written in another way.  Where the string is the
password itself, or the password is given, one that has no form there is hashed again.
"""

from dataclasses import field

from mailauth.hashes import judge
from mailauth.hashes.hash import Flaw, Hash, Password, Verdict
from mailauth.hashes.passport_forms import NoFormError
from mailauth.hashes.passport_parts import KINDS, Pieces, taken_apart
from mailauth.hashes.passport_targets import Destination, destination
from mailauth.records import dataclass


@dataclass(frozen=True, slots=True)
class Passport:
    """``source``: what the string is, fit for a report.  ``stored``: None where ``reason`` says why there is
    none; else ``reason`` is what whoever administers the target has to know.
    """

    target: str
    source: str
    stored: bytes | None = field(repr=False)
    reason: str = ""


_NEVER = {
    "scram-sha-256": "the PBKDF2 result that it is made of cannot be computed back from the keys",
    "scram-sha-1": "the PBKDF2 result that it is made of cannot be computed back from the keys",
    "cram-md5": "only CRAM-MD5 can use it",
    "digest-md5": "it hashes the user's name and realm, too",
    "otp": "it changes with every login",
    "plain-trunc": "the rest of the password is not stored",
    "md4": "nobody else stores them",
}


def issue(
    stored: bytes | str,
    name: str,
    *,
    password: Password | None = None,
    user: str = "",
    default_scheme: str | None = None,
) -> Passport:
    """The string in the form of the target of that name.

    With ``password`` the string is verified first.  Raises UsageError for a target that there is not.
    """
    there = destination(name)
    name = name.lower()
    text = judge.raw(stored).strip(b"\r\n")
    parsed = judge.parse(text, default_scheme=default_scheme)
    if isinstance(parsed, Flaw):
        shown = judge.shown(text, default_scheme=default_scheme)
        return Passport(
            name,
            shown,
            None,
            f"Dovecot does not take it: {parsed.reason}; other software's strings go without --to first",
        )
    if password is not None:
        judged = judge.verify_hash(parsed, password, user=user)
        if judged.verdict is not Verdict.MATCH:
            return Passport(name, parsed.shown, None, f"not verified: {judged.reason}")
    return _issued(parsed, name, there, password)


def _issued(parsed: Hash, name: str, there: Destination, password: Password | None) -> Passport:
    part, source = taken_apart(parsed), parsed.shown
    known = password or (Password(part.text) if part.kind == "plain" else None)
    try:
        return Passport(name, source, *_written(part, there))
    except NoFormError as why:
        if known is None:
            return Passport(name, source, None, str(why))
    made = judge.parse(judge.generate(there.anew, known), default_scheme=None)
    assert isinstance(made, Hash), "what is generated parses"
    made_text, note = _written(taken_apart(made), there)
    said = f"hashed again from the password ({made.shown})"
    return Passport(name, source, made_text, f"{said}; {note}" if note else said)


def _written(part: Pieces, there: Destination) -> tuple[bytes, str]:
    """The string there, and what is to be known of it.  Raises NoFormError."""
    entry = there.forms.get(part.kind)
    if entry is None:
        raise NoFormError(_why_not(part.kind, there))
    write, note = entry if isinstance(entry, tuple) else (entry, "")
    try:
        made = write(part)
    except NoFormError as why:
        raise NoFormError(f"{there.about}: {why}") from None
    return made, "; ".join(filter(None, (note, there.note)))


def _why_not(kind: str, there: Destination) -> str:
    takes = ", ".join(words for one, words in KINDS.items() if one in there.forms)
    because = there.why.get(kind) or _NEVER.get(kind)
    return f"{there.about}: no {KINDS[kind]} there{f' ({because})' if because else ''}, only {takes}"
