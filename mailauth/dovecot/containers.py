"""Find the Dovecot of a container by the container's name: its engine knows its first process.

Where no engine here knows the name, the control groups have it: docker-ID.scope, libpod-ID.scope,
lxc.payload.NAME, machine-NAME.scope, or the name alone.

Source: docker-inspect(1), podman-inspect(1), nerdctl inspect, lxc-info(1), machinectl(1); cgroups(7).
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from mailauth import digits, private
from mailauth.dovecot import entering, processes, rights
from mailauth.dovecot.processes import named, parent
from mailauth.dovecot.programs import PATH, talk
from mailauth.errors import CannotObserve, UsageError
from mailauth.records import dataclass

_SECONDS = 10.0  # for one engine to answer
_MOST = 64 * 1024  # bytes that it may print: a number
_LARGEST = 1 << 22  # PID_MAX_LIMIT: proc(5)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,252}")
_STATE = ("inspect", "--type", "container", "--format", "{{.State.Pid}}")
_ENGINES: tuple[tuple[str, ...], ...] = (
    ("docker", *_STATE),
    ("podman", *_STATE),
    ("nerdctl", "inspect", "--format", "{{.State.Pid}}"),
    ("lxc-info", "--no-humanize", "--pid", "--name"),
    ("machinectl", "show", "--property=Leader", "--value"),
)
_KEPT = ("HOME", "XDG_RUNTIME_DIR", "DOCKER_HOST", "CONTAINER_HOST")  # where an ordinary user's engine is
_GROUP = re.compile(
    r"(?:docker-|libpod-|nerdctl-|cri-containerd-|crio-|machine-|lxc\.payload\.|lxc\.monitor\.|systemd-nspawn@)?"
    r"(?P<name>.+?)(?:\.scope|\.service)?"
)
_NO_CONTAINERS = re.compile(r".*\.slice|user@.*|session-.*|init|system|docker|lxc|machine|dovecot(@.*)?|")
_IDENTITY = re.compile(r"[0-9a-f]{64}")
_SHORT = 12  # digits of an identity that name it


def dovecot_in(name: str) -> int:
    """The PID of the Dovecot master in that container, as seen from here.

    Raises UsageError for a name that there is not, and CannotObserve where there is not one Dovecot in it.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"--container {name!r}: is no container's name; see: docker ps, podman ps.")
    first = _asked(name)
    found = sorted(_beside(first)) if first else sorted(_in_group(name))
    if len(found) == 1:
        return found[0]
    if found:
        numbers = ", ".join(map(str, found))
        raise CannotObserve(f"--container {name}: several Dovecots run in it: name one by --pid: {numbers}.")
    if first:
        raise CannotObserve(f"--container {name}: no Dovecot runs in it.")
    raise UsageError(
        f"--container {name}: no engine here knows it, and no Dovecot runs in one.",
        needs_root=os.geteuid() != 0,
    )


def offer() -> str:
    """Where a Dovecot runs in exactly one container, and none beside: what to add.  "" otherwise."""
    found = [one for one in every() if one.user is None]
    name = found[0].container if len(found) == 1 else ""
    return f"a Dovecot runs in the container {name}: add --container {name}" if name else ""


@dataclass(frozen=True, slots=True)
class Runs:
    """A process that looks like a Dovecot's master: its file as it was named, and where it is.

    ``option``: what names it to mailauth.  ``apart``: it has another root; None: not seen.  ``user``: whose
    it is, where that is neither root nor the caller, nor has root named its container: who types a password
    for it gives it to that user.
    """

    pid: int
    config: str
    apart: bool | None
    container: str
    user: int | None = None

    @property
    def option(self) -> tuple[str, str]:
        return ("--container", self.container) if self.container else ("--pid", str(self.pid))


def every() -> list[Runs]:
    """All that run here, in containers too, by their numbers; what ends meanwhile is left out."""
    found = []
    for pid in sorted(_masters()):
        with suppress(OSError):
            words = [word.decode("utf-8", "replace") for word in processes.command(pid)]
            config = words[words.index("-c") + 1] if "-c" in words[:-1] else ""
            found.append((pid, config, _apart(pid), rights.of_pid(pid).uid))
    names = [_group_of(pid) if apart else "" for pid, _, apart, _ in found]
    single = [name if names.count(name) == 1 else "" for name in names]
    ours = (0, os.geteuid())
    return [
        Runs(pid, config, apart, name, None if name or user in ours else user)
        for (pid, config, apart, user), name in zip(found, single, strict=True)
    ]


def _asked(name: str) -> int | None:
    """The first process of a container, as the first engine tells that has one of that name."""
    for engine in _ENGINES:
        if (program := _program(engine[0])) and (pid := _told([program, *engine[1:], name])):
            return pid
    return None


def _program(name: str) -> str | None:
    """An engine that others than root and we ourselves cannot have put there: it is run with our rights."""
    found = shutil.which(name, path=PATH)
    return found if found and private.trusted(Path(found)) else None


def _told(argv: Sequence[str]) -> int | None:
    """The process that it prints the number of.  What it leaves behind ends with it."""
    kept = {key: os.environ[key] for key in _KEPT if os.geteuid() and key in os.environ}
    pipe = subprocess.PIPE
    environment = {"PATH": PATH, "LC_ALL": "C", **kept}
    with suppress(OSError, subprocess.SubprocessError, CannotObserve):
        with subprocess.Popen(
            argv, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, start_new_session=True
        ) as ran:
            try:
                out, _ = talk(ran, b"", _SECONDS, _MOST)
            finally:
                with suppress(OSError):  # there are none any more
                    os.killpg(ran.pid, signal.SIGKILL)
        pid = digits.number(out.decode("ascii", "replace").strip()) or 0
        if ran.returncode == 0 and 0 < pid <= _LARGEST and Path(f"/proc/{pid}").exists():
            return pid
    return None


def _masters() -> Iterator[int]:
    """Processes by that name that are not the children of one."""
    every: dict[int, int] = {}
    for pid in named("dovecot"):
        with suppress(OSError):
            every[pid] = parent(pid)
    yield from (pid for pid, over in every.items() if over not in every)


def _apart(pid: int) -> bool | None:
    """Whether it is in mounts of its own, with a root that is not ours; None where we may not see that."""
    try:
        return "mnt" in entering.differing(pid) and not Path(f"/proc/{pid}/root").samefile("/")
    except OSError:
        return None


def _beside(first: int) -> Iterator[int]:
    """The masters in a container's PID namespace; in its mounts, where it shares the host's PIDs."""
    kind = "pid" if entering.namespace(first, "pid") != entering.namespace("self", "pid") else "mnt"
    its = entering.namespace(first, kind)
    for pid in _masters():
        with suppress(OSError):
            if entering.namespace(pid, kind) == its:
                yield pid


def _in_group(name: str) -> Iterator[int]:
    for pid in _masters():
        if any(one == name or (_is_short(name) and one.startswith(name)) for one in _groups(pid)):
            yield pid


def _is_short(name: str) -> bool:
    return len(name) >= _SHORT and re.fullmatch(r"[0-9a-f]+", name) is not None


def _groups(pid: int) -> list[str]:
    """The names in a process's control groups, innermost first."""
    found: dict[str, None] = {}
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/cgroup").read_text("utf-8", "replace").splitlines():
            _, hierarchy, path = line.split(":", 2)
            parts = path.split("/")
            for at in reversed(range(len(parts))):
                one = None if _NO_CONTAINERS.fullmatch(parts[at]) else _GROUP.fullmatch(parts[at])
                if one and _ours(hierarchy, "/".join(parts[:at])):
                    found[one["name"].removesuffix(".slice")] = None
    return list(found)


def _ours(hierarchy: str, above: str) -> bool:
    """Whether root or we own the group above, who alone can have given the name.

    An ordinary user has a group of their own (user@1001.service), and can call one in it docker-mail.scope.
    """
    for top in entering.tops(hierarchy):
        with suppress(OSError):
            return Path(f"{top}{above}").stat().st_uid in (0, os.geteuid())
    return True


def _group_of(pid: int) -> str:
    """What to call its container; "" where nothing has its name."""
    names = [one for one in _groups(pid) if _NAME.fullmatch(one)]
    identity = next((one for one in names if _IDENTITY.fullmatch(one)), "")
    return identity[:_SHORT] or next(iter(names), "")
