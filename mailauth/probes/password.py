"""Beyond the given password: near variants of one that is wrong, and the part of a right one that is read."""

import time
from collections.abc import Sequence
from dataclasses import replace

from mailauth import hashes
from mailauth.errors import CannotObserve
from mailauth.evidence import NotApplicable, PasswordBytes, PasswordPart, PasswordVariant
from mailauth.hashes import Hash, Password, Verdict
from mailauth.hashes.interruptible import verify_hash
from mailauth.hashes.variants import variants
from mailauth.memory.child import check_physical
from mailauth.probes.lookup import parsed
from mailauth.probes.readers import verifying
from mailauth.probes.scene import Case, Scene
from mailauth.probes.stored import observe_stored
from mailauth.records import dataclass

_SOURCE = "verified here, without a limit"
_MOST = 120  # variants, against each hash


@dataclass(frozen=True, slots=True)
class Suspect:
    """A sound hash, and which passdb has it; the number of one that refuses the account all the same."""

    hash: Hash
    source: str
    refusing: int = 0


def observe_kept(scene: Scene) -> list[Suspect]:
    """The hashes of accounts that are refused, as far as they are sound.  Raises CannotObserve."""
    found = []
    for entry in scene.refused:
        passdb = verifying(entry.passdb)
        record = replace(entry.record, stored=entry.record.kept, noscheme=True)
        case = Case(passdb, record, parsed(record, passdb, scene.config))
        stored = observe_stored(case, scene)
        if isinstance(case.hash, Hash) and stored.damage is None:
            found.append(Suspect(case.hash, stored.source, passdb.number))
    return found


def observe_variants(
    suspects: Sequence[Suspect], password: Password, user: str, seconds: float
) -> PasswordVariant:
    """Verify the near variants of a wrong password against each hash, until one matches or time is up.

    ``seconds`` are processor time, so that a busy server does not change what is found; and no more than
    three times as many pass.  A verification is begun only if one as long as the longest would end in time.
    """
    left = variants(password)[:_MOST]
    until, latest = time.process_time() + seconds, time.monotonic() + 3 * seconds
    longest = _guess(suspects)
    tried = 0
    while left and time.process_time() + longest <= until and time.monotonic() <= latest and _room(suspects):
        variant = left.pop(0)
        tried += 1
        began = time.process_time()
        for one in suspects:
            if verify_hash(one.hash, variant.password, user=user).verdict is Verdict.MATCH:
                return PasswordVariant(_SOURCE, variant.change, variant.how, one.source, tried, len(left))
        taken = time.process_time() - began
        longest = taken if tried == 1 else max(longest, taken)
    return PasswordVariant(_SOURCE, None, "", "", tried, len(left))


def _guess(suspects: Sequence[Suspect]) -> float:
    return sum(one.hash.scheme.seconds(one.hash.params) for one in suspects)


def _room(suspects: Sequence[Suspect]) -> bool:
    """Whether this machine, which may be in production, has the memory."""
    try:
        check_physical(max(hashes.hash_memory(one.hash).total for one in suspects), "not tried")
    except CannotObserve:
        return False
    return True


def observe_part(suspects: Sequence[Suspect], password: Password, user: str) -> PasswordPart | NotApplicable:
    """A right password that is longer than its scheme reads: whether what is read lets in by itself."""
    for one in suspects:
        reads = one.hash.reads
        if one.hash.scheme.stores_password or reads is None:
            continue  # what is read of a PLAIN-TRUNC is HASH023's
        if len(password.text) > reads:
            part = Password(password.text[:reads])
            matches = verify_hash(one.hash, part, user=user).verdict is Verdict.MATCH
            return PasswordPart(f"{one.source}; {_SOURCE}", one.hash.scheme.name, reads, matches)
    return NotApplicable(PasswordPart, "the whole password is read")


def observe_bytes(password: Password) -> PasswordBytes:
    r"""Source: password_has_illegal_chars(), Dovecot 2.3.13 to 2.4.4 src/auth/auth-request.c."""
    return PasswordBytes(
        "the password given", any(byte in b"\x01\t\r\n" for byte in password.text), b"\0" in password.raw
    )
