"""What the rules about a password that is right but for something share.  Not a rule itself."""

from mailauth.evidence import PasswordVariant
from mailauth.finding import Certainty, Problem, Remedy
from mailauth.hashes.variants import Change


def right_but_for(variant: PasswordVariant, change: Change, remedy: Remedy) -> Problem | None:
    """The problem, where it is this change that makes the password right."""
    if variant.change is not change:
        return None
    return Problem(
        says=f"The password given is wrong; {variant.how} it is right.",
        because=(variant,),
        certainty=Certainty.PROVEN,
        remedy=remedy,
    )
