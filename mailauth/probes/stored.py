"""What is stored for the user: as scheme and parameters, never as it is."""

from mailauth import hashes
from mailauth.evidence import StoredHash
from mailauth.hashes import Flaw, Verdict
from mailauth.probes.scene import Case

_AS_TEXT = frozenset({"PLAIN", "CLEAR", "CLEARTEXT", "PLAIN-TRUNC"})


def observe_stored(case: Case) -> StoredHash:
    source = f"{case.passdb.label}, {case.record.place}"
    length = len(case.record.stored)
    bare_as = _bare_as(case)
    if isinstance(case.hash, Flaw):
        flaw = case.hash
        shown = hashes.shown(case.record.stored, default_scheme=case.passdb.default_scheme)
        named = shown[1:].partition("}")[0] if shown.startswith("{") else case.passdb.default_scheme
        return StoredHash(source, shown, named, length, hashes.Memory(), flaw.reason, flaw.verdict, bare_as)
    parsed = case.hash
    memory = hashes.hash_memory(parsed)
    return StoredHash(source, parsed.shown, parsed.scheme.name, length, memory, "", None, bare_as)


def _bare_as(case: Case) -> str:
    """The scheme that a string without {SCHEME} should have had before it, where the default is wrong."""
    from mailauth.hashes.mend import mend  # noqa: PLC0415 - 20 ms that only a bare string needs

    stored = case.record.stored
    if isinstance(case.hash, Flaw):
        mistaken = case.hash.verdict is not Verdict.WEAK  # then it was taken for what it is
    else:
        mistaken = case.hash.scheme.name in _AS_TEXT
    if stored[:1] == b"{" or not mistaken:
        return ""
    mended = mend(stored)
    if mended is None or not mended.stored.endswith(b"}" + stored):
        return ""
    return mended.stored[1:].partition(b"}")[0].decode()
