"""Run Dovecot's own programs, wherever that Dovecot lives: here, in a chroot, in a container.

A Dovecot in another root is named by the PID of its master; its files are then read through
/proc/PID/root (``inroot``) and its programs are run beside it (``entering``).
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from mailauth import digits
from mailauth.dovecot import (
    answers,
    children,
    confining,
    containers,
    entering,
    holding,
    inroot,
    masters,
    numbers,
    programs,
)
from mailauth.dovecot.programs import PATH
from mailauth.dovecot.staying import Staying
from mailauth.errors import CannotObserve, NoAnswerInTime, UsageError
from mailauth.oserrors import unseen
from mailauth.records import dataclass

_T = TypeVar("_T")
_MOST_SECONDS = 900.0  # that a look into another root takes


@dataclass(frozen=True, slots=True)
class Ran:
    """What a program answered."""

    status: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Identity:
    """A user of the system that one of Dovecot's services runs as."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()

    def assume(self) -> None:
        """Become that user, for good."""
        with confining.becoming():
            os.setgroups(self.groups)
            os.setresgid(self.gid, self.gid, self.gid)
            os.setresuid(self.uid, self.uid, self.uid)


@dataclass(frozen=True, slots=True)
class Installation:
    """One Dovecot: its configuration file (None: its default), and its master's PID if it is elsewhere."""

    config: str | None = None
    pid: int | None = None

    def path(self, name: str) -> Path:
        """A file of that Dovecot's, as we can open it; links are followed in its root.

        Raises OSError, and CannotObserve when its master has ended.
        """
        if not self.pid:
            return Path(name)
        holding.check(self.pid)
        return inroot.found(f"/proc/{self.pid}/root", name)

    def state(self, path: Path) -> os.stat_result:
        """Owner, group and mode of a file, in that Dovecot's numbers.  Raises OSError."""
        return numbers.state(path, self.pid)

    def read(self, name: str) -> str:
        """A text of that Dovecot's system, such as /etc/passwd.  Raises OSError."""
        return inroot.content(self.path(name), inroot.TABLE).decode("utf-8", "replace")

    def has(self, name: str) -> bool:
        """Whether it has this file or folder.  Raises CannotObserve when that may not be seen."""
        try:
            self.path(name).stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as why:
            raise unseen(name, why, "cannot be looked at") from None
        return True

    def run(self, program: str, *args: str, feed: bytes = b"", timeout: float = 30.0) -> Ran:
        """Run one of Dovecot's programs with its configuration.

        ``feed`` goes to its standard input: the only way for a password.  Raises CannotObserve when
        the program is not there or does not end within ``timeout`` seconds.
        """
        config = ("-c", self.config) if self.config else ()
        return self.execute([program, *config, *args], feed=feed, timeout=timeout)

    def execute(self, words: Sequence[str], *, feed: bytes = b"", timeout: float = 30.0) -> Ran:
        """Run any program of that Dovecot's system; else as ``run``."""
        program = words[0]
        try:
            argv = [self._find(program), *words[1:]]
            copy = programs.program(argv, self._content) if self.pid else None
            try:
                return self._ran(argv, copy, feed, timeout)
            finally:
                if copy:
                    os.close(copy.descriptor)
        except subprocess.TimeoutExpired:
            raise NoAnswerInTime(f"{program} did not answer within {timeout:.0f} seconds.") from None
        except subprocess.SubprocessError:
            raise self._closed() from None
        except OSError as why:
            raise unseen(program, why, "cannot be run") from None

    def _ran(self, argv: list[str], copy: programs.Program | None, feed: bytes, timeout: float) -> Ran:
        # An empty environment: nothing of ours reaches Dovecot, and nothing secret could.
        environment, pid = {"PATH": PATH}, self.pid
        apart = pid is not None and "pid" in entering.differing(pid)

        def enter() -> None:
            assert pid
            assert copy
            entering.go(pid, timeout, program=True)
            copy.become(environment)

        with subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            preexec_fn=enter if pid else None,  # noqa: PLW1509 - as ``inside``
        ) as ran:
            try:
                told = programs.talk(ran, feed, timeout, programs.most_of(argv[0]))
            except BaseException:
                if pid:
                    entering.end(ran.pid, apart=apart)
                ran.kill()
                raise
        out, err = (stream.decode("utf-8", "replace") for stream in told)
        return Ran(ran.returncode, out, err)

    def _content(self, name: str) -> bytes:
        return inroot.content(self.path(name), inroot.PROGRAM)

    def inside(
        self,
        call: Callable[[], _T],
        form: Any = answers.PLAIN,
        *,
        identity: Identity | None = None,
        environment: Mapping[str, str] | None = None,
        writes: Iterable[str] = (),
        seconds: float | None = None,
    ) -> _T:
        """Call a function where that Dovecot lives: its files, its sockets, its network.

        ``form``: the type of what it returns, by which the answer of a child is checked.

        In a forked child when that is another root or namespace, another user (``identity``), or when it is
        to have Dovecot's ``environment`` in place of ours; what the function needs must be imported before.
        In our own root that child changes no file but ``writes``.  ``seconds``: how long it may take, in
        another root never without an end: whoever is root there can stop it.
        Its CannotObserve and Refused pass through; any other exception is a bug of ours.
        """
        if not self.pid and identity is None and environment is None:
            return call()
        if self.pid:
            holding.check(self.pid)

        def work() -> object:
            _become(self.pid, identity, environment)
            if not self.pid:
                confining.open_only()
                confining.write_nothing(map(Path, writes))
                confining.lessen()
            confining.die_with_parent()
            return call()

        if seconds is None and self.pid:
            seconds = _MOST_SECONDS
        return cast(_T, children.ask(work, form, self.pid, seconds=seconds))

    def as_it_is(self, call: Callable[[], _T], form: Any, *, seconds: float) -> _T:
        """Call a function with all the rights of this Dovecot's master: it may write, and run programs.

        For what somebody asked for and what cannot be had with less.  As ``inside`` otherwise.
        Raises CannotObserve for another root or user namespace, whatever files of ours are seen in it: what
        its owner put there would be mapped by our process, or run by it, and be given our interpreter.
        """
        if self.pid:
            holding.check(self.pid)
            if not entering.in_our_root(self.pid):
                raise CannotObserve("Dovecot has another root: run mailauth in there.")

        def work() -> object:
            if self.pid:
                entering.go(self.pid, seconds, program=True)
            confining.die_with_parent()
            return call()

        return cast(_T, children.ask(work, form, self.pid, seconds=seconds))

    def stay(self, make: Callable[[], object], protocol: type) -> Staying:
        """As ``inside``, for many calls: of what ``protocol`` says that ``make`` returns there."""
        assert self.pid
        children.prepare()
        return Staying(self.pid, make, protocol)

    def identity(self, user: str) -> Identity | None:
        """A user of the system that this Dovecot lives in; None for one that is not there."""
        try:
            entry = next(e for e in self._entries("passwd") if e[0] == user)
            numbers = [digits.number(e[2]) for e in self._entries("group") if user in e[3].split(",")]
        except (OSError, StopIteration):
            return None
        uid, gid = digits.number(entry[2]), digits.number(entry[3])
        if uid is None or gid is None:
            return None
        return Identity(uid, gid, tuple(sorted({gid, *(one for one in numbers if one is not None)})))

    def group(self, name: str) -> int | None:
        """The number of a group of that system; None where there is none."""
        try:
            return next(digits.number(entry[2]) for entry in self._entries("group") if entry[0] == name)
        except (OSError, StopIteration):
            return None

    def _entries(self, name: str) -> Iterator[list[str]]:
        for line in self.read(f"/etc/{name}").splitlines():
            if len(parts := line.split(":")) > 3:
                yield parts

    def _closed(self) -> CannotObserve:
        """Why that Dovecot's programs cannot be run beside it."""
        if self.pid and holding.still(self.pid):
            return CannotObserve(f"process {self.pid}: cannot be entered.", needs_root=os.geteuid() != 0)
        return CannotObserve(holding.gone(self.pid or 0))

    def _find(self, program: str) -> str:
        if self.pid:
            places = [program] if "/" in program else [f"{folder}/{program}" for folder in PATH.split(":")]
            if found := next((one for one in places if self.path(one).exists()), None):
                return found
            where = f"the root of process {self.pid}"
        else:
            if found := shutil.which(program) or shutil.which(program, path=PATH):
                return found
            where = "this machine"
        raise CannotObserve(f"Dovecot is not installed in {where}: there is no {program}; {self._instead()}.")

    def _instead(self) -> str:
        """What to do where there is none."""
        plain = "install dovecot-core or name a running Dovecot with --pid or --container"
        return plain if self.pid or self.config else containers.offer() or plain


def _become(pid: int | None, identity: Identity | None, environment: Mapping[str, str] | None) -> None:
    """For good: this is the child."""
    confining.limit_memory(answers.MEMORY)
    if pid:
        entering.go(pid, _MOST_SECONDS, program=False)
    if identity:
        identity.assume()
    if environment is not None:
        os.environ.clear()
        os.environ.update(environment)


def chosen(config: str | None, pid: int | None) -> Installation:
    """The Dovecot that a configuration file or a master's PID names; with neither, the one installed.

    Raises UsageError where there is no such file, and what ``at_pid`` raises.
    """
    if pid is not None:
        return at_pid(pid, config)
    if config is not None:
        config = str(Path(config).absolute())
        if not Path(config).is_file():
            what = no_file(Path(config))
            raise UsageError(f"{config}: {what}; give Dovecot's main configuration file.")
    return Installation(config)


def as_kept(pid: int, config: str | None, mark: str, whose: str) -> Installation:
    """The Dovecot whose PID was kept with its ``mark``; ``whose``: what of ours is about it.

    Raises as ``at_pid``, and UsageError where the number is another process's by now.
    """
    try:
        found = at_pid(pid, config)
        same = holding.mark(pid) == mark
    except (UsageError, OSError):
        same = False
    if not same:
        raise UsageError(
            f"{whose}: is about the Dovecot of process {pid}, which has ended, or was started again; name"
            " that Dovecot as it runs now by --pid or --container."
        )
    return found


def no_file(path: Path) -> str:
    """Why a path names no file, in a few words."""
    if path.is_dir():
        return "this is a folder"
    return "this is a pipe or a device, not a file" if path.exists() else "there is no such file"


def at_pid(pid: int, config: str | None) -> Installation:
    """The Dovecot whose master process is ``pid``; its configuration file is read from its command line.

    Raises UsageError when there is no such process, or when it is not a Dovecot master, and CannotObserve
    when it is not ours to look into.
    """
    found = masters.master(pid)
    return Installation(config or found.config, pid if found.apart else None)
