"""A Dovecot in an OCI container: the unpacked one, read-only, with the rights that Docker gives.

Its files stand as images have them, behind absolute links: /var/run, a folder of the configuration, a
domain's folder, the certificate.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mailauth.hashes import Password, generate
from mailauth.lab import builds
from mailauth.lab.certificate import make
from tests.conftest import missing

USER, SECRET = "alice@example.org", "correct horse"
CAPABILITIES = tuple(  # Docker's: https://docs.docker.com/engine/security/
    f"CAP_{name}"
    for name in (
        *("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
        *("NET_BIND_SERVICE", "NET_RAW", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP"),
    )
)
_SPACES = ("pid", "network", "ipc", "uts", "mount", "cgroup")
_WRITABLE = {"/dev": 755, "/run": 755, "/tmp": 1777, "/var/lib/dovecot": 755}  # noqa: S108 - in there
_MAIN = """
dovecot_config_version = 2.4.1
dovecot_storage_version = 2.4.1
base_dir = /var/run/dovecot
log_path = /run/dovecot.log
protocols = imap
mail_driver = maildir
mail_path = ~/mail
auth_failure_delay = 0
ssl_server_cert_file = /etc/dovecot/private/dovecot.pem
ssl_server_key_file = /etc/dovecot/private/dovecot.key
!include conf.d/*.conf
"""
_RIGHTS = """#!/bin/sh
case "$1" in
forever) exec sleep 86399 ;;
leave) setsid sleep 86398 <&- >&- 2>&- & exit 0 ;;
flood) exec head -c 50000000 /dev/zero ;;
esac
cat /proc/self/status /proc/self/limits
ls -l /proc/self/ns
"""
_CLEARTEXT = """
auth_allow_cleartext = yes
"""
_PASSDB = """
passdb passwd-file {
  passwd_file_path = /etc/dovecot/domains/%{user | domain}/passwd
}
"""
_USERDB = """
userdb static {
  fields {
    uid = 5000
    gid = 5000
    home = /srv/mail/%{user}
  }
}
"""


IDENTITY = "4f" * 32


def docker(folder: Path, log_config: object) -> Path:
    """What Docker keeps of a container below its own ``folder``."""
    kept = folder / "containers" / IDENTITY
    kept.mkdir(parents=True)
    (kept / "hostconfig.json").write_text(json.dumps({"Binds": None, "LogConfig": log_config}))
    (kept / f"{IDENTITY}-json.log").write_text(
        '{"log":"x\\n","stream":"stderr","time":"2026-11-23T15:00:00Z"}\n'
    )
    (kept / "hostname").write_text("mail\n")
    return kept


@contextmanager
def container(
    folder: Path,
    namespaces: tuple[str, ...] = _SPACES,
    log_config: object = None,
    *,
    mapped: int = 0,
    memory: int = 0,
    passdb: str = "",
    binds: Mapping[str, Path] | None = None,
    group: str = "",
) -> Iterator[int]:
    """A running one, its files below ``folder``; the PID of its master.

    ``passdb``: another than that of a passwd-file a domain; ``binds``: path there -> folder here;
    ``group``: its control group, below one of the folder's name.

    ``mapped``: in a user namespace whose root is that user; ``memory``: so many bytes and no more.
    With ``log_config`` it has what Docker keeps of one, and logs to its standard error.
    """
    here = (builds.available(version) for version in ("2.4.1", "testing"))  # one in a root of its own
    build = next((one for one in here if one and one.root), None)
    runc = shutil.which("runc", path=builds.SEARCH)
    if build is None or build.root is None or runc is None:
        missing("no Dovecot 2.4 is in the cache, or runc is not here: apt-get install runc")
    assert build
    assert build.root
    assert runc
    _furnish(folder, build.group("dovecot") or 0)
    if passdb:
        (folder / "srv/conf.d/auth.conf").write_text(f"{_CLEARTEXT}{passdb}{_USERDB}")
    bundle = _bundle(build.root, folder, namespaces)
    bundle["mounts"] += [
        {"destination": place, "type": "bind", "source": str(source), "options": ["bind"]}
        for place, source in (binds or {}).items()
    ]
    if log_config:
        with (folder / "etc/dovecot.conf").open("a") as config:
            config.write("log_path = /dev/stderr\n")
        kept = str(docker(folder, log_config) / "hostname")
        bundle["mounts"] += [
            {"destination": "/etc/hostname", "type": "bind", "source": kept, "options": ["bind"]}
        ]
    if group:
        bundle["linux"]["cgroupsPath"] = f"/mailauth-{folder.name}/{group}"
    if mapped:
        _map(bundle, folder, mapped)
        (root := folder / "root").mkdir()  # the cache may be where that user may not go
        subprocess.run(["mount", "--bind", str(build.root), str(root)], check=True)
        bundle["root"]["path"] = str(root)
    if memory:
        bundle["linux"]["resources"] = {"memory": {"limit": memory}}
    (folder / "config.json").write_text(json.dumps(bundle))
    runs, name = (runc, "--root", str(folder / "state")), f"mailauth-{folder.name}"
    pid = folder / "pid"
    with (folder / "output").open("w") as output:
        started = subprocess.Popen(
            [*runs, "run", "--bundle", str(folder), "--pid-file", str(pid), name],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + 60
        while not (pid.exists() and (socket := _socket(pid.read_text())) and socket.exists()):
            told = (folder / "output").read_text()
            assert started.poll() is None, told
            assert time.monotonic() < deadline, told
            time.sleep(0.01)
        yield int(pid.read_text())
    finally:
        subprocess.run([*runs, "delete", "--force", name], check=False, capture_output=True)
        started.wait(timeout=60)
        if mapped:
            subprocess.run(["umount", "--lazy", str(folder / "root")], check=True)


def _map(bundle: dict[str, Any], folder: Path, first: int) -> None:
    """In a user namespace: the users from ``first`` on, who have what root's container has."""
    for one in (*folder.rglob("*"), folder):
        state = one.lstat()
        os.chown(one, first + state.st_uid, first + state.st_gid, follow_symlinks=False)
    both = [{"containerID": 0, "hostID": first, "size": 65536}]
    bundle["linux"] |= {"uidMappings": both, "gidMappings": both}
    bundle["linux"]["namespaces"] += [{"type": "user"}]


def _socket(pid: str) -> Path | None:
    return Path(f"/proc/{pid}/root/run/dovecot/auth-client") if pid else None


def _furnish(folder: Path, group: int) -> None:
    etc, srv = folder / "etc", folder / "srv"
    for place in (etc / "domains", etc / "private", srv / "conf.d", srv / "tls", srv / "mail/example.org"):
        place.mkdir(parents=True)
    folder.chmod(0o755)
    (etc / "dovecot.conf").write_text(_MAIN)
    (srv / "conf.d/auth.conf").write_text(f"{_CLEARTEXT}{_PASSDB}{_USERDB}")
    (etc / "conf.d").symlink_to("/srv/conf.d")
    (etc / "domains/example.org").symlink_to("/srv/mail/example.org")
    stored = generate("SHA512-CRYPT", Password.of(SECRET), user="")
    (srv / "mail/example.org/passwd").write_text(f"{USER}:{stored}\n")
    os.chown(srv / "mail/example.org/passwd", 0, group)
    (srv / "mail/example.org/passwd").chmod(0o640)
    (srv / "mail" / USER).mkdir()
    os.chown(srv / "mail" / USER, 5000, 5000)
    made = make(srv / "tls")
    (etc / "private/dovecot.pem").symlink_to(f"/srv/tls/{made.cert.name}")
    (etc / "private/dovecot.key").symlink_to(f"/srv/tls/{made.key.name}")
    (folder / "bin").mkdir()
    program = folder / "bin/rights"
    program.write_text(_RIGHTS)
    program.chmod(0o755)


def _bundle(root: Path, folder: Path, namespaces: tuple[str, ...]) -> dict[str, Any]:
    """Source: https://github.com/opencontainers/runtime-spec/blob/v1.0.2/config.md."""
    mounts: list[dict[str, Any]] = [{"destination": "/proc", "type": "proc", "source": "proc"}]
    mounts += [
        {"destination": place, "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", f"mode={mode}"]}
        for place, mode in _WRITABLE.items()
    ]
    mounts += [
        {"destination": place, "type": "bind", "source": str(folder / name), "options": ["bind"]}
        for place, name in (("/etc/dovecot", "etc"), ("/srv", "srv"), ("/usr/local/bin", "bin"))
    ]
    kinds = ("bounding", "effective", "permitted")
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["/usr/sbin/dovecot", "-F"],
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
            "cwd": "/",
            "capabilities": dict.fromkeys(kinds, CAPABILITIES),
            "noNewPrivileges": True,
        },
        "root": {"path": str(root), "readonly": True},
        "hostname": "mail",
        "mounts": mounts,
        "linux": {"namespaces": [{"type": kind} for kind in namespaces]},
    }
