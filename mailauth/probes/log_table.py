"""The probes about the log, for diagnose's tables."""

from collections.abc import Callable

from mailauth.evidence import (
    AuthAnswer,
    AuthStart,
    ContainerLog,
    Evidence,
    Filesystems,
    LastWords,
    LogDestination,
    LogStreams,
    LogWindow,
    NotApplicable,
    OpenSessions,
    Penalties,
    PostfixLink,
    SentPasswords,
    UserInLog,
)
from mailauth.probes.log import (
    observe_log_streams,
    observe_log_window,
)
from mailauth.probes.log_answer import observe_answer
from mailauth.probes.log_place import (
    observe_container_log,
    observe_filesystems,
    observe_log_destination,
    observe_penalties,
)
from mailauth.probes.log_start import observe_auth_start, observe_last_words
from mailauth.probes.log_user import observe_sent, observe_user_in_log
from mailauth.probes.postfix_link import observe_postfix_link
from mailauth.probes.scene import Scene
from mailauth.probes.sessions import observe_sessions

Probe = tuple[type[Evidence], Callable[[Scene], Evidence | NotApplicable]]

LOG_PROBES: tuple[Probe, ...] = (
    (AuthAnswer, observe_answer),
    (LogWindow, observe_log_window),
    (LogStreams, observe_log_streams),
    (AuthStart, observe_auth_start),
    (LastWords, observe_last_words),
    (LogDestination, observe_log_destination),
    (Filesystems, observe_filesystems),
    (ContainerLog, observe_container_log),
    (Penalties, observe_penalties),
    (PostfixLink, observe_postfix_link),
)
USER_LOG_PROBES: tuple[Probe, ...] = (
    (UserInLog, observe_user_in_log),
    (OpenSessions, observe_sessions),
    (SentPasswords, observe_sent),
)
