"""Digests without their scheme's name, or under another's: by their form, or proven by the password."""

from mailauth.hashes import bare, judge, proved
from mailauth.hashes.damage_forms import Said, shown
from mailauth.hashes.damaged import Kind
from mailauth.hashes.hash import Hash, Password, Verdict
from mailauth.hashes.schemes import is_digest, lookup


def of_password(
    payload: bytes, name: bytes | None, parsed: Hash | None, password: Password | None, user: str
) -> Said | None:
    """The password's own digest under no name, or under another's."""
    if password is None or (parsed is not None and not is_digest(parsed)):
        return None
    if parsed is not None and judge.verify_hash(parsed, password, user=user).verdict is Verdict.MATCH:
        return None
    proof = proved.prove(payload, password, user)
    if proof is None or (name is not None and not _another(name, proof.scheme)):
        return None
    if proof.cut:
        return Kind.CUT, proof.what, ""
    if proof.dovecot is None:
        return Kind.FOREIGN_FORMAT, f"the {proof.what} of the password given: Dovecot has no such scheme", ""
    what = f"the {proof.what} of the password given"
    if not proof.dovecot.endswith(payload):
        return Kind.FOREIGN_FORMAT, f"{what}: Dovecot takes it in another form", ""
    if name is None:
        return Kind.NO_PREFIX, f"{what}, without {{{proof.scheme}}} before it", proof.scheme
    return Kind.MISLABELLED, f"named {shown(name)}, and it is {what}: {{{proof.scheme}}}", proof.scheme


def _another(name: bytes, scheme: str) -> bool:
    """Whether a name that Dovecot has says another scheme; else it is not the name that is wrong."""
    entry, found = lookup(name), lookup(scheme.encode("utf-8", "surrogateescape"))
    if entry is None:
        return False
    return found is None or found[0].name not in (entry[0].name, *entry[0].aliases)


def in_hex(payload: bytes, name: bytes | None, parsed: Hash) -> Said | None:
    """Hex digits that were read as base64, where no base64 looks so."""
    if parsed.scheme.default_encoding != "BASE64" or parsed.encoding == "HEX" or parsed.scheme.raw_length:
        return None
    if not bare.hexed(payload) or len(payload) < _WHOLE_HEX:
        return None
    if name is None:
        return by_form(payload)
    forms = bare.likely(payload)
    right = [one.scheme for one in forms if one.scheme]
    salted = len(payload) // 2 > parsed.scheme.digest_length > 0
    if f"{parsed.scheme.name}.HEX" in right or (salted and not right):
        written = f"{parsed.scheme.name}.HEX"
        return (
            Kind.MISLABELLED,
            f"it is hex, and {{{parsed.scheme.name}}} means base64: {{{written}}}",
            written,
        )
    one = right[0] if len(right) == 1 else ""
    what = forms[0].what if forms else "other"
    return Kind.MISLABELLED, f"named {{{parsed.scheme.name}}}, and it is a {what} hash in hex", one


_WHOLE_HEX = 32  # digits


def by_form(text: bytes) -> Said | None:
    """A digest by the number of its characters; None where they say nothing."""
    forms = bare.likely(text)
    size = f"{len(text)} hex digits" if bare.hexed(text) else f"{len(text)} characters of base64"
    if not forms or bare.is_des(text):
        whole = bare.cut_hex(text) or bare.cut_base64(text)
        return (Kind.CUT, f"cut off: {size}, where a digest has {whole} or more", "") if whole else None
    if not any(one.prefix for one in forms):
        what = " or ".join(one.what for one in forms)
        cut = bare.cut_base64(text)
        also = f", unless it is a digest of {cut} characters that was cut off" if cut else ""
        return Kind.FOREIGN_FORMAT, f"{size}: {what}; Dovecot has no such scheme{also}", ""
    if len(forms) == 1:
        scheme = forms[0].scheme
        return Kind.NO_PREFIX, f"{size}: a {forms[0].what} hash without {{{scheme}}} before it", scheme
    first = ", ".join(one.what for one in forms[:2])
    which = f"{first} or {forms[2].what}" if len(forms) > 2 else " or ".join(one.what for one in forms)
    return Kind.NO_PREFIX, f"{size}: {which}, and no {{SCHEME}} says which", ""
