"""The kinds of fact, one frozen dataclass each.  A fact says what was seen and where to look again.

Nothing here holds a secret: hashes appear as scheme and parameters, passwords not at all.
"""

from mailauth.evidence.configured import Configured
from mailauth.evidence.fact import Evidence, Fact, NotApplicable, Unobserved
from mailauth.evidence.logins import LoginReply, Logins
from mailauth.evidence.lookup import (
    ClientAddress,
    Disabled,
    End,
    LookedUp,
    NearName,
    PassdbAnswer,
    Said,
    Step,
    UserName,
)
from mailauth.evidence.network import (
    Approach,
    Certificate,
    Certificates,
    Endpoint,
    Listener,
    Listening,
    Reachable,
    TlsFiles,
    TlsFlaw,
)
from mailauth.evidence.offered import CacheAnswer, Mechanisms
from mailauth.evidence.password import PasswordPart, PasswordVariant
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
    "Approach",
    "CacheAnswer",
    "Certificate",
    "Certificates",
    "ClientAddress",
    "Configured",
    "Disabled",
    "End",
    "Endpoint",
    "Evidence",
    "Fact",
    "Listener",
    "Listening",
    "LoginReply",
    "Logins",
    "LookedUp",
    "Mechanisms",
    "NearName",
    "NotApplicable",
    "PassdbAnswer",
    "PasswordCheck",
    "PasswordPart",
    "PasswordVariant",
    "Reachable",
    "Said",
    "Step",
    "StoredHash",
    "TlsFiles",
    "TlsFlaw",
    "Trial",
    "Trials",
    "Unobserved",
    "UserName",
    "Verifiers",
    "VerifyingProcess",
    "words",
]
