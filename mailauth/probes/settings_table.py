"""The probes about the configuration, for diagnose's tables."""

from collections.abc import Callable

from mailauth.evidence import (
    Accepted,
    AuthFiles,
    Evidence,
    LoginSocket,
    NotApplicable,
    Running,
    Startup,
    Variables,
    WorkerSocket,
)
from mailauth.probes.files import observe_files, observe_login_socket, observe_worker_socket
from mailauth.probes.refused import observe_accepted
from mailauth.probes.scene import Scene
from mailauth.probes.startup import observe_running, observe_startup
from mailauth.probes.variables import observe_variables

Probe = tuple[type[Evidence], Callable[[Scene], Evidence | NotApplicable]]

SETTINGS_PROBES: tuple[Probe, ...] = (
    (Accepted, observe_accepted),
    (Variables, observe_variables),
    (AuthFiles, observe_files),
    (LoginSocket, observe_login_socket),
    (WorkerSocket, observe_worker_socket),
    (Startup, observe_startup),
    (Running, observe_running),
)
