"""A program of another root, as bytes that nobody can exchange any more, and what it says.

Whoever is in a container can put "#!/proc/self/exe" in a program's place.  Run from outside, that is our own
interpreter, with its file open to them (CVE-2019-5736).  So the program is read once, its "#!" lines are
followed here, and what is run is a sealed copy in memory that begins as a program of the machine does.

Source: execve(2) on "#!" lines; memfd_create(2), fcntl(2) on seals; https://seclists.org/oss-sec/2019/q1/119.
"""

import fcntl
import os
import selectors
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO

from mailauth.errors import CannotObserve
from mailauth.records import dataclass

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # where a program is looked for
_MiB = 1024 * 1024
_MOST_OUTPUT = 8 * _MiB  # bytes that a program may print: doveconf -a prints some 60 KB, and each is parsed
_MOST_LISTED = {"doveadm": 32 * _MiB}  # doveadm who has a row for each session
_MOST_SCRIPTS = 4  # as the kernel: one that is run by one that is run by one
_MFD_EXEC = 0x10  # Linux 6.3; before, every one can be run
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


@dataclass(frozen=True, slots=True)
class Program:
    """``descriptor``: its copy, to be closed; ``argv`` with the interpreters of a script in front."""

    descriptor: int
    argv: tuple[str, ...]

    def become(self, environment: dict[str, str]) -> None:
        """In a child: run it.  Nothing of ours is open in it but its standard streams."""
        os.closerange(3, self.descriptor)
        os.closerange(self.descriptor + 1, os.sysconf("SC_OPEN_MAX"))
        with suppress(OSError):
            os.execve(self.descriptor, self.argv, environment)  # noqa: S606 - that is the purpose
        os._exit(126)


def program(argv: list[str], content: Callable[[str], bytes]) -> Program:
    """``content`` reads a file of that root.  Raises OSError, and CannotObserve for what is no program."""
    data = content(argv[0])
    for _ in range(_MOST_SCRIPTS):
        if not data.startswith(b"#!"):
            break
        words = data[2:].partition(b"\n")[0].decode("utf-8", "replace").strip().split(maxsplit=1)
        if not words or not words[0].startswith("/"):
            break
        argv = [*words, *argv]
        data = content(argv[0])
    if not data.startswith(b"\x7fELF"):
        raise CannotObserve(f"{argv[0]}: is no program of this machine; it was not run.")
    return Program(_sealed(data), tuple(argv))


def _sealed(data: bytes) -> int:
    wanted = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        descriptor = os.memfd_create("mailauth", wanted | _MFD_EXEC)
    except OSError:
        descriptor = os.memfd_create("mailauth", wanted)
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    return descriptor


def most_of(program: str) -> int:
    """Bytes that a program of Dovecot's may print, whoever has put it there."""
    return _MOST_LISTED.get(program.rpartition("/")[2], _MOST_OUTPUT)


def heard(argv: Sequence[str], seconds: float, most: int) -> tuple[int, bytes, bytes]:
    """Run a program of ours: how it ended, and what it said.  Raises as ``talk`` does, and OSError."""
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe) as ran:
        try:
            out, err = talk(ran, b"", seconds, most)
        except BaseException:
            ran.kill()
            raise
    return ran.returncode, out, err


def talk(ran: subprocess.Popen[bytes], feed: bytes, seconds: float, most: int) -> tuple[bytes, bytes]:
    """Feed it, and hear it to its end; of its errors, so much is kept.

    Raises subprocess.TimeoutExpired when it does not end in time, and CannotObserve when it prints more.
    """
    assert ran.stdin
    assert ran.stdout
    assert ran.stderr
    told: dict[IO[bytes], bytearray] = {ran.stdout: bytearray(), ran.stderr: bytearray()}
    until, left = time.monotonic() + seconds, memoryview(feed)
    with selectors.DefaultSelector() as ready:
        ready.register(ran.stdout, selectors.EVENT_READ)
        ready.register(ran.stderr, selectors.EVENT_READ)
        if left:
            os.set_blocking(ran.stdin.fileno(), False)
            ready.register(ran.stdin, selectors.EVENT_WRITE)
        else:
            ran.stdin.close()
        while ready.get_map():
            found = ready.select(max(until - time.monotonic(), 0.0))
            if not found and time.monotonic() >= until:
                raise subprocess.TimeoutExpired(ran.args, seconds)
            for key, _ in found:
                if key.fileobj is ran.stdin:
                    left = _fed(ran.stdin, left)
                    if not left:
                        ready.unregister(ran.stdin)
                        ran.stdin.close()
                    continue
                stream = ran.stdout if key.fileobj is ran.stdout else ran.stderr
                data = os.read(stream.fileno(), 65536)
                told[stream] += data[: most - len(told[stream])]
                if stream is ran.stdout and data and len(told[stream]) == most:
                    raise CannotObserve(
                        f"{_name(ran.args)}: prints more than {most // _MiB} MiB, which was not looked at;"
                        " see whether it is the program that was installed."
                    )
                if not data:
                    ready.unregister(stream)
    ran.wait(max(until - time.monotonic(), 0.0))
    return bytes(told[ran.stdout]), bytes(told[ran.stderr])


def _name(args: object) -> str:
    return str(args[0] if isinstance(args, Sequence) else args)


def _fed(stream: IO[bytes], left: memoryview) -> memoryview:
    """What is left to be fed; nothing more where nobody reads."""
    try:
        return left[os.write(stream.fileno(), left) :]
    except BlockingIOError:
        return left
    except BrokenPipeError:
        return left[:0]
