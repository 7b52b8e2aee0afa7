"""One user of a list: does the listed password match, and what does the row become.

Runs anywhere, on rows that were read before; it looks nothing up and writes nothing.
"""

from collections.abc import Sequence
from dataclasses import field
from enum import Enum

from mailauth import hashes
from mailauth.errors import MailauthError
from mailauth.hashes import Flaw, Hash, Password, Verdict, foreign_verify
from mailauth.hashes.bare import at_random
from mailauth.hashes.damaged import Reader
from mailauth.hashes.making import Order, make
from mailauth.hashes.nature import judged
from mailauth.hashes.proved import prove
from mailauth.hashes.schemes import AS_TEXT, ITSELF
from mailauth.hashes.serving import lost
from mailauth.migrate.goal import Goal, reached
from mailauth.records import dataclass


class Checked(Enum):
    """What became of one line; they are counted by these names."""

    MIGRATED = "migrated"
    SET = "set, whatever was there"
    ALREADY = "already there"
    MATCHES = "matches"
    REPEATED = "the same line once more"
    NO_MATCH = "the password does not match"
    NO_PASSWORD = "no password is stored"  # noqa: S105 - says that there is none
    BROKEN = "the stored string cannot be verified"
    TOO_LONG = "the old scheme reads only the beginning of so long a password"
    NOT_MADE = "the new hash could not be made"
    NO_USER = "no such user"
    SEVERAL = "several rows of that name"
    MALFORMED = "malformed line"
    CONFLICT = "another line has another password"
    NOT_TAKEN = "Dovecot takes no such user name"
    CHANGED = "the row changed meanwhile"
    NOT_KEPT = "the store does not keep the new string"
    MECHANISM = "a mechanism that is offered needs what is stored (--accept-mechanism-loss)"
    LOCKED = "the row is locked by someone else"
    NOT_SAID = "the row's key is not UTF-8"


DONE = frozenset(
    {Checked.MIGRATED, Checked.SET, Checked.ALREADY, Checked.MATCHES, Checked.REPEATED},
)
"""The other outcomes are of lines that were left."""
NEW = frozenset({Checked.MIGRATED, Checked.SET})


@dataclass(frozen=True, slots=True)
class Check:
    """What is asked of all.

    ``goal``: None verifies only.  ``reader``: who reads the passdb's strings.
    ``making``: whether new hashes are made, or only counted.  ``overwrite``: also where the password does
    not match, or there is none.  ``long_too``: also where the old scheme reads only a password's beginning.
    """

    goal: Goal | None
    order: Order
    reader: Reader
    making: bool = False
    overwrite: bool = False
    long_too: bool = False
    mechanisms: tuple[str, ...] = ()  # that are offered, and must be served as before

    def parsed(self, stored: bytes) -> Hash | Flaw:
        """As the passdb reads it; but schemes that this Dovecot refuses or lacks are verified, too."""
        return hashes.parse(self.reader.taken(stored), default_scheme=self.reader.default_scheme)

    def losing(self, claim: "Claim") -> str:
        """The mechanisms that this row serves, and its new hash would not."""
        stored = self.parsed(claim.stored or b"")
        if self.goal is None or isinstance(stored, Flaw) or not stored.payload:
            return ""
        return ", ".join(lost(self.mechanisms, stored.scheme.name, self.goal.scheme))

    def elsewhere(self, claim: "Claim") -> foreign_verify.ForeignAnswer | None:
        """Whether a hash of which Dovecot makes nothing is the listed password's; None: nobody knows it."""
        stored = (claim.stored or b"").strip(b"\r\n")
        proof = None if stored[:1] == b"{" else prove(stored, claim.password, claim.user)
        if proof is not None and not proof.cut:
            return foreign_verify.ForeignAnswer(proof.what, matches=True)
        return foreign_verify.verify(stored, claim.password, claim.user)


@dataclass(frozen=True, slots=True)
class Claim:
    """A user, the password that the list has, and what is stored."""

    user: str
    password: Password
    stored: bytes | None = field(repr=False)


Answer = tuple[Checked, str, str]
"""The outcome, the new hash, and why; the latter two may be ""."""


def check_some(check: Check, some: Sequence[Claim]) -> list[Answer]:
    """One task.  It never raises: Dask would log what it was called with."""
    found: list[Answer] = []
    for claim in some:
        try:
            found.append(_answer(check, claim))
        except MailauthError as why:
            found.append((Checked.NOT_MADE, "", str(why)))
        except MemoryError:
            found.append((Checked.NOT_MADE, "", "out of memory"))
        except Exception as bug:  # noqa: BLE001 - see above
            found.append((Checked.NOT_MADE, "", f"a bug in mailauth: {type(bug).__name__}"))
    return found


def _answer(check: Check, claim: Claim) -> Answer:
    outcome, why = _verified(check, claim)
    if outcome in DONE or outcome is Checked.TOO_LONG:
        new = outcome is Checked.MIGRATED
    else:
        new = check.overwrite
        outcome = Checked.SET if new else outcome
    if new and (names := check.losing(claim)):
        return Checked.MECHANISM, "", names
    if not new or not check.making:
        return outcome, "", why
    made = make(check.order, claim.password, claim.user)
    return (outcome, made, "") if isinstance(made, str) else (Checked.NOT_MADE, "", made.reason)


def _verified(check: Check, claim: Claim) -> tuple[Checked, str]:
    parsed = check.parsed(claim.stored or b"")
    if not claim.stored or (isinstance(parsed, Hash) and not parsed.payload):
        return Checked.NO_PASSWORD, ""
    if isinstance(parsed, Flaw):
        return _elsewhere(check, claim) or (Checked.BROKEN, parsed.reason)
    verdict = hashes.verify_hash(parsed, claim.password, user=claim.user)
    if verdict.verdict is Verdict.MISMATCH:
        bare = claim.stored[:1] != b"{" and parsed.scheme.name in ITSELF
        return (bare and _elsewhere(check, claim)) or (Checked.NO_MATCH, "")
    if verdict.verdict is not Verdict.MATCH:
        return Checked.BROKEN, verdict.reason
    plain = judged(claim.stored, check.reader).plaintext is not None or at_random(claim.password.text)
    if parsed.scheme.name in ITSELF and not plain:
        return Checked.BROKEN, "the list has the stored string itself, and that looks like a hash"
    if check.goal is None:
        return Checked.MATCHES, ""
    if reached(parsed, check.goal):
        return Checked.ALREADY, ""
    most = parsed.reads
    if most is not None and len(claim.password.raw) > most and not (check.long_too or check.overwrite):
        return Checked.TOO_LONG, f"{parsed.scheme.name} reads {most} bytes"
    return Checked.MIGRATED, ""


def _elsewhere(check: Check, claim: Claim) -> tuple[Checked, str] | None:
    """The same for another software's hash; None where it is none that is known."""
    found = check.elsewhere(claim)
    if found is None:
        return None
    if found.matches is None:
        return Checked.BROKEN, found.why
    if not found.matches:
        return Checked.NO_MATCH, ""
    return (Checked.MATCHES if check.goal is None else Checked.MIGRATED), ""


def plaintext(parsed: Hash | Flaw) -> bool:
    """Whether the stored string may be the password itself, as far as one can tell."""
    return isinstance(parsed, Flaw) or parsed.scheme.name in AS_TEXT
