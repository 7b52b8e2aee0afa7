"""Take from this process, for good, what it needs for nothing that it is to do in another's root.

An engine's exec gives a program the container's capabilities, no_new_privs, a seccomp filter and limits.
A container's own filter cannot be taken over without stopping its master with ptrace: ours stands in its
place, and refuses what Docker's default refuses that leads to the kernel or to other processes.

Source: prctl(2), capset(2), seccomp(2), getrlimit(2); https://docs.docker.com/engine/security/seccomp/;
numbers of system calls: Linux arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h.
"""

import ctypes
import errno
import os
import re
import resource
import signal
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING

from mailauth.later import later

if TYPE_CHECKING:
    import pathlib
else:
    pathlib = later("pathlib")  # every command imports this module

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_KEEPCAPS, _PR_SET_SECCOMP = 1, 4, 8, 22
_PR_CAPBSET_DROP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 24, 36, 38
_PR_CAP_AMBIENT, _CLEAR_ALL = 47, 4
_SECCOMP_MODE_FILTER = 2
_CAPABILITIES_3 = 0x20080522
_LAST_CAPABILITY = 63  # the sets of the kernel have 64 bits
_GiB = 1024**3
_TO_OPEN = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446  # on all machines
_LANDLOCK_VERSION, _LANDLOCK_TRUNCATES = 1, 3
_WRITE_FILE, _TRUNCATE = 1 << 1, 1 << 14
_WRITING = _WRITE_FILE | sum(1 << right for right in range(4, 13))  # to remove, to make; what 5.13 knows

# name: x86-64, aarch64; None: it has no such call.
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438), "kcmp": (312, 272), "setns": (308, 268), "unshare": (272, 97),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432),
    "fspick": (433, 433), "mount_setattr": (442, 442), "swapon": (167, 224), "swapoff": (168, 225),
    "open_by_handle_at": (304, 265), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142), "acct": (163, 89),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "clock_adjtime": (305, 266),
    "adjtimex": (159, 171), "quotactl": (179, 60), "syslog": (103, 116), "iopl": (172, None),
    "ioperm": (173, None), "move_pages": (279, 239), "vhangup": (153, 58),
}  # fmt: skip
_MODES: dict[str, tuple[int | None, int | None]] = {  # of files, which Landlock does not look at
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "lchown": (94, None), "fchown": (93, 55), "fchownat": (260, 54),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463),
}  # fmt: skip
_RUN = {"execve": (59, 221), "execveat": (322, 281)}
_MAP = {"mmap": (9, 222), "mprotect": (10, 226), "pkey_mprotect": (329, 288)}
_SHARED = {  # with other processes, without a socket
    "shmget": (29, 194), "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180),
}  # fmt: skip
_CLONE, _CLONE3, _SOCKET = (56, 220), (435, 435), (41, 198)
_CLONE_NEW = 0x7E020000  # CLONE_NEW*: namespaces
_FAMILIES = (38, 40)  # AF_ALG, AF_VSOCK: the kernel's, and the hypervisor's
_PROT_EXEC = 4
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # the column above; AUDIT_ARCH_*
_X32 = 0x40000000

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


class _Program(ctypes.Structure):
    """Struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def hide() -> None:
    """Show nobody our memory, our descriptors, or by which program we run: no dump, no ptrace, no /proc."""
    call("prctl", _PR_SET_DUMPABLE, 0, 0, 0, 0)


@contextmanager
def becoming() -> Iterator[None]:
    """Who changes its user inside is hidden before that user's signals are heard.

    The kernel shows a process again that changes its user (fs.suid_dumpable), and a core of it, which
    systemd-coredump lets that user read, would have what was in our memory.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
        hide()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def die_with_parent() -> None:
    """To be called after the last change of rights: the kernel forgets it with that."""
    call("prctl", _PR_SET_PDEATHSIG, 9, 0, 0, 0)


def hold_only(kept: Collection[int]) -> None:
    """Close what else is open, for good: a terminal, a journal, a folder of ours would go along."""
    nothing = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for number in {0, 1, 2}.difference(kept):
        os.dup2(nothing, number)
    first = 3
    for one in [*sorted(each for each in kept if each >= first), os.sysconf("SC_OPEN_MAX")]:
        os.closerange(first, one)
        first = one + 1


def adopt() -> None:
    """Become the parent of whatever is started below and left alone."""
    call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def become(uid: int, gid: int, groups: list[int] | None) -> None:
    """That user, with the capabilities kept for ``bound``; ``groups`` None: they may not be changed."""
    with becoming():
        call("prctl", _PR_SET_KEEPCAPS, 1, 0, 0, 0)
        if groups is not None:
            os.setgroups(groups)
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)


def bound(bounding: int, permitted: int) -> None:
    """No capability that is not in them, neither here nor in any program that is run from here."""
    for number in range(_LAST_CAPABILITY + 1):
        if not bounding >> number & 1:
            with suppress(OSError):  # EINVAL for what this kernel has not; EPERM where there is none to lose
                call("prctl", _PR_CAPBSET_DROP, number, 0, 0, 0)
    with suppress(OSError):  # a kernel before 4.3
        call("prctl", _PR_CAP_AMBIENT, _CLEAR_ALL, 0, 0, 0)
    wanted = _own() & permitted & bounding
    low, high = wanted & 0xFFFFFFFF, wanted >> 32
    head = struct.pack("=Ii", _CAPABILITIES_3, 0)
    call("capset", head, struct.pack("=6I", low, low, 0, high, high, 0))
    call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _own() -> int:
    """The capabilities that are permitted to this process."""
    head, data = struct.pack("=Ii", _CAPABILITIES_3, 0), ctypes.create_string_buffer(24)
    call("capget", head, data)
    _, low, _, _, high, _ = struct.unpack("=6I", data.raw)
    return int(low) | int(high) << 32


def limit(seconds: float, others: Mapping[int, int], *, program: bool) -> None:
    """Bounds of what the kernel gives; ``others``: the process's that is entered, where they are lower."""
    bounds = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: int(seconds) + 1,
        resource.RLIMIT_AS: _GiB if program else 8 * _GiB,  # the second has our own libraries
        resource.RLIMIT_FSIZE: _GiB // 16 if program else 4 * _GiB,  # the second writes passwd-files
        resource.RLIMIT_NOFILE: 1024,
        resource.RLIMIT_NPROC: 256,
    }
    for kind, most in bounds.items():
        hard = resource.getrlimit(kind)[1]
        values = [most, *(one for one in (hard, others.get(kind, -1)) if one != resource.RLIM_INFINITY)]
        resource.setrlimit(kind, (min(values), min(values)))


def limit_memory(more: int) -> None:
    """So many bytes of address space beyond what this process has, for good; to be called in our own root."""
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - as short as can be
        has = int(file.read().split()[0]) * resource.getpagesize()
    known = [one for one in resource.getrlimit(resource.RLIMIT_AS) if one != resource.RLIM_INFINITY]
    most = min([has + more, *known])
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def lessen() -> None:
    """Take what nothing needs that only asks: new privileges, programs, other processes, the kernel's parts.

    As far as this kernel can, and a container allows.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        hide()
        if code := filter_of_askers():
            told = _Program(len(code) // 8, code)
            call("prctl", _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(told), 0, 0)


@cache
def filter_of_askers() -> bytes:
    """To be made before the fork, once: it takes as long as the rest of a child."""
    return filter_code(_REFUSED | _RUN | _MODES, loads=True)


def write_nothing(but: "Iterable[pathlib.Path]" = ()) -> None:
    """Make, change and remove no file any more, whoever it belongs to, as far as this kernel can (5.13).

    ``but``: files that may be written to.  Source: landlock(7).
    """
    with suppress(OSError):
        knows = call("syscall", _LANDLOCK_CREATE, None, 0, _LANDLOCK_VERSION)
        cuts = _TRUNCATE if knows >= _LANDLOCK_TRUNCATES else 0
        head = struct.pack("=Q", _WRITING | cuts)
        rules = call("syscall", _LANDLOCK_CREATE, head, len(head), 0)
        for path in but:
            with suppress(OSError):
                file = os.open(path, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
                call("syscall", _LANDLOCK_ADD, rules, 1, struct.pack("=Qi", _WRITE_FILE | cuts, file), 0)
                os.close(file)
        call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        call("syscall", _LANDLOCK_RESTRICT, rules, 0)
        os.close(rules)


def open_only() -> None:
    """Of root's capabilities, those to open files; there is nothing to give up for who is not root."""
    if os.geteuid() == 0:
        with suppress(OSError):
            bound(_TO_OPEN, _TO_OPEN)


def limits_of(pid: int) -> dict[int, int]:
    """What the engine lets that process have.  Empty where we may not see."""
    kinds = (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE)
    with suppress(OSError):
        return {kind: resource.prlimit(pid, kind)[0] for kind in kinds}
    return {}


def filter_calls(*, program: bool) -> None:
    """Refuse system calls that nothing of ours, and no program of Dovecot's, makes.

    Without ``program`` no code is loaded or run any more: what a library would load of that root, such as
    modules for names, character sets or TLS, is not.  Raises OSError where the kernel cannot do it.
    """
    code = filter_code(_REFUSED if program else _REFUSED | _RUN, loads=program)
    if not code:
        raise OSError(errno.ENOSYS, "no filter of system calls is known for this machine", "seccomp")
    told = _Program(len(code) // 8, code)
    call("prctl", _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(told), 0, 0)


def take_label(pid: int | str, of: "pathlib.Path | None" = None) -> None:
    """The AppArmor profile of that process, for the program that is run next from here, or from a child.

    Where there is none, or we may not change to it, nothing is changed; ours can only be less than it.
    ``of``: what stands for /proc.
    Source: aa_change_onexec(2); Linux security/apparmor/lsm.c, apparmor_setprocattr().
    """
    of = of or pathlib.Path("/proc")
    with suppress(OSError, UnicodeDecodeError):
        folder = "attr/apparmor" if (of / "self/attr/apparmor").is_dir() else "attr"
        profile = (of / f"{pid}/{folder}/current").read_text("ascii").rstrip("\0\n")
        name = re.fullmatch(r"(?P<name>[^\s()]+) \((enforce|complain|kill|prompt|mixed)\)", profile)
        if name:
            (of / f"self/{folder}/exec").write_text(f"exec {name['name']}", "ascii")


def be_alone() -> None:
    """No program and no socket any more, for who may take them.  Raises OSError where the kernel cannot."""
    code = alone()
    if not code:
        raise OSError(errno.ENOSYS, "no filter of system calls is known for this machine", "seccomp")
    call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    told = _Program(len(code) // 8, code)
    call("prctl", _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(told), 0, 0)


@cache
def alone() -> bytes:
    """For a process that computes: no program, no socket, no shared memory; b"" where none is known."""
    return filter_code(_REFUSED | _RUN | _SHARED | {"socket": _SOCKET, "socketpair": (53, 199)}, loads=True)


def filter_code(refused: Mapping[str, tuple[int | None, int | None]], *, loads: bool) -> bytes:
    """Classic BPF over struct seccomp_data: number at 0, machine at 4, arguments from 16, 8 bytes each.

    ``loads``: whether code may be mapped.
    """
    column, machine = _MACHINES.get(os.uname().machine, (0, 0))
    if not machine:
        return b""

    def of(calls: tuple[int | None, int | None]) -> int:
        number = calls[column]
        return -1 & 0xFFFFFFFF if number is None else number

    no = _line(_RETURN, _ERRNO | errno.EPERM)
    code = [_line(_LOAD, 4), _line(_EQUAL, machine, 1, 0), no]
    code += [_line(_LOAD, 0), _line(_AT_LEAST, _X32, 0, 1), no]
    for each in refused.values():
        code += [_line(_EQUAL, of(each), 0, 1), no]
    code += [_line(_EQUAL, of(_CLONE3), 0, 1), _line(_RETURN, _ERRNO | errno.ENOSYS)]  # glibc takes clone
    asked = [(of(_CLONE), 0, _ANY_BIT, _CLONE_NEW)]
    asked += [(of(_SOCKET), 0, _EQUAL, family) for family in _FAMILIES]
    if not loads:
        asked += [(of(each), 2, _ANY_BIT, _PROT_EXEC) for each in _MAP.values()]
    for number, argument, test, value in asked:
        code += [_line(_EQUAL, number, 0, 4), _line(_LOAD, 16 + 8 * argument), _line(test, value, 0, 1), no]
        code += [_line(_LOAD, 0)]
    return b"".join([*code, _line(_RETURN, _ALLOW)])


def _line(what: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    """Struct sock_filter."""
    return struct.pack("=HBBI", what, then, otherwise, value)


def call(name: str, *words: object) -> int:
    """A function of libc's that returns -1 when it fails.  Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    longs = [ctypes.c_long(word) if isinstance(word, int) else word for word in words]
    answer: int = getattr(libc, name)(*longs)
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), name)
    return answer
