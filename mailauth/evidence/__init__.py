"""The kinds of fact, one frozen dataclass each.  A fact says what was seen and where to look again.

Nothing here holds a secret: hashes appear as scheme and parameters, passwords not at all.
"""

from mailauth.evidence.configured import Configured
from mailauth.evidence.fact import Evidence, Fact, NotApplicable, Unobserved
from mailauth.evidence.host import Host, NoStart
from mailauth.evidence.log import (
    AuthAnswer,
    ContainerLog,
    Filesystem,
    Filesystems,
    LogDestination,
    LogStream,
    LogTrouble,
    LogWindow,
    Penalties,
    Penalty,
    SentPassword,
    UserInLog,
)
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
from mailauth.evidence.offered import CacheAnswer, Cleartext, Mechanisms
from mailauth.evidence.password import PasswordBytes, PasswordPart, PasswordVariant
from mailauth.evidence.settings import (
    Accepted,
    AuthFile,
    AuthFiles,
    MisreadVariable,
    Running,
    Startup,
    Variables,
)
from mailauth.evidence.stored import OpenDoors, StoredColumn, TodaysStrength
from mailauth.evidence.survey import Foreseen, StoreMemory, Surveyed, Surveys
from mailauth.evidence.userdb import MailAccess, UserdbAnswer
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
    "Accepted",
    "Approach",
    "AuthAnswer",
    "AuthFile",
    "AuthFiles",
    "CacheAnswer",
    "Certificate",
    "Certificates",
    "Cleartext",
    "ClientAddress",
    "Configured",
    "ContainerLog",
    "Disabled",
    "End",
    "Endpoint",
    "Evidence",
    "Fact",
    "Filesystem",
    "Filesystems",
    "Foreseen",
    "Host",
    "Listener",
    "Listening",
    "LogDestination",
    "LogStream",
    "LogTrouble",
    "LogWindow",
    "LoginReply",
    "Logins",
    "LookedUp",
    "MailAccess",
    "Mechanisms",
    "MisreadVariable",
    "NearName",
    "NoStart",
    "NotApplicable",
    "OpenDoors",
    "PassdbAnswer",
    "PasswordBytes",
    "PasswordCheck",
    "PasswordPart",
    "PasswordVariant",
    "Penalties",
    "Penalty",
    "Reachable",
    "Running",
    "Said",
    "SentPassword",
    "Startup",
    "Step",
    "StoreMemory",
    "StoredColumn",
    "StoredHash",
    "Surveyed",
    "Surveys",
    "TlsFiles",
    "TlsFlaw",
    "TodaysStrength",
    "Trial",
    "Trials",
    "Unobserved",
    "UserInLog",
    "UserName",
    "UserdbAnswer",
    "Variables",
    "Verifiers",
    "VerifyingProcess",
    "words",
]
