"""Find the running process that verifies, and read its size, its limits and its libsodium.

Everything is read from /proc; a process that does not run yet is woken: auth by greeting its
socket, a worker by ``doveadm auth lookup``, which reads and verifies nothing.
"""

import os
import re
import socket
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil

from mailauth.dovecot import containers, entering, holding, inroot, masters, processes, typed
from mailauth.dovecot.authconfig import AuthConfig, Passdb, ServiceName
from mailauth.dovecot.authsocket import AuthSocket
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.nobody import AS_LOOKUP, NOBODY
from mailauth.dovecot.releases import WORKER_HIT_FALLS_BACK
from mailauth.errors import CannotObserve
from mailauth.evidence import Verifiers, VerifyingProcess
from mailauth.oserrors import unseen
from mailauth.probes import pam_library

_WAIT = 2.0  # seconds for a woken process to appear
_BUSY, _APART = 3.0, 0.003  # seconds to wait for a process to sleep, and between two looks


def observe_verifiers(
    dovecot: Installation, config: AuthConfig, passdb: Passdb, user: str, blocks: frozenset[int] = frozenset()
) -> Verifiers:
    """The processes that verify ``passdb``'s hashes: on a lookup, and on a hit of the auth cache.

    ``user`` is looked up when no worker runs yet.  ``blocks``: the sizes of hashes that may be verified
    just now, which are not counted to the idle process.  Raises CannotObserve when Dovecot does not run or
    its processes may not be read.
    """
    master = master_process(dovecot, config)
    miss = _of_lookups(dovecot, config, master, passdb, user, blocks)
    hit, falls_back = None, False
    if passdb.hit_verified_by == "auth" and passdb.verified_by != "auth":
        hit, falls_back = _observe(dovecot, config, master, "auth", user, blocks), True
    elif passdb.hit_verified_by == "auth-worker" and passdb.verified_by != "auth-worker":
        # Only a login that the cache answers starts one: a lookup here stays in auth.
        workers = running(master, "auth-worker")
        hit = _least_room("auth-worker", workers, config, blocks) if workers else _expected(miss, config)
        falls_back = WORKER_HIT_FALLS_BACK.holds(config.version)
    seen = {miss.service} | ({hit.service} if hit else set())
    other = next((service for name, service in config.services.items() if name not in seen), None)
    pids = [process.pid for process in (miss, hit) if process and process.pid]
    source = ", ".join(f"/proc/{pid}/limits and status" for pid in pids)
    helper = pam_library.helper(dovecot) if passdb.driver == "pam" else ""
    return Verifiers(source, passdb.driver, miss, hit, falls_back, other, helper)


def _of_lookups(
    dovecot: Installation,
    config: AuthConfig,
    master: psutil.Process,
    passdb: Passdb,
    user: str,
    blocks: frozenset[int],
) -> VerifyingProcess:
    """Who verifies on a lookup.  PAM is asked by logins alone: before the first one no worker may run."""
    try:
        return _observe(dovecot, config, master, passdb.verified_by, user, blocks)
    except CannotObserve:
        if passdb.driver != "pam" or running(master, passdb.verified_by):
            raise
    return _expected(_observe(dovecot, config, master, "auth", user, blocks), config)


class NotRunning(CannotObserve):
    """No Dovecot runs with this configuration."""


def master_process(dovecot: Installation, config: AuthConfig) -> psutil.Process:
    """Dovecot's master.  Raises NotRunning when it does not run, and CannotObserve when that is not seen."""
    file = Path(config.base_dir) / "master.pid"
    number = 0
    try:
        number = dovecot.pid or int(inroot.content(file, inroot.NUMBER))
        master = psutil.Process(number)
        if processes.name(number) == "dovecot":
            return _held(master, dovecot, config)
    except PermissionError as why:
        if number:
            raise CannotObserve(f"/proc/{number}: {_HIDDEN}.", needs_root=True) from None
        raise unseen(str(file), why) from None
    except psutil.AccessDenied:
        raise CannotObserve(f"/proc/{number}: {_HIDDEN}.", needs_root=True) from None
    except (OSError, ValueError, psutil.NoSuchProcess):
        if number and _is_there(number):
            raise CannotObserve(f"/proc/{number}: {_HIDDEN}.", needs_root=True) from None
    if dovecot.pid:
        raise NotRunning(f"the Dovecot with --pid {number} went away while we looked; start it again.")
    if place := _answering(config.base_dir):
        raise CannotObserve(
            f"{place}: answers, but process {number or 'of Dovecot'} is not in our /proc; run it where"
            " Dovecot runs: docker exec CONTAINER mailauth diagnose USER, or, outside: sudo mailauth diagnose"
            " --container CONTAINER USER."
        )
    elsewhere = "" if dovecot.config else containers.offer()
    raise NotRunning(
        f"Dovecot is not running with {config.file} (see {file}): "
        + (f"{elsewhere}." if elsewhere else "start it, or name it with --pid or --container.")
    )


def _held(master: psutil.Process, dovecot: Installation, config: AuthConfig) -> psutil.Process:
    """It, and no other that calls itself so, or that has got its number.  Raises CannotObserve."""
    holding.check(master.pid)
    if not _serves(master.pid, config.base_dir):
        what = f"process {master.pid} calls itself dovecot and holds no socket below {config.base_dir}"
        if dovecot.pid:
            raise CannotObserve(f"{what}: it is no Dovecot's master, or was started with another file.")
        raise NotRunning(f"Dovecot is not running with {config.file}: {what}; start it.")
    return master


_serving: set[tuple[int, str]] = set()  # of processes that are held, so it is asked once


def _serves(pid: int, base_dir: str) -> bool:
    """Whether it does, where that is seen."""
    if (pid, base_dir) not in _serving and masters.listens(pid, base_dir) is False:
        return False
    _serving.add((pid, base_dir))
    return True


_HIDDEN = "the process is there, and /proc does not show it to us (hidepid)"


def _is_there(pid: int) -> bool:
    """Whether there is such a process, though /proc may not have it."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _answering(base_dir: str) -> str:
    """A socket of Dovecot's at which somebody listens; "" for none.

    Raises CannotObserve where there are sockets and we may not connect.
    """
    for name in ("auth-client", "auth-userdb"):
        path = f"{base_dir}/{name}"
        try:
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(_WAIT)
                link.connect(path)
        except PermissionError as why:
            raise unseen(path, why, "cannot be connected to") from None
        except OSError:
            continue  # gone, or nobody listens: Dovecot was killed
        return path
    return ""


def _observe(
    dovecot: Installation,
    config: AuthConfig,
    master: psutil.Process,
    service: ServiceName,
    user: str,
    blocks: frozenset[int],
) -> VerifyingProcess:
    found = running(master, service)
    if found and service == "auth":
        # One that has just begun sleeps, too, and is a quarter of its size (2.3.19.1 and 2.4.1, measured):
        # when it greets it has all that it loads.  One that does not greet is told of below.
        with suppress(CannotObserve):
            wake(dovecot, config, master, service, user, _BUSY)
        found = running(master, service)
    if not found:
        wake(dovecot, config, master, service, user)
        until = time.monotonic() + _WAIT
        while not (found := running(master, service)) and time.monotonic() < until:
            time.sleep(0.01)
    if not found:
        see = typed.shown(dovecot, "doveadm", "log", "errors")
        raise CannotObserve(f"no {service} process runs, and none could be woken; see: {see}.")
    return _least_room(service, found, config, blocks)


def _least_room(
    service: ServiceName, pids: list[int], config: AuthConfig, blocks: frozenset[int]
) -> VerifyingProcess:
    """Any of the processes may get the next login: judge by the idle one with the least room.

    Raises CannotObserve when all of them are busy with logins as long as we look.
    """
    idle: list[VerifyingProcess] = []
    busy = ""
    for pid in pids:
        try:
            idle.append(_seen(service, pid, config, blocks))
        except CannotObserve as why:  # it works, or has ended: another may not
            busy = str(why)
    if not idle:
        raise CannotObserve(busy)
    return min(idle, key=lambda p: float("inf") if p.limit is None else p.limit - p.size)


def _seen(service: ServiceName, pid: int, config: AuthConfig, blocks: frozenset[int]) -> VerifyingProcess:
    settings = config.services[service]
    return VerifyingProcess(
        service=service,
        pid=pid,
        limit=_address_space(pid),
        size=idle_size(pid, blocks),
        peak=_status(pid, "VmPeak"),
        configured=settings.vsz_limit,
        place=settings.place,
        libsodium=_libsodium(pid),
    )


def idle_size(pid: int, blocks: Iterable[int]) -> int:
    """VmSize in bytes, without a verification in progress: as it is when the process sleeps.

    A verification never sleeps.  Of a process that does not sleep while we look, a mapping exactly as
    large as one of ``blocks`` is a verification, and is not counted.  Raises CannotObserve when the
    process ended, or is busy with something that we cannot tell from its own size.
    """
    until = time.monotonic() + _BUSY
    while time.monotonic() < until:
        # Both from one read: state and size are of the same moment.
        status = _proc(pid, "status")
        if re.search(r"^State:\s+S", status, re.MULTILINE):
            return _size(status, "VmSize")
        time.sleep(_APART)
    taken = _verifying(pid, blocks)
    if re.search(r"^State:\s+[Tt]", status, re.MULTILINE):
        raise CannotObserve(
            f"process {pid} is stopped (state T), and answers nobody: kill -CONT {pid} lets it go on."
        )
    if not taken:
        raise CannotObserve(f"process {pid} was busy with logins for {_BUSY:.0f} seconds; try again later.")
    return _status(pid, "VmSize") - taken


def _verifying(pid: int, blocks: Iterable[int]) -> int:
    """What a verification takes of the process right now: an anonymous mapping of a hash's very size."""
    try:
        maps = _proc(pid, "maps")
    except CannotObserve:
        return 0  # only root sees them
    taken = 0
    for line in maps.splitlines():
        span, mode, _offset, _device, inode, *name = line.split()
        begin, _, end = span.partition("-")
        size = int(end, 16) - int(begin, 16)
        if mode == "rw-p" and inode == "0" and not name and size in blocks:
            taken += size
    return taken


def _expected(auth: VerifyingProcess, config: AuthConfig) -> VerifyingProcess:
    """A worker that does not run yet, as it will be: as large as a new auth, with the configured limit."""
    settings = config.services["auth-worker"]
    return replace(
        auth,
        service="auth-worker",
        pid=None,
        limit=settings.vsz_limit,
        peak=auth.size,
        configured=settings.vsz_limit,
        place=settings.place,
    )


def running(master: psutil.Process, service: ServiceName) -> list[int]:
    """PIDs of the service's processes; Dovecot runs "dovecot/auth" and "dovecot/auth -w"."""
    found = []
    for pid in _children(master):
        with suppress(OSError):  # that one ended while we looked
            # verbose_proctitle appends " [...]" to the name
            words = b" ".join(processes.command(pid)).split(b" ")
            if words[0] == b"dovecot/auth" and (b"-w" in words) == (service == "auth-worker"):
                found.append(pid)
    return found


def _children(master: psutil.Process) -> list[int]:
    """PIDs of the services' processes: the master itself starts each.

    The kernel is asked twice: it may leave one out when another ends meanwhile.
    Source: proc_pid_task_children(5); Dovecot 2.3.19.1 and 2.4.1 src/master/service-process.c.
    """
    listed = Path(f"/proc/{master.pid}/task/{master.pid}/children")
    try:
        return sorted({int(pid) for _ in range(2) for pid in listed.read_text().split()})
    except OSError:  # it went away, or the kernel has no CONFIG_PROC_CHILDREN
        return _found_by_parent(master)


def _found_by_parent(master: psutil.Process) -> list[int]:
    try:
        return [one.pid for one in master.children()]
    except psutil.NoSuchProcess:
        raise NotRunning("Dovecot went away while we looked; its log says why.") from None


def wake(
    dovecot: Installation,
    config: AuthConfig,
    master: psutil.Process,
    service: ServiceName,
    user: str,
    seconds: float = 10.0,
) -> None:
    """Make Dovecot start the service.  Raises CannotObserve when it does not answer within ``seconds``."""
    if service == "auth":
        AuthSocket(dovecot.path(f"{config.base_dir}/auth-client"), timeout=seconds).close()
        return
    # Status and text do not matter: the lookup makes auth start a worker.  None looks a user up whom an
    # earlier passdb has; then one whom nobody has is looked up in all of them, which leaves a log line.
    for name in (user, NOBODY):
        dovecot.run("doveadm", "auth", "lookup", *AS_LOOKUP, "--", name, timeout=seconds)
        if running(master, service):
            return


def _address_space(pid: int) -> int | None:
    """The soft RLIMIT_AS in bytes; None for none."""
    found = re.search(r"^Max address space\s+(\S+)", _proc(pid, "limits"), re.MULTILINE)
    if not found:
        raise CannotObserve(f"/proc/{pid}/limits has no line for the address space.")
    return None if found[1] == "unlimited" else int(found[1])


def _status(pid: int, key: str) -> int:
    return _size(_proc(pid, "status"), key)


def _size(status: str, key: str) -> int:
    """A size in bytes, of /proc/PID/status."""
    found = re.search(rf"^{key}:\s+([0-9]+) kB", status, re.MULTILINE)
    if not found:
        raise CannotObserve("the process ended while we looked; try again.")
    return int(found[1]) * 1024


def _libsodium(pid: int) -> str | None:
    """The library that this very process has mapped; None when we may not see."""
    try:
        maps = _proc(pid, "maps")
    except CannotObserve:
        return None
    mapped = next(filter(None, map(_mapped, maps.splitlines())), "")
    if not mapped:
        return None
    # The kernel shows the path from our root where it can, and from that process's where it cannot.
    try:
        root = f"/proc/{pid}/root"
        paths = [Path(mapped)]
        if not Path(root).samefile("/"):
            paths.insert(0, inroot.found(root, mapped))
        return next((str(path) for path in paths if path.exists() and _is_roots(pid, path)), None)
    except OSError:
        return None


def _mapped(line: str) -> str:
    """The file of a line of /proc/PID/maps, where that is libsodium and has no blank; "" where not."""
    path = line[line.find("/") :] if "/" in line else ""
    return path if "libsodium.so" in path.rpartition("/")[2] and not any(map(str.isspace, path)) else ""


def _is_roots(pid: int, library: Path) -> bool:
    """Whether it may be loaded: for root, only what root alone can have put there."""
    root = Path(f"/proc/{pid}/root")
    if not os.geteuid() and "user" in entering.differing(pid):
        return False
    if os.geteuid():
        return True
    states = [
        one.stat() for one in (library, *library.parents) if one == root or not root.is_relative_to(one)
    ]
    return not any(state.st_uid or state.st_mode & (stat.S_IWGRP | stat.S_IWOTH) for state in states)


def _proc(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text("utf-8", "replace")
    except OSError as why:
        if isinstance(why, PermissionError):
            raise unseen(f"/proc/{pid}/{name}", why) from None
        raise CannotObserve(f"/proc/{pid}/{name}: the process ended while we looked; try again.") from None
