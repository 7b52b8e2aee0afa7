"""Try the stored hash with the room that the verifying processes have."""

import re

from mailauth.errors import CannotObserve
from mailauth.evidence import StoredHash, Trial, Trials, Verifiers, VerifyingProcess
from mailauth.hashes import Hash, Password, Verdict
from mailauth.hashes.crypt import unknown_here
from mailauth.hashes.hash import Library
from mailauth.memory import fit
from mailauth.memory.child import TrialResult, trial
from mailauth.probes import pam_library

_STAND_IN = Password(b"no password was given")
_LONG = 2.5  # seconds: memory is then tried with one pass, which takes the same blocks
_PASSES = re.compile(rb",t=[0-9]+,")


def observe_trials(
    parsed: Hash, password: Password | None, stored: StoredHash, verifiers: Verifiers
) -> Trials:
    """Verify in a child with as much room as each verifying process has, and, with a password, without limit.

    Whether memory suffices does not depend on the password (measured), so none is needed for that; nor
    on the number of passes, so of a hash that takes long only one is made, and the password left to others.
    """
    kind: Library = parsed.scheme.library or "libcrypt"
    if kind == "libcrypt" and (why := unknown_here(parsed.payload)):
        raise CannotObserve(f"{why}.")
    shortened = kind == "libsodium" and stored.seconds > _LONG
    payload = _PASSES.sub(b",t=1,", parsed.payload, count=1) if shortened else parsed.payload
    given = password or _STAND_IN
    used: list[TrialResult] = []

    def run(room: int | None, *, later: bool) -> TrialResult:
        result = trial(
            kind,
            payload,
            given,
            stored.memory,
            room=room,
            later=later,
            library=verifiers.miss.libsodium if kind == "libsodium" else None,
        )
        used.append(result)
        return result

    def one(process: VerifyingProcess) -> Trial:
        room = fit.room(process.limit, process.size)
        later = run(room, later=True)
        # They differ only when the room is so tight that the index array decides.
        tight = room is not None and abs(room - stored.memory.blocks) <= fit.slack(stored.memory)
        first = run(room, later=False) if tight else later
        return Trial(process, room, first.verdict, later.verdict, later.seconds)

    miss = one(verifiers.miss)
    if verifiers.helper and _may_fit(miss, stored):
        raise pam_library.is_smaller(verifiers.helper, verifiers.miss.service)
    hit = one(verifiers.hit) if verifiers.hit is not None else None
    known = next((t.later for t in (miss, hit) if t and t.later is not Verdict.OUT_OF_MEMORY), None)
    unlimited = None
    if password is not None and not shortened:
        try:
            unlimited = known or run(None, later=False).verdict
        except CannotObserve:
            unlimited = None  # too big for this machine, or too slow: the trial under the limit stands
    return Trials(
        source=f"trial in a child process, with {_as_dovecot_sees_it(used[0].library)}",
        with_password=password is not None and not shortened,
        miss=miss,
        hit=hit,
        falls_back=verifiers.falls_back,
        unlimited=unlimited,
    )


def _may_fit(trial: Trial, stored: StoredHash) -> bool:
    """It does not fit into the process, and would into a smaller one of the same limit."""
    limit = trial.process.limit
    return trial.later is Verdict.OUT_OF_MEMORY and limit is not None and stored.memory.blocks < limit


def _as_dovecot_sees_it(library: str) -> str:
    """The path without the road into another root."""
    return re.sub(r"^/proc/[0-9]+/root", "", library)
