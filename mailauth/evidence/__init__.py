"""The kinds of fact, one frozen dataclass each.  A fact says what was seen and where to look again.

Nothing here holds a secret: hashes appear as scheme and parameters, passwords not at all.

Each file is imported when a name of it is first asked for: a command that counts rows needs two of them, and
all of them took a quarter of its start.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mailauth.evidence.accounts import AccountFault, PamAnswer, PamLog, SystemAccount, SystemAccounts
    from mailauth.evidence.behind import Reached, ServersBehind
    from mailauth.evidence.configured import Configured
    from mailauth.evidence.directory import DirectoryAnswer, DirectoryAnswers, UserBind
    from mailauth.evidence.fact import Evidence, Fact, NotApplicable, Unobserved
    from mailauth.evidence.host import Host, NoStart
    from mailauth.evidence.log import (
        AuthAnswer,
        AuthStart,
        ClientFailures,
        ContainerLog,
        Filesystem,
        Filesystems,
        LastWords,
        LogDestination,
        LogStream,
        LogStreams,
        LogTrouble,
        LogWindow,
        OpenSessions,
        Penalties,
        Penalty,
        SentPassword,
        SentPasswords,
        UnseenFailures,
        UserInLog,
    )
    from mailauth.evidence.logins import LoginReply, Logins, MailSession
    from mailauth.evidence.lookup import (
        ClientAddress,
        Disabled,
        End,
        HidesRows,
        LookedUp,
        Made,
        NearName,
        PassdbAnswer,
        Said,
        Sent,
        Step,
        Unseen,
        UserName,
    )
    from mailauth.evidence.lua import LuaAnswer, LuaAnswers, LuaScripts
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
    from mailauth.evidence.password import PasswordBytes, PasswordElsewhere, PasswordPart, PasswordVariant
    from mailauth.evidence.postfix import PostfixLink
    from mailauth.evidence.settings import (
        Accepted,
        AuthFile,
        AuthFiles,
        Commented,
        LoginSocket,
        MisreadVariable,
        Running,
        Startup,
        UnknownVariable,
        Variables,
        WorkerSocket,
    )
    from mailauth.evidence.stored import OpenDoors, StoredColumn, StoredText, TodaysStrength
    from mailauth.evidence.survey import Foreseen, StoreMemory, Surveyed, Surveys
    from mailauth.evidence.token import TokenAnswer
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
    "AccountFault",
    "Approach",
    "AuthAnswer",
    "AuthFile",
    "AuthFiles",
    "AuthStart",
    "CacheAnswer",
    "Certificate",
    "Certificates",
    "Cleartext",
    "ClientAddress",
    "ClientFailures",
    "Commented",
    "Configured",
    "ContainerLog",
    "DirectoryAnswer",
    "DirectoryAnswers",
    "Disabled",
    "End",
    "Endpoint",
    "Evidence",
    "Fact",
    "Filesystem",
    "Filesystems",
    "Foreseen",
    "HidesRows",
    "Host",
    "LastWords",
    "Listener",
    "Listening",
    "LogDestination",
    "LogStream",
    "LogStreams",
    "LogTrouble",
    "LogWindow",
    "LoginReply",
    "LoginSocket",
    "Logins",
    "LookedUp",
    "LuaAnswer",
    "LuaAnswers",
    "LuaScripts",
    "Made",
    "MailAccess",
    "MailSession",
    "Mechanisms",
    "MisreadVariable",
    "NearName",
    "NoStart",
    "NotApplicable",
    "OpenDoors",
    "OpenSessions",
    "PamAnswer",
    "PamLog",
    "PassdbAnswer",
    "PasswordBytes",
    "PasswordCheck",
    "PasswordElsewhere",
    "PasswordPart",
    "PasswordVariant",
    "Penalties",
    "Penalty",
    "PostfixLink",
    "Reachable",
    "Reached",
    "Running",
    "Said",
    "Sent",
    "SentPassword",
    "SentPasswords",
    "ServersBehind",
    "Startup",
    "Step",
    "StoreMemory",
    "StoredColumn",
    "StoredHash",
    "StoredText",
    "Surveyed",
    "Surveys",
    "SystemAccount",
    "SystemAccounts",
    "TlsFiles",
    "TlsFlaw",
    "TodaysStrength",
    "TokenAnswer",
    "Trial",
    "Trials",
    "UnknownVariable",
    "Unobserved",
    "Unseen",
    "UnseenFailures",
    "UserBind",
    "UserInLog",
    "UserName",
    "UserdbAnswer",
    "Variables",
    "Verifiers",
    "VerifyingProcess",
    "WorkerSocket",
    "words",
]

_FILES = {
    "accounts": "AccountFault PamAnswer PamLog SystemAccount SystemAccounts",
    "behind": "Reached ServersBehind",
    "configured": "Configured",
    "directory": "DirectoryAnswer DirectoryAnswers UserBind",
    "fact": "Evidence Fact NotApplicable Unobserved",
    "host": "Host NoStart",
    "log": (
        "AuthAnswer AuthStart ClientFailures ContainerLog Filesystem Filesystems LastWords "
        "LogDestination LogStream LogStreams LogTrouble LogWindow OpenSessions Penalties "
        "Penalty SentPassword SentPasswords UnseenFailures UserInLog"
    ),
    "logins": "LoginReply Logins MailSession",
    "lookup": (
        "ClientAddress Disabled End HidesRows LookedUp Made NearName PassdbAnswer Said Sent "
        "Step Unseen UserName"
    ),
    "lua": "LuaAnswer LuaAnswers LuaScripts",
    "network": "Approach Certificate Certificates Endpoint Listener Listening Reachable TlsFiles TlsFlaw",
    "offered": "CacheAnswer Cleartext Mechanisms",
    "password": "PasswordBytes PasswordElsewhere PasswordPart PasswordVariant",
    "postfix": "PostfixLink",
    "settings": (
        "Accepted AuthFile AuthFiles Commented LoginSocket MisreadVariable Running Startup "
        "UnknownVariable Variables WorkerSocket"
    ),
    "stored": "OpenDoors StoredColumn StoredText TodaysStrength",
    "survey": "Foreseen StoreMemory Surveyed Surveys",
    "token": "TokenAnswer",
    "userdb": "MailAccess UserdbAnswer",
    "verification": "PasswordCheck StoredHash Trial Trials Verifiers VerifyingProcess words",
}
_FILE_OF = {name: file for file, names in _FILES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Asked for once: the name stands here afterwards."""
    if name not in _FILE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_FILE_OF[name]}"), name)
    return found
