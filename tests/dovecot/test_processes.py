"""What a process says of itself is as long as its user likes: PR_SET_MM of prctl(2) puts it anywhere."""

import ctypes
import mmap
import os
import re
import resource
import signal
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailauth.dovecot import processes
from mailauth.dovecot.doveadm import Installation
from mailauth.fix.plan import layers
from tests.cli.running import ROOT

_DUMPABLE, _NAME, _MM, _MM_MAP = 4, 15, 35, 14
_MiB = 1024 * 1024
_LONG = 2048 * _MiB
_UID = 40_014
_PROGRAM = b"/usr/lib/postfix/sbin/master"


def _tell_at_length() -> mmap.mmap:
    """As an ordinary user: a command line and an environment of 2 GiB, none of it in memory."""
    os.setgroups([])
    os.setresgid(_UID, _UID, _UID)
    os.setresuid(_UID, _UID, _UID)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_DUMPABLE, 1, 0, 0, 0)  # a change of user undid it
    no_room = 0x4000  # MAP_NORESERVE
    long = mmap.mmap(-1, _LONG, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | no_room)
    long[: len(_PROGRAM)] = _PROGRAM
    begin = ctypes.addressof(ctypes.c_char.from_buffer(long))
    fields = processes.stat("self")
    code, end_code, stack, data, end_data, heap = (int(fields[at - 3]) for at in (26, 27, 28, 45, 46, 47))
    libc.sbrk.restype = ctypes.c_void_p
    end = begin + _LONG
    told = struct.pack(
        "=12QIi",
        *(code, end_code, data, end_data, heap, libc.sbrk(0), stack, begin, end, begin, end, 0),
        *(0, -1),  # neither an auxiliary vector nor another program
    )
    if libc.prctl(_MM, _MM_MAP, told, ctypes.c_ulong(len(told)), 0):
        raise OSError(ctypes.get_errno(), "PR_SET_MM")
    libc.prctl(_NAME, b"fifteen-letters", 0, 0, 0)
    return long


@pytest.fixture
def armed() -> Iterator[int]:
    """Its PID."""
    if os.geteuid() != 0:
        pytest.skip("becomes an ordinary user")
    ready, told = os.pipe()
    if not (child := os.fork()):
        try:
            kept = _tell_at_length()
            os.write(told, b"!")
            signal.pause()
            kept.close()
        except OSError:  # a kernel without CONFIG_CHECKPOINT_RESTORE
            os.write(told, b"?")
        finally:
            os._exit(1)
    os.close(told)
    able = os.read(ready, 1) == b"!"
    os.close(ready)
    try:
        if not able:
            pytest.skip("this kernel has no PR_SET_MM_MAP")
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_command_line_without_end(armed: int) -> None:
    """Psutil took nine times its length of root's memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert processes.command(armed)[0] == _PROGRAM
    assert processes.variable(armed, "MAIL_CONFIG") == ""
    assert processes.name(armed) == "fifteen-letters"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def test_nobody_else_reads_them() -> None:
    """Psutil reads them whole: name() does where a name has 15 letters."""
    whole = re.compile(r"\.(?:cmdline|environ|as_dict|process_iter)\(|psutil\.Process\([^)]*\)\.name\(")
    for file in (ROOT / "mailauth").rglob("*.py"):
        assert not whole.search(file.read_text()), file.relative_to(ROOT)


def test_a_place_that_is_no_utf8(tmp_path: Path) -> None:
    """Root in a container mounts what it likes where it likes; an ordinary user does by FUSE."""
    if os.geteuid() != 0:
        pytest.skip("mounts")
    (odd := tmp_path / os.fsdecode(b"\xff")).mkdir()
    ready = 'mount -t tmpfs none "$1" && echo && read line'
    argv = ("unshare", "--mount", "sh", "-c", ready, "sh", odd)
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as there:
        assert there.stdout
        assert there.stdout.readline() == b"\n"
        found = layers(Installation(pid=there.pid))
        there.communicate()
    assert found[str(odd)] is False


def test_what_others_write_is_read_as_it_is() -> None:
    """A name, a place or a path that is no UTF-8 is no bug of ours."""
    strict = re.compile(r"/(?:comm|mountinfo|maps|cgroup|cmdline|environ|status)\"\)\.read_text\(\)")
    for file in (ROOT / "mailauth").rglob("*.py"):
        assert not strict.search(file.read_text()), file.relative_to(ROOT)
