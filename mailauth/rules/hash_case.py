"""What the HASH rules share: which damage a code stands for, and the two remedies.

Not a rule itself.
"""

from mailauth import remedies
from mailauth.evidence import Evidence, StoredColumn, StoredHash
from mailauth.finding import Certainty, Problem, Remedy, StoreChange
from mailauth.hashes.damaged import Damage, Kind
from mailauth.hashes.schemes import AS_TEXT
from mailauth.remedies import HASH_NEW, HASH_SHOW

NEVER = 540.0  # seconds of one core of 2025: three times what a login process waits for its client


def damage(stored: StoredHash, *kinds: Kind) -> Damage | None:
    """The damage, if it is one of these."""
    found = stored.damage
    return found if found is not None and found.kind in kinds else None


def column_cut_it(stored: StoredHash, column: StoredColumn) -> bool:
    """The column is as wide as what is left of the string."""
    return column.width == stored.length


# What hash new prints has a {SCHEME} before it, which crypt(3) does not take.
BY_THE_SYSTEM = Remedy(summary="Set the user's password again with the system's tools (passwd USER).")
_LOST = "Set the user's password again: nothing can bring back what is lost."


UNKNOWN = (
    "Set the user's password again. If the string is the password itself, put {PLAIN} before it;"
    " if another program made it, mailauth hash convert knows many."
)


def remedy(
    found: Damage, mended: str = "", careful: str = "", lost: str = _LOST, *, by_hand: bool = False
) -> Remedy:
    """Mend the entry where nothing is lost by it, else set the password again.

    ``by_hand``: what made it so would do it again, and only the administrator can change that.
    """
    if found.mendable:
        return remedies.remedy(
            summary=mended or "Repair the stored string; the password stays the same.",
            commands=(HASH_SHOW,),
            careful=careful,
            store=StoreChange.MEND,
            by_hand=by_hand,
        )
    return remedies.remedy(
        summary=lost,
        commands=(HASH_NEW,),
        careful=careful,
        store=StoreChange.NEW_PASSWORD,
        by_hand=by_hand,
    )


def problem(
    stored: StoredHash,
    found: Damage,
    says: str,
    *also: Evidence,
    mended: str = "",
    careful: str = "",
    lost: str = _LOST,
    by_hand: bool = False,
) -> Problem:
    """A damaged string: the damage follows from how it reads, and from what the query makes it of."""
    made = stored.made
    mend = remedy(found, mended, careful, lost, by_hand=by_hand)
    if made:
        says += f" The query makes it of {made.expression} ({made.place})"
        says += f"; {' and '.join(made.whole)} by itself is sound." if made.whole else "."
    if stored.of_system:
        mend = BY_THE_SYSTEM
    if made and made.whole:
        mend = Remedy(
            summary=f"Have the query return {made.whole[0]} as password, or correct {made.expression}: what"
            " the table has is whole."
        )
    if stored.behind:
        says += f" A NUL byte ends it there; {stored.behind} bytes more are in the column, which Dovecot does"
        says += " not read."
        mend = Remedy(
            summary="Take the NUL byte out of the column, and look again: what follows it is there."
        )
    return Problem(
        says=says,
        because=(stored, *also),
        certainty=Certainty.LIKELY,
        remedy=mend,
    )


def around(stored: StoredHash, found: Damage) -> Problem:
    """What stands around a sound hash, or around a password that is stored as it is."""
    if found.scheme in AS_TEXT:
        says, lost = (
            "The password given is the one stored",
            "Remove them, or set the user's password again.",
        )
        return problem(stored, found, f"{says} except for this: {found.detail}.", lost=lost)
    return problem(stored, found, f"The hash is sound except for this: {found.detail}.")


def takes_long(stored: StoredHash, says: str) -> Problem:
    """A sound hash whose verification takes too long for a login."""
    stored_anew = remedies.remedy(
        summary="Set the password again, with numbers that take a tenth of a second.",
        commands=(HASH_NEW,),
        store=StoreChange.NEW_PASSWORD,
    )
    of_system = remedies.remedy(
        BY_THE_SYSTEM.summary,
        careful="How long the new hash takes is set by rounds= of pam_unix (/etc/pam.d).",
    )
    return Problem(
        says=f"One verification of {stored.shown} takes about {stored.seconds:.0f} s of a core{says}.",
        because=(stored,),
        certainty=Certainty.LIKELY,
        remedy=of_system if stored.of_system else stored_anew,
    )
