"""Memory from the outside: what the machine and its control groups allow, and services that do not start."""

import re
import time
from contextlib import suppress

import psutil

from mailauth import digits
from mailauth.dovecot import typed
from mailauth.dovecot.authconfig import AuthConfig, ServiceName
from mailauth.errors import CannotObserve
from mailauth.evidence import Host, NoStart, NotApplicable
from mailauth.probes.ceilings import observe_ceilings
from mailauth.probes.process import master_process, running, wake
from mailauth.probes.scene import Scene

_WORKERS = 30  # auth_worker_max_count in 2.3, the process_limit of auth-worker in 2.4
# A process of auth takes 6 to 26 MiB when it has started, by the drivers that are installed (measured).
_AMPLE = 64 * 1024 * 1024
_WAKE = 3.0  # seconds: Dovecot tries again 2 s after the first failure, src/master/service-monitor.c
_WAIT = 0.5  # seconds for a woken process to be seen
_STAY = 1.0  # seconds: one that cannot start is there for some milliseconds, under load for longer
_NO_MEMORY = re.compile(r"failed to map segment|cannot map|[Cc]annot allocate memory|[Oo]ut of memory")


def observe_host(scene: Scene) -> Host | NotApplicable:
    """The ceilings over Dovecot's processes.  Raises CannotObserve when these cannot be seen."""
    master = master_process(scene.dovecot, scene.config)
    ceilings = observe_ceilings(master.pid, master.pid)
    base = min((size for pid in running(master, "auth") if (size := _base(pid))), default=None)
    return Host("/proc and the control groups", ceilings, workers(scene.config), base)


def _base(pid: int) -> int:
    """VmSize without VmData: programs and libraries, without what was allocated.  0 where it is gone."""
    with suppress(psutil.Error, OSError):
        memory = psutil.Process(pid).memory_info()
        return int(memory.vms - memory.data)
    return 0


def workers(config: AuthConfig) -> int:
    """How many auth-workers may verify at the same time.

    Source: auth_worker_max_count in 2.3 (src/auth/auth-settings.c), process_limit of the service in both;
    doveconf -a says nothing of 2.4's defaults, which are built in.
    """
    tree = config.tree
    counts = [
        most
        for block in tree.walk()
        if block.kind == "service" and block.name == "auth-worker"
        if (most := digits.number(block.get("process_limit").strip()))
    ]
    if config.version.dialect == "2.3":
        text = tree.get("auth_worker_max_count").strip()
        counts.append(digits.number(text) or _WORKERS)
    return min(counts, default=_WORKERS)


def observe_start(scene: Scene) -> NoStart | NotApplicable:
    """Whether the service that verifies this case starts under its vsz_limit.

    Asked only where the limit is so small that it may not.  Raises CannotObserve when no process runs and
    Dovecot does not say why.
    """
    passdb = scene.cases[0].passdb
    service = scene.config.services[passdb.verified_by]
    limit = service.vsz_limit
    if limit is None or limit >= _AMPLE:
        return NotApplicable(NoStart, "its vsz_limit is ample for a start")
    master = master_process(scene.dovecot, scene.config)
    user = scene.looked_up
    if not running(master, service.name):
        with suppress(CannotObserve):
            wake(scene.dovecot, scene.config, master, service.name, user, _WAKE)
    if stays(master, service.name):
        return NotApplicable(NoStart, f"{service.name} runs")
    asked = typed.shown(scene.dovecot, "doveadm", "log", "errors")
    said = scene.dovecot.run("doveadm", "log", "errors", timeout=10.0).out
    mine = re.compile(rf"(?:Error|Fatal): (?:\w+: )?{service.name}(?:\([0-9]+\))?: (.*)")
    words = [found[1] for line in said.splitlines() if (found := mine.search(line))]
    short = [text for text in words[-20:] if _NO_MEMORY.search(text)]
    if not short:
        raise CannotObserve(f"no {service.name} process runs, and Dovecot does not say why: see {asked}.")
    return NoStart(asked, service.name, limit, service.place, short[-1][:200])


def stays(master: psutil.Process, service: ServiceName) -> bool:
    """Whether one that runs, or soon does, is still there after a while."""
    until = time.monotonic() + _WAIT
    while not (seen := running(master, service)) and time.monotonic() < until:
        time.sleep(0.02)
    if not seen:
        return False
    time.sleep(_STAY)
    return not set(seen).isdisjoint(running(master, service))
