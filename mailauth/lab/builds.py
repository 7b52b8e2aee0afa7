"""Which Dovecots can be had: the one installed, and those of other Debian releases, unpacked into the cache.

To add a version, add a Release to RELEASES.
"""

import fcntl
import functools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mailauth import private
from mailauth.dovecot.version import Version
from mailauth.errors import CannotObserve, Refused, UsageError
from mailauth.later import later
from mailauth.records import dataclass

if TYPE_CHECKING:
    import stamina
    import stamina.instrumentation
else:
    stamina = later("stamina")  # 50 ms, and only to fetch

Say = Callable[[str], None]

PACKAGES = (
    "dovecot-core",
    "dovecot-imapd",
    "dovecot-pop3d",
    "dovecot-submissiond",
    "dovecot-managesieved",
    "dovecot-sqlite",
    "dovecot-mysql",
    "dovecot-pgsql",
    "dovecot-ldap",
    "dovecot-auth-lua",
    "postfix",
)
_MARK = "mailauth-packages"  # what of PACKAGES a root has, one a line, written when they are there
SEARCH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"  # an ordinary user's PATH lacks sbin
_SCRIPTS = Path("/usr/share/debootstrap/scripts")
_UNPACK_SECONDS = 1800
_REMOVE_TRIES = 50
_TRIES = 4  # of unpacking, where a download failed: a mirror may be away for a moment
_NOT_DOWNLOADED = (  # in the words of debootstrap and apt-get
    "Failed getting release",
    "Couldn't download",
    "Failed to fetch",
    "Unable to fetch",
    "Some index files failed to download",
)


class _NotDownloadedError(CannotObserve):
    """A mirror did not answer, or not rightly."""


@dataclass(frozen=True, slots=True)
class Release:
    """A Debian release (``suite``) and the Dovecot in it; a backport is installed on top of ``base``."""

    version: str
    suite: str
    base: str


RELEASES = (
    Release("2.3.13", "bullseye", "bullseye"),
    Release("2.3.19.1", "bookworm", "bookworm"),
    Release("2.3.21.1", "bookworm-backports", "bookworm"),
    Release("2.4.1", "trixie", "trixie"),
    Release("2.4.5", "testing", "testing"),  # in November 2026; ask for "testing" to get what is there today
)


@dataclass(frozen=True, slots=True)
class Build:
    """A Dovecot that can be run: ``root`` is the folder it is unpacked in, None for the one installed."""

    version: Version
    root: Path | None

    def program(self, name: str) -> str:
        """The full path of one of its programs, as seen inside its root."""
        folder = "/usr/sbin" if name == "dovecot" else "/usr/bin"
        if self.root is None:
            return shutil.which(name, path=SEARCH) or f"{folder}/{name}"
        return f"{folder}/{name}"

    def group(self, name: str) -> int | None:
        """The number of a group there, None when there is none."""
        return self._number("group", name)

    def user(self, name: str) -> int | None:
        """The number of a user there, None when there is none."""
        return self._number("passwd", name)

    def _number(self, table: str, name: str) -> int | None:
        for line in ((self.root or Path("/")) / "etc" / table).read_text().splitlines():
            fields = line.split(":")
            if fields[0] == name:
                return int(fields[2])
        return None


def cache() -> Path:
    """The folder for what is slow to make: MAILAUTH_CACHE, else mailauth in the user's cache folder.

    Raises Refused where root's HOME is another user's: what is in there is run.
    """
    if named := os.environ.get("MAILAUTH_CACHE"):
        return Path(named).absolute()
    home = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(home) if home else Path.home() / ".cache") / "mailauth"
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    if os.geteuid() == 0 and not private.trusted(there):
        raise Refused(
            f"{folder}: root would run what is in there, and another user can change it; set HOME=/root, or"
            " name a folder by MAILAUTH_CACHE."
        )
    return folder


def installed() -> Build | None:
    """The Dovecot installed on this machine, if any."""
    found = shutil.which("dovecot", path=SEARCH)
    return _installed(found) if found else None


@functools.cache
def _installed(dovecot: str) -> Build:
    ran = subprocess.run([dovecot, "--version"], capture_output=True, text=True, check=False)
    return Build(Version.parse(ran.stdout), None)


def unpacked(release: Release) -> Build | None:
    """The Dovecot of that release, if it is in the cache with all of PACKAGES, which were fewer once."""
    folder = cache() / "dovecot" / release.suite
    try:
        told = (folder / "mailauth-version").read_text()
        return None if _lacks(folder) else Build(Version.parse(told), folder)
    except FileNotFoundError:
        return None
    except OSError as why:
        raise CannotObserve(f"The cache folder {cache()} cannot be used: {why.strerror}.") from why


def _lacks(folder: Path) -> tuple[str, ...]:
    """The PACKAGES that a root does not have.  One without a mark has those that dpkg has."""
    mark = folder / _MARK
    if mark.exists():
        return tuple(name for name in PACKAGES if name not in mark.read_text().split())
    return tuple(name for name in PACKAGES if not (folder / f"var/lib/dpkg/info/{name}.list").exists())


def available(version: str | None = None) -> Build | None:
    """The wanted Dovecot if it is here already, installed or in the cache; None: the one installed."""
    here = installed()
    if version is None:
        return here
    if here and version == str(here.version):
        return here
    release = find(version)
    found = unpacked(release)
    return found if found and version in (str(found.version), release.suite) else None


def find(version: str) -> Release:
    """The release that has the wanted Dovecot; a release's own name will do. Raises UsageError.

    What is unpacked may be newer than what RELEASES says.
    """
    for release in RELEASES:
        if version in (release.version, release.suite):
            return release
    for release in RELEASES:
        if (build := unpacked(release)) and version == str(build.version):
            return release
    here = installed()
    versions = [release.version for release in RELEASES]
    if here and str(here.version) not in versions:
        versions.insert(0, str(here.version))
    shown = [f"{one} (installed)" if here and one == str(here.version) else one for one in versions]
    raise UsageError(f"There is no Dovecot {version} here; there are {', '.join(shown)}.")


def ensure(version: str | None = None, say: Say = lambda _: None) -> Build:
    """The wanted Dovecot, unpacked into the cache first if need be, which takes about half a minute.

    Raises UsageError when there is no such version, CannotObserve when it cannot be fetched.
    """
    if found := available(version):
        return found
    if version is None:
        raise CannotObserve("No Dovecot is installed here; name a version, or install dovecot-core.")
    release = find(version)
    if os.geteuid() != 0:
        raise CannotObserve(
            f"Unpacking Dovecot {release.version} needs root; have root run:"
            f" MAILAUTH_CACHE={cache()} mailauth lab fetch {version}"
        )
    with locked(cache() / "dovecot", release.suite) as lock:
        build = available(version) or _unpack_patiently(release, say, lock)
    if version not in (str(build.version), release.suite):
        raise UsageError(
            f'Debian {release.suite} now has Dovecot {build.version}; ask for "{release.suite}".'
        )
    return build


@contextmanager
def locked(folder: Path, name: str) -> Iterator[int]:
    """Be the only process that makes ``name`` in ``folder``; the lock goes with its descriptor, yielded."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f".{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock.fileno()
    except OSError as why:
        raise CannotObserve(f"The cache folder {folder} cannot be used: {why.strerror}.") from why


def _unpack_patiently(release: Release, say: Say, lock: int) -> Build:
    """Unpack a release; where a download failed, try again, after 5, 10 and 20 seconds."""
    stamina.instrumentation.set_on_retry_hooks(())  # it would print; we say it
    for attempt in stamina.retry_context(
        on=_NotDownloadedError, attempts=_TRIES, timeout=None, wait_initial=5.0, wait_max=60.0
    ):
        with attempt:
            if attempt.num > 1:
                say("A download failed; trying again.")
            return _unpack(release, say, lock)
    raise AssertionError("the last attempt returns or raises")


def _unpack(release: Release, say: Say, lock: int) -> Build:
    """Unpack a release beside its place, then rename: what has its name is whole, or lacks newer PACKAGES."""
    folder = cache() / "dovecot"
    if (folder / release.suite / "mailauth-version").exists():
        return _complete(release, folder / release.suite, say, lock)
    tool = _debootstrap(release)
    for half_done in folder.glob(f".half-{release.suite}.*"):
        _remove(half_done)
    half = Path(tempfile.mkdtemp(prefix=f".half-{release.suite}.", dir=folder))
    half.chmod(0o755)
    say(
        f"Unpacking the Dovecot of Debian {release.suite} ({release.version} or newer) into"
        f" {folder / release.suite};"
        " this takes about half a minute."
    )
    try:
        _bootstrap(tool, release, half, lock)
        told = _run(release, _chrooted(half, "dovecot", "--version"), lock)
        _thin(half)
        (half / "mailauth-version").write_text(told)
        (half / _MARK).write_text("\n".join(PACKAGES))
        _remove(folder / release.suite)
        half.rename(folder / release.suite)
    except BaseException:
        _remove(half)
        raise
    build = Build(Version.parse(told), folder / release.suite)
    say(f"Dovecot {build.version} is ready.")
    return build


def _complete(release: Release, root: Path, say: Say, lock: int) -> Build:
    """Install what a root lacks into it, as Dovecots may run there; the mark says what it has."""
    lacks = _lacks(root)
    (root / _MARK).write_text("\n".join(name for name in PACKAGES if name not in lacks))
    say(f"Adding {', '.join(lacks)} to Dovecot {release.version} in {root}.")
    _forbid_starts(root)
    _install(release, root, lacks, lock)
    told = _run(release, _chrooted(root, "dovecot", "--version"), lock)
    _thin(root)
    (root / "mailauth-version").write_text(told)
    (root / _MARK).write_text("\n".join(PACKAGES))
    return Build(Version.parse(told), root)


def _forbid_starts(root: Path) -> None:
    """What is unpacked is not started: 101 is "forbidden"."""
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)


def _install(release: Release, root: Path, packages: tuple[str, ...], lock: int) -> None:
    """Install packages of the release into a root."""
    # A mirror that stands still is as good as for debootstrap, which does not ask until when it is valid.
    options = ("-o", "APT::Update::Error-Mode=any", "-o", "Acquire::Check-Valid-Until=false")
    _run(release, _chrooted(root, "apt-get", "update", *options), lock)
    install = ("apt-get", "install", "--yes", "--no-install-recommends", "--target-release")
    _run(release, _chrooted(root, *install, release.suite, *packages), lock)


def _debootstrap(release: Release) -> str:
    """Where it is.  Raises CannotObserve, before anything is announced."""
    tool = shutil.which("debootstrap", path=SEARCH)
    if tool is None:
        raise CannotObserve(
            f"Dovecot {release.version} is not installed, and unpacking it needs debootstrap:"
            " apt-get install debootstrap"
        )
    return tool


def _bootstrap(tool: str, release: Release, half: Path, lock: int) -> None:
    """Fill the folder. A backport comes second: debootstrap knows one suite only."""
    wanted = PACKAGES if release.suite == release.base else ()
    include = [f"--include={','.join(wanted)}"] if wanted else []
    argv = [tool, "--variant=minbase", *include, release.base, str(half)]
    if not _SCRIPTS.joinpath(release.base).exists():
        argv += ["", str(_SCRIPTS / "sid")]  # the default mirror, and the script for what it does not know
    _run(release, argv, lock)
    if not wanted:
        sources = half / "etc/apt/sources.list"
        deb, mirror, *_ = sources.read_text().split()
        sources.write_text(sources.read_text() + f"{deb} {mirror} {release.suite} main\n")
        _forbid_starts(half)
        _install(release, half, PACKAGES, lock)


def _chrooted(root: Path, *argv: str) -> list[str]:
    return ["chroot", str(root), "env", "DEBIAN_FRONTEND=noninteractive", *argv]


def _run(release: Release, argv: list[str], lock: int) -> str:
    """Run a step of unpacking; its output. Raises CannotObserve with the last thing it said.

    When we are killed it goes on, and keeps the lock until it ends; when we are interrupted we end it.
    """
    with subprocess.Popen(
        argv,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PATH": f"{SEARCH}:/usr/bin:/sbin:/bin"},
        pass_fds=[lock],
        start_new_session=True,
    ) as step:
        try:
            said, _ = step.communicate(timeout=_UNPACK_SECONDS)
        except BaseException:
            os.killpg(step.pid, signal.SIGKILL)
            raise
    if step.returncode == 0:
        return said
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "it said nothing")
    failure = _NotDownloadedError if any(words in said for words in _NOT_DOWNLOADED) else CannotObserve
    raise failure(
        f"Dovecot {release.version} of Debian {release.suite} cannot be unpacked;"
        f" is the mirror reachable? {last}"
    )


def _thin(root: Path) -> None:
    """Remove what no Dovecot reads: package archives and lists, manuals, translations."""
    for name in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
        _remove(root / name)


def _remove(folder: Path) -> None:
    """Remove a folder; debootstrap leaves /proc mounted in a root when it is interrupted."""
    for _ in range(_REMOVE_TRIES):  # what was killed a moment ago may still be writing
        for inside in ("proc", "sys"):
            if (folder / inside).is_mount():
                subprocess.run(["umount", "--lazy", str(folder / inside)], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)
    raise CannotObserve(f"{folder} cannot be removed.")
