"""docs/upstream/out-of-memory.patch, built and tried: what auth logs of a hash without room.

    python -m bench.upstream_patch [--write] [--folder FOLDER]

As root.  The source is Debian testing's package of dovecot, by apt-get, which checks it; where the mirror has
no more than its upstream tarball, that alone.  Built is auth and what it is made of, once as it is, once with
the patch; each then runs as the auth of the Dovecot of testing that the lab has
unpacked, with its libsodium.  FOLDER keeps the build for the next run.  bench/results/upstream-patch.json
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from mailauth.lab import Lab, builds
from tests.proofs.story import SECRET, MiB, argon2id

ROOT = Path(__file__).parent.parent
PATCH = ROOT / "docs" / "upstream" / "out-of-memory.patch"
RESULT = ROOT / "bench" / "results" / "upstream-patch.json"
_CONFIGURE = (
    *("--prefix=/usr", "--sysconfdir=/etc", "--localstatedir=/var", "--libexecdir=/usr/lib", "--with-sodium"),
    *("--with-moduledir=/usr/lib/dovecot/modules", "--disable-static", "--disable-dependency-tracking"),
    *(
        f"--without-{one}"
        for one in ("pam", "lua", "icu", "pcre2", "stemmer", "textcat", "bzlib", "lz4", "zstd", "systemd")
    ),
    *(f"--without-{one}" for one in ("libunwind", "cdb", "libcap", "apparmor")),
)
# What auth is made of, in the order in which src/Makefile.am builds it.
_FIRST = (
    "lib-test lib lib-regex lib-var-expand lib-dns lib-settings lib-auth lib-dns-client lib-ssl-iostream"
    " lib-master lib-auth-client lib-login lib-charset lib-json lib-dcrypt lib-dict lib-http lib-oauth2"
    " lib-sasl lib-fs lib-mail lib-program-client lib-smtp lib-pop3 lib-imap lib-doveadm lib-var-expand-crypt"
    " lib-dict-extra lib-dovecot lib-imap-client lib-sql auth"
)
_AGAIN = "lib-auth lib-dovecot auth"  # after the patch
_LOGGED = 30.0  # seconds


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    words.add_argument("--write", action="store_true", help="Keep the result in bench/results.")
    words.add_argument("--folder", type=Path, help="Build here, and keep it.  [a temporary folder]")
    given = words.parse_args()
    build = builds.ensure("testing", print)
    assert build.root
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.folder or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        source = _source(folder)
        programs = _built(folder, source, build.root)
        version = str(build.version)
        found = {"as Debian built it": tried(version, None)}
        found |= {name: tried(version, program) for name, program in programs.items()}
    kept = {
        "dovecot": version,
        "source": source.name,
        "libsodium": next(build.root.glob("usr/lib/*/libsodium.so.2?.*")).resolve().name,
        "found": found,
        "when": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{platform.machine()}, Linux {platform.release()}",
    }
    print(json.dumps(kept, indent=2))
    if given.write:
        RESULT.write_text(json.dumps(kept, indent=2) + "\n")


def _source(folder: Path) -> Path:
    """The unpacked source of testing's dovecot, by an apt of its own lists, and libsodium's headers."""
    done = sorted(one for one in folder.glob("dovecot-*") if (one / "configure").exists())
    if done:
        return done[-1]
    apt = _apt(folder)
    # What the mirror lacks of the package it lacks: the upstream tarball is what is needed.
    _run(folder, *apt("source", "--download-only", "dovecot"), may_fail=True)
    _run(folder, *apt("download", "libsodium-dev"))
    _run(folder, "dpkg-deb", "-x", str(next(folder.glob("libsodium-dev_*.deb"))), "sodium")
    description = next(folder.glob("dovecot_*.dsc"), None)
    if description and next(folder.glob("dovecot_*.debian.tar.*"), None):
        _run(folder, "dpkg-source", "--no-check", "-x", str(description))
    else:
        print("The mirror has no Debian patches for it: upstream's tarball of the package is built.")
        _run(folder, "tar", "xf", str(next(folder.glob("dovecot_*.orig.tar.gz"))))
    return next(one for one in folder.glob("dovecot-*") if (one / "configure").exists())


def _apt(folder: Path) -> Callable[..., list[str]]:
    """apt-get with testing alone, from the mirror that this machine uses."""
    asked = ("indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian")
    mirror = _run(folder, "apt-get", *asked).split()[0]
    key = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
    sources = folder / "sources.list"
    sources.write_text(f"deb {key} {mirror} testing main\ndeb-src {key} {mirror} testing main\n")
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    own = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",
    }
    options = [word for name, value in own.items() for word in ("-o", f"{name}={value}")]
    _run(folder, "apt-get", *options, "update")
    return lambda *words: ["apt-get", *options, *words]


def _built(folder: Path, source: Path, root: Path) -> dict[str, Path]:
    """Make auth as it is, and with the patch."""
    library = folder / "library"
    library.mkdir(exist_ok=True)
    (library / "libsodium.so").unlink(missing_ok=True)
    (library / "libsodium.so").symlink_to(next(root.glob("usr/lib/*/libsodium.so.2?")))
    linked = f"-L{library} -lsodium"
    if not (source / "config.status").exists():
        settings = {
            "CFLAGS": "-O1",
            "LIBSODIUM_CFLAGS": f"-I{folder}/sodium/usr/include",
            "LIBSODIUM_LIBS": linked,
        }
        _run(source, "./configure", *_CONFIGURE, environment=settings)
    programs = {"built as it is": folder / "auth.plain", "built with the patch": folder / "auth.patched"}
    reverse = ("patch", "-p1", "--batch", "--reverse", "--force", "-i", str(PATCH))
    if not _run(source, *reverse, "--dry-run", may_fail=True).count("FAILED"):
        _run(source, *reverse)
    for name, program in programs.items():
        if name.endswith("patch"):
            _run(source, "patch", "-p1", "--batch", "-i", str(PATCH))
        parts = _FIRST if not (source / "src/auth/.libs/auth").exists() else _AGAIN
        own = (
            f"SUBDIRS={parts}",
            "noinst_PROGRAMS=",
            f"LIBSODIUM_LIBS={linked}",
            f"AUTH_LIBS=-lcrypt {linked}",
        )
        _run(source, "make", "-C", "src", *own)
        shutil.copy(source / "src/auth/.libs/auth", program)
    return programs


def _run(folder: Path, *argv: str, may_fail: bool = False, environment: dict[str, str] | None = None) -> str:
    """A step; its last words where it fails."""
    print("$", " ".join(argv[:4]), "...", flush=True)
    done = subprocess.run(
        argv,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode and not may_fail:
        raise SystemExit(f"{argv[0]} failed:\n{done.stdout[-2000:]}")
    return done.stdout


def tried(version: str, program: Path | None) -> dict[str, str]:
    """What auth logs of a right password whose hash has no room, and of a wrong one; and whether the right
    one works where there is room.

    ``program``: which auth; None: the package's.
    """
    with Lab(version, "passwd-file", {"alice": argon2id(memory=64 * MiB)}) as lab:
        own = ""
        if program:
            shutil.copy(program, lab.folder / "auth")
            (lab.folder / "auth").chmod(0o755)
            own = f"  executable = {lab.folder}/auth\n"
        lab.configure(f"service auth {{\n  vsz_limit = 64M\n{own}}}\n")
        lab.reload()
        right = _logged(lab, SECRET)
        lab.configure(f"service auth {{\n{own}}}\n" if own else "")
        lab.reload()
        wrong = _logged(lab, b"another")
        works = lab.login("alice", SECRET).ok
    return {"no memory": right, "wrong password": wrong, "right password": "OK" if works else "FAIL"}


def _logged(lab: Lab, password: bytes) -> str:
    """The reply, and auth's own line of a login that fails."""
    before = len(lab.log())
    reply = lab.login("alice", password)
    assert not reply.ok
    end = time.monotonic() + _LOGGED
    while time.monotonic() < end:
        lines = [one for one in lab.log()[before:].splitlines() if "auth(alice" in one]
        if lines:
            return f"{lines[0].partition('): ')[2]} (client: {reply.code or 'authentication failed'})"
        time.sleep(0.05)
    return "no line"


if __name__ == "__main__":
    main()
