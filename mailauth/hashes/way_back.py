"""The way back of one damaged string: where nothing is lost by it, and nothing is guessed."""

from mailauth.hashes import bare, judge, proved
from mailauth.hashes.damaged import Reader
from mailauth.hashes.hash import Hash, Password
from mailauth.hashes.mend import mend


def mended(stored: bytes, reader: Reader, password: Password | None = None) -> bytes | None:
    """The string as it should be, where nothing is lost and nothing is guessed; None where that cannot be.

    A password decides what a digest is; without one, a form does that is only one scheme's.
    """
    text = judge.raw(stored)
    name, payload, at = judge.split(text)
    proof = proved.prove(payload if at else text, password, reader.user) if password else None
    if proof is not None and proof.dovecot is not None:
        return _taken_by(proof.dovecot, reader)
    if formed := _by_form(payload if at else text, name if at else None):
        return _taken_by(formed, reader)
    again = mend(text, dovecot=reader.dovecot, allow_weak=reader.allow_weak)
    return again.stored if again else None


def _taken_by(text: bytes | None, reader: Reader) -> bytes | None:
    if text is None:
        return None
    parsed = judge.parse(text, default_scheme=None, dovecot=reader.dovecot, allow_weak=reader.allow_weak)
    return text if isinstance(parsed, Hash) else None


def _by_form(payload: bytes, name: bytes | None) -> bytes | None:
    """A digest that can be one scheme's only; under another name only where it is hex, and so no guess."""
    if bare.is_des(payload) or (name is not None and not bare.hexed(payload)):
        return None
    forms = bare.likely(payload)
    kept = b"" if name is None else name.upper() + b".HEX"
    if any(one.scheme.encode() == kept for one in forms):
        return b"{%b}%b" % (kept, payload)
    return forms[0].made(payload).dovecot if len(forms) == 1 else None
