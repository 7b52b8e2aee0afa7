"""The probes: for each kind of evidence, of what it is, and who looks.

Everything that looks at a server takes its probes from here: diagnose, checkup and check.
"""

from collections.abc import Callable, Iterable
from enum import Enum

from mailauth.evidence import (
    Accepted,
    AuthAnswer,
    AuthFiles,
    AuthStart,
    CacheAnswer,
    Certificates,
    Cleartext,
    ContainerLog,
    DirectoryAnswers,
    Evidence,
    Filesystems,
    Host,
    LastWords,
    Listening,
    LogDestination,
    LoginSocket,
    LogStreams,
    LogWindow,
    LuaAnswers,
    LuaScripts,
    Mechanisms,
    NoStart,
    NotApplicable,
    OpenDoors,
    OpenSessions,
    PamLog,
    Penalties,
    PostfixLink,
    Reachable,
    Running,
    SentPasswords,
    ServersBehind,
    Startup,
    StoredColumn,
    StoredText,
    SystemAccounts,
    TlsFiles,
    TodaysStrength,
    TokenAnswer,
    UserdbAnswer,
    UserInLog,
    Variables,
    WorkerSocket,
)
from mailauth.probes.asking_lua import observe_lua_answers
from mailauth.probes.asking_token import observe_token
from mailauth.probes.behind import observe_behind
from mailauth.probes.cache import observe_cache
from mailauth.probes.directory import observe_directories
from mailauth.probes.files import observe_files, observe_login_socket, observe_worker_socket
from mailauth.probes.host import observe_host, observe_start
from mailauth.probes.log_answer import observe_answer
from mailauth.probes.log_place import (
    observe_container_log,
    observe_filesystems,
    observe_log_destination,
    observe_penalties,
)
from mailauth.probes.log_start import observe_auth_start, observe_last_words
from mailauth.probes.log_tail import observe_log_streams, observe_log_window
from mailauth.probes.log_user import observe_sent, observe_user_in_log
from mailauth.probes.lua_scripts import observe_lua
from mailauth.probes.mechanisms import observe_cleartext, observe_mechanisms
from mailauth.probes.network import observe_listening, observe_reachable
from mailauth.probes.pam_log import observe_pam_log
from mailauth.probes.postfix_link import observe_postfix_link
from mailauth.probes.refused import observe_accepted
from mailauth.probes.scene import Scene
from mailauth.probes.sessions import observe_sessions
from mailauth.probes.startup import observe_running, observe_startup
from mailauth.probes.stored import observe_column, observe_doors, observe_strength, observe_text
from mailauth.probes.system_look import observe_system_accounts
from mailauth.probes.tls import observe_certificates, observe_tls_files
from mailauth.probes.userdb import observe_userdb
from mailauth.probes.variables import observe_variables
from mailauth.records import dataclass


class Scope(Enum):
    """Whom or what evidence is of."""

    SERVER = "the server, whoever the user is, and without one"
    USER = "the user, after the passdbs were asked: the scene has names and cases"
    CASE = "a passdb that has the user: the scene has that one case"


@dataclass(frozen=True, slots=True)
class Probe:
    """What is looked for, of what, and the function that looks."""

    kind: type[Evidence]
    scope: Scope
    observe: Callable[[Scene], Evidence | NotApplicable]


PROBES: tuple[Probe, ...] = (
    Probe(Accepted, Scope.SERVER, observe_accepted),
    Probe(Variables, Scope.SERVER, observe_variables),
    Probe(AuthFiles, Scope.SERVER, observe_files),
    Probe(LuaScripts, Scope.SERVER, observe_lua),
    Probe(ServersBehind, Scope.SERVER, observe_behind),
    Probe(LoginSocket, Scope.SERVER, observe_login_socket),
    Probe(WorkerSocket, Scope.SERVER, observe_worker_socket),
    Probe(Startup, Scope.SERVER, observe_startup),
    Probe(Running, Scope.SERVER, observe_running),
    Probe(Host, Scope.SERVER, observe_host),
    Probe(Listening, Scope.SERVER, observe_listening),
    Probe(Reachable, Scope.SERVER, observe_reachable),
    Probe(TlsFiles, Scope.SERVER, observe_tls_files),
    Probe(Certificates, Scope.SERVER, observe_certificates),
    Probe(Cleartext, Scope.SERVER, observe_cleartext),
    Probe(AuthAnswer, Scope.SERVER, observe_answer),
    Probe(LogWindow, Scope.SERVER, observe_log_window),
    Probe(LogStreams, Scope.SERVER, observe_log_streams),
    Probe(AuthStart, Scope.SERVER, observe_auth_start),
    Probe(LastWords, Scope.SERVER, observe_last_words),
    Probe(LogDestination, Scope.SERVER, observe_log_destination),
    Probe(Filesystems, Scope.SERVER, observe_filesystems),
    Probe(ContainerLog, Scope.SERVER, observe_container_log),
    Probe(Penalties, Scope.SERVER, observe_penalties),
    Probe(PostfixLink, Scope.SERVER, observe_postfix_link),
    Probe(UserdbAnswer, Scope.USER, observe_userdb),
    Probe(OpenDoors, Scope.USER, observe_doors),
    Probe(Mechanisms, Scope.USER, observe_mechanisms),
    Probe(CacheAnswer, Scope.USER, observe_cache),
    Probe(DirectoryAnswers, Scope.USER, observe_directories),
    Probe(SystemAccounts, Scope.USER, observe_system_accounts),
    Probe(PamLog, Scope.USER, observe_pam_log),
    Probe(LuaAnswers, Scope.USER, observe_lua_answers),
    Probe(TokenAnswer, Scope.USER, observe_token),
    Probe(UserInLog, Scope.USER, observe_user_in_log),
    Probe(OpenSessions, Scope.USER, observe_sessions),
    Probe(SentPasswords, Scope.USER, observe_sent),
    Probe(NoStart, Scope.CASE, observe_start),
    Probe(StoredColumn, Scope.CASE, observe_column),
    Probe(StoredText, Scope.CASE, observe_text),
    Probe(TodaysStrength, Scope.CASE, observe_strength),
)
"""In the order in which it is looked."""


def probes_of(*scopes: Scope) -> tuple[Probe, ...]:
    return tuple(one for one in PROBES if one.scope in scopes)


def kinds_of(*scopes: Scope) -> tuple[type[Evidence], ...]:
    return tuple(one.kind for one in probes_of(*scopes))


def probes_for(kinds: Iterable[type[Evidence]]) -> tuple[Probe, ...]:
    """Those that look for one of these."""
    wanted = frozenset(kinds)
    return tuple(one for one in PROBES if one.kind in wanted)
