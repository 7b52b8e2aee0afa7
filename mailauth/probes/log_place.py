"""Where the log goes, how full the disks are, what a container's runtime keeps, whom anvil holds back."""

import json
import os
import re
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mailauth import digits, private
from mailauth.dovecot import inroot, processes, typed
from mailauth.dovecot.doveadm import Installation
from mailauth.errors import CannotObserve
from mailauth.evidence import (
    ContainerLog,
    Filesystem,
    Filesystems,
    LogDestination,
    NotApplicable,
    Penalties,
    Penalty,
)
from mailauth.oserrors import unseen
from mailauth.probes.log_tail import log_paths, syslog_file
from mailauth.probes.process import master_process
from mailauth.probes.scene import Scene

_CONTAINER = re.compile(
    r" ([0-9]+:[0-9]+) (/(?:\S*/)?containers/[0-9a-f]{64})/(?:resolv\.conf|hostname|hosts) "
)
_MOUNT = re.compile(r"^[0-9]+ [0-9]+ ([0-9]+:[0-9]+) (/\S*) (/\S*) ", re.MULTILINE)  # proc_pid_mountinfo(5)
_JOURNALS = ("/var/log/journal", "/run/log/journal")  # systemd-journald.service(8)
_MOST_SETTINGS = 1024 * 1024  # bytes of hostconfig.json
_MOST_PENALTIES = 1000
_MOST_LINE, _MOST_LINES = 8192, 100_000
_ANVIL_SECONDS = 5.0
# auth-penalty.h: two seconds, doubled for each level, at most 15; five levels.
_FIRST_WAIT, _LONGEST_WAIT, _HIGHEST = 2, 15, 4


def observe_log_destination(scene: Scene) -> LogDestination | NotApplicable:
    """Whether what Dovecot logs reaches the file that its configuration names."""
    paths = [path for path in log_paths(scene.config.tree) if path.startswith("/") and path[:5] != "/dev/"]
    if not paths:
        return NotApplicable(LogDestination, "Dovecot does not log to a file of its own")
    told = [
        LogDestination(
            "log_path",
            path,
            _problem(scene, path),
            not scene.dovecot.has(str(Path(path).parent)),
            _elsewhere(scene, path),
        )
        for path in paths
    ]
    return next((one for one in told if one.problem or one.writes_to), told[0])


def _problem(scene: Scene, path: str) -> str:
    """Why a log process that starts now cannot open the file; "" when it can."""
    if scene.dovecot.has(path) and scene.dovecot.path(path).is_dir():
        return "that is a folder"
    if not scene.dovecot.has(str(Path(path).parent)):
        return f"there is no folder {Path(path).parent}"
    return ""


def _elsewhere(scene: Scene, path: str) -> str:
    """The file that the running log process writes instead; "" when it is the right one, or none runs."""
    wanted = _identity(scene.dovecot.path(path))
    name = Path(path).name
    for pid in _log_processes(scene):
        held = list(_files_of(pid))
        if any(identity == wanted for _, identity in held):
            return ""
        for link, _ in held:
            if Path(link.removesuffix(" (deleted)")).name.startswith(name):
                return link.rpartition("/")[2] if " (deleted)" not in link else "a file that was deleted"
    return ""


def _log_processes(scene: Scene) -> list[int]:
    master = master_process(scene.dovecot, scene.config).pid
    try:
        # The kernel's own list: to ask every process for its parent takes long on a large machine.
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    except OSError as why:
        raise unseen(f"/proc/{master}", why, "Dovecot's processes cannot be listed") from None
    return [int(pid) for pid in children if _name(pid) == "log"]


def _name(pid: str) -> str:
    with suppress(OSError):  # it may end while we look
        return processes.name(pid)
    return ""


def _files_of(pid: int) -> Iterator[tuple[str, tuple[int, int]]]:
    folder = Path(f"/proc/{pid}/fd")
    try:
        numbers = os.listdir(folder)  # noqa: PTH208 - names are enough, and many
    except PermissionError:
        raise CannotObserve(
            f"{folder}: only root sees which file the log process writes; run: sudo ls -l {folder}."
        ) from None
    except OSError:
        return
    for number in numbers:
        with suppress(OSError):
            link = str((folder / number).readlink())
            if identity := _identity(folder / number):
                yield link, identity


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        told = path.stat()
    except OSError:
        return None
    return (told.st_dev, told.st_ino) if stat.S_ISREG(told.st_mode) else None


def observe_filesystems(scene: Scene) -> Filesystems | NotApplicable:
    """How full the filesystems are that Dovecot writes to."""
    tree = scene.config.tree
    mail = tree.get("mail_location").partition(":")[2] or tree.get("mail_path")
    wanted = [("log", path) for path in log_paths(tree) if path.startswith("/") and path[:5] != "/dev/"]
    wanted += _of_syslog(scene)
    wanted += [("state", tree.get("state_dir")), ("run", scene.config.base_dir)]
    wanted.append(("mail", mail.partition("%")[0].rpartition("/")[0] if "%" in mail else mail))
    found: dict[int, Filesystem] = {}
    for use, path in wanted:
        if path.startswith("/") and (there := _nearest(scene.dovecot, path)):
            told, device = os.statvfs(there), there.stat().st_dev
            size, free = told.f_blocks * told.f_frsize, told.f_bavail * told.f_frsize
            found.setdefault(device, Filesystem(use, path, size, free, told.f_files or None, told.f_favail))
    if not found:
        return NotApplicable(Filesystems, "no folder of Dovecot's is known")
    return Filesystems("statvfs(2)", tuple(found.values()))


def _of_syslog(scene: Scene) -> list[tuple[str, str]]:
    """Where syslog keeps what Dovecot tells it: a file, or the journal, in memory or not."""
    if "syslog" not in log_paths(scene.config.tree):
        return []
    if file := syslog_file(scene.dovecot):
        return [("log", file)]
    return [("journal", one) for one in _JOURNALS if scene.dovecot.has(one)][:1]


def _nearest(dovecot: Installation, path: str) -> Path | None:
    """The path, or the first folder above it that is there."""
    for one in (path, *map(str, Path(path).parents)):
        with suppress(OSError):
            there = dovecot.path(one)
            if there.exists():
                return there
    return None


def observe_container_log(scene: Scene) -> ContainerLog | NotApplicable:
    """How Docker keeps what Dovecot writes to its standard error; only where Dovecot does that."""
    if not any(path.startswith("/dev/") for path in log_paths(scene.config.tree)):
        return NotApplicable(ContainerLog, "Dovecot does not log to its standard error")
    pid = scene.dovecot.pid or "self"
    try:
        mounts = Path(f"/proc/{pid}/mountinfo").read_text("utf-8", "surrogateescape")
        ours = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    except OSError as why:
        raise unseen(f"/proc/{pid}/mountinfo", why) from None
    return container_log(mounts, ours)


def container_log(mounts: str, ours: str) -> ContainerLog | NotApplicable:
    """What hostconfig.json says, whose folder a container's mounts name.  ``ours``: the host's own mounts.

    Source: Docker's documentation of the json-file driver: without max-size a log has no limit.
    """
    found = _CONTAINER.search(mounts)
    if found is None:
        return NotApplicable(ContainerLog, "this is no container of Docker's")
    folder = _on_the_host(found[1], found[2], ours)
    kept = folder / "hostconfig.json"
    try:
        # Whoever may mount in there chooses the folder: it counts where only root can have written it.
        told = json.loads(inroot.content(kept, _MOST_SETTINGS))["LogConfig"] if private.trusted(kept) else {}
        driver, options = str(told["Type"]), told.get("Config") or {}
        log = folder / f"{folder.name}-json.log"
        size = log.stat().st_size if log.exists() else 0
        place = os.statvfs(folder)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise CannotObserve(
            f"{found[2]}: the container's log settings can be read on its host only: docker inspect -f"
            f" '{{{{json .HostConfig.LogConfig}}}}' {folder.name[:12]} shows them."
        ) from None
    return ContainerLog(
        str(kept),
        driver,
        str(options.get("max-size", "")),
        str(log),
        size,
        place.f_bavail * place.f_frsize,
    )


def _on_the_host(device: str, path: str, ours: str) -> Path:
    """Where ``path`` of a filesystem is seen here: it may be mounted anywhere, /var/lib/docker for one."""
    for held, root, place in _MOUNT.findall(ours):
        if held == device and Path(path).is_relative_to(root):
            return Path(place) / Path(path).relative_to(root)
    return Path(path)


def observe_penalties(scene: Scene) -> Penalties | NotApplicable:
    """Whom anvil makes wait before each attempt; what ``doveadm penalty`` shows, as of now."""
    if not scene.dovecot.has(f"{scene.config.base_dir}/anvil-auth-penalty"):
        # Its listener has mode = 0: auth cannot ask, though anvil still remembers (measured).
        return NotApplicable(Penalties, "the penalty is switched off")
    path = scene.dovecot.path(f"{scene.config.base_dir}/anvil")
    # Source: doveadm-penalty.c, Dovecot 2.3.19.1 and 2.4.1.
    hello = (
        "VERSION\tanvil-client\t2\t0\n\n"
        if scene.config.version.dialect == "2.4"
        else "VERSION\tanvil\t1\t0\n"
    )
    found: list[Penalty] = []
    try:
        with socket.socket(socket.AF_UNIX) as anvil:
            anvil.settimeout(_ANVIL_SECONDS)
            inroot.connect(anvil, path)
            anvil.sendall(f"{hello}PENALTY-DUMP\n".encode())
            with anvil.makefile("r", encoding="ascii", errors="replace") as lines:
                for _ in range(_MOST_LINES):
                    line = lines.readline(_MOST_LINE)
                    if line in ("\n", "") or len(found) >= _MOST_PENALTIES:
                        break
                    if penalty := _penalty(line.rstrip("\n").split("\t")):
                        found.append(penalty)
    except FileNotFoundError:
        return NotApplicable(Penalties, "anvil has no socket")
    except OSError as why:
        see = typed.shown(scene.dovecot, "doveadm", "penalty")
        raise CannotObserve(
            f"{path}: anvil does not answer ({why.strerror or why}); run: sudo {see}."
        ) from None
    return Penalties(str(path), tuple(found))


def _penalty(fields: list[str]) -> Penalty | None:
    """As auth counts it down (auth_penalty_anvil_callback, auth-penalty.c)."""
    told = [digits.number(one) for one in fields[1:3]]
    if len(told) < 2 or told[0] is None or told[1] is None:
        return None
    level, age, highest = told[0], time.time() - told[1], _HIGHEST
    while level > 0 and age >= _wait(highest):
        highest -= 1
        level -= 1
    return Penalty(fields[0], level, _wait(level)) if level > 0 else None


def _wait(level: int) -> int:
    return min(_LONGEST_WAIT, _FIRST_WAIT << max(level, 0))
