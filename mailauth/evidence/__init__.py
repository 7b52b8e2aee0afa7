"""The kinds of fact, one frozen dataclass each.  A fact says what was seen and where to look again.

Nothing here holds a secret: hashes appear as scheme and parameters, passwords not at all.
"""

from mailauth.evidence.configured import Configured
from mailauth.evidence.fact import Evidence, Fact, NotApplicable, Unobserved
from mailauth.evidence.logins import LoginReply, Logins
from mailauth.evidence.lookup import LookedUp, PassdbAnswer, UserName
from mailauth.evidence.verification import (
    PasswordCheck,
    StoredHash,
    Trial,
    Trials,
    Verifiers,
    VerifyingProcess,
    words,
)

__all__ = [
    "Configured",
    "Evidence",
    "Fact",
    "LoginReply",
    "Logins",
    "LookedUp",
    "NotApplicable",
    "PassdbAnswer",
    "PasswordCheck",
    "StoredHash",
    "Trial",
    "Trials",
    "Unobserved",
    "UserName",
    "Verifiers",
    "VerifyingProcess",
    "words",
]
