"""Systemd's units for the on-login service: a socket that holds the port, and the service, shut in.

Each directive is there for a reason, which stands beside it.

Source: systemd.exec(5), systemd.socket(5), systemd.resource-control(5); capabilities(7).
"""

from collections.abc import Iterable
from pathlib import Path

from mailauth import loopback
from mailauth.dovecot import ldap_settings
from mailauth.dovecot.authconfig import AuthConfig, FileSource, SqlSource
from mailauth.dovecot.site import read_config
from mailauth.hashes import batch
from mailauth.migrate.crew import memory_of_one
from mailauth.migrate.onlogin import OnLogin, dovecot_of
from mailauth.stores.databases import DATABASES

NAME = "mailauth-on-login"
_MIB = 1024 * 1024
_OWN_MIB = 512  # Python, the databases' clients, doveconf and doveadm

_SOCKET = """\
# /etc/systemd/system/{name}.socket: holds the port, also while the service is stopped.
[Unit]
Description=mailauth: the port of the service that hears of logins

[Socket]
ListenStream=127.0.0.1:{port}
# One service for all connections; it bounds them itself.
Accept=no
Backlog=128

[Install]
WantedBy=sockets.target
"""

_SERVICE = """\
# /etc/systemd/system/{name}.service
[Unit]
Description=mailauth: give users a new password hash when they log in
Documentation=man:mailauth-migrate-on-login(1)
Requires={name}.socket
After=network.target dovecot.service {name}.socket

[Service]
ExecStart={program} migrate on-login serve{words}
Restart=always
RestartSec=2
# 2 is what a person has to mend: not enabled, enabled by an older mailauth, a port that is taken.
RestartPreventExitStatus=2
Nice=10

# root: it reads what only root may read (Dovecot's configuration with a database's password, passwd-files),
# asks doveadm, and looks at the verifying processes.  Of root's capabilities it keeps what that takes:
# files of others (DAC_OVERRIDE), a passwd-file made again with its owner and mode (CHOWN, FOWNER), /proc of
# Dovecot's processes (SYS_PTRACE), and trials of hashes as a user without rights (SETUID, SETGID, KILL).
CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_CHOWN CAP_FOWNER CAP_SYS_PTRACE
CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_KILL{more}
NoNewPrivileges=yes

# It writes its own state, and the stores that are files.
ProtectSystem=strict
StateDirectory=mailauth
StateDirectoryMode=0700
UMask=0077
{writes}# A store, or the socket or certificate of a server, in a home or in /tmp has to be seen.
ProtectHome={homes}
PrivateTmp={private_tmp}
PrivateDevices=yes
PrivateMounts=yes
# Dovecot's processes are others', and their /proc is looked at.
ProtectProc=default

# It changes nothing of the system.
ProtectClock=yes
ProtectControlGroups={groups}
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID={files}
RestrictNamespaces={namespaces}
MemoryDenyWriteExecute=yes
KeyringMode=private
RemoveIPC=yes

# Databases, directories and Dovecot by TCP and sockets of files; whose a connection is, by netlink.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
{network}SystemCallArchitectures=native
SystemCallFilter=@system-service{calls}
SystemCallErrorNumber=EPERM

# One hash for each core, of the goal's memory; no core with a password in it.
MemoryMax={memory}M
TasksMax=64
LimitNOFILE=1024
LimitCORE=0

[Install]
WantedBy=multi-user.target
"""
_HERE = "IPAddressDeny=any\nIPAddressAllow=localhost\n"  # all its servers are on this machine
# Into a container: its namespaces, root and control groups, with its own filter and limits after that.
_ENTERING = " CAP_SYS_ADMIN CAP_SYS_CHROOT CAP_SETPCAP CAP_SYS_RESOURCE"
_ENTERING_CALLS = " setns unshare chroot"


def _named(name: str) -> str:
    return f"{NAME}-{name}" if name else NAME


def socket_unit(settings: OnLogin, name: str = "") -> str:
    """The socket's.  ``name``: which on-login, where there are several."""
    return _SOCKET.format(name=_named(name), port=settings.port)


def service_unit(settings: OnLogin, program: str, name: str = "") -> str:
    """The service's.  Raises CannotObserve where Dovecot's configuration cannot be read."""
    dovecot = dovecot_of(settings)
    config = read_config(dovecot)
    apart = settings.pid is not None
    files = [] if apart else _written(config)
    directories = [ldap_settings.read(config, one, dovecot) for one in config.passdbs if one.how == "lookup"]
    paths = (program, *_paths(config), *(path for one in directories for path in one.paths))
    return _SERVICE.format(
        name=_named(name),
        program=program,
        words=f" --name {name}" if name else "",
        more=_ENTERING if apart else "",
        calls=_ENTERING_CALLS if apart else "",
        namespaces="no" if apart else "yes",
        groups="no" if apart else "yes",
        files="no" if apart else "yes",  # it takes openat2() away, by which a container's files are opened
        writes="".join(f"ReadWritePaths={_quoted(path)}\n" for path in files),
        homes="read-only" if _below(paths, "/home/", "/root/") else "yes",
        private_tmp="no" if _below(paths[1:], "/tmp/", "/var/tmp/") else "yes",  # noqa: S108
        network="" if _far(config) or any(one.far for one in directories) else _HERE,
        memory=_OWN_MIB + batch.cores() * memory_of_one(settings.goal) // _MIB,
    )


def _written(config: AuthConfig) -> list[str]:
    """Folders of stores that are files, since a new file takes the old one's place; above any variable."""
    folders = (str(Path(path.partition("%")[0] + "x").parent) for path in _files(config))
    return [path for path in dict.fromkeys(folders) if Path(path).is_absolute() and path != "/"]


def _files(config: AuthConfig) -> list[str]:
    files = []
    for passdb in config.passdbs:
        source = passdb.source
        if isinstance(source, FileSource):
            files.append(source.path)
        elif isinstance(source, SqlSource) and DATABASES[source.driver].is_file:
            files += [host["path"] for host in source.hosts if "path" in host]
    return files


def _paths(config: AuthConfig) -> tuple[str, ...]:
    """The configuration's, the stores', and the sockets' of databases."""
    return (config.file, *_files(config), *(value for host in _hosts(config) for value in host.values()))


def _below(paths: Iterable[str], *folders: str) -> bool:
    return any(path.startswith(folders) for path in paths)


def _far(config: AuthConfig) -> bool:
    """Whether a database may be on another machine."""
    names = [host.get("host", "") or host.get("hostaddr", "") for host in _hosts(config)]
    return any(name and not loopback.is_here(name) and not name.startswith("/") for name in names)


def _hosts(config: AuthConfig) -> list[dict[str, str]]:
    sources = [one.source for one in config.passdbs if isinstance(one.source, SqlSource)]
    return [host for source in sources for host in source.hosts]


def _quoted(path: str) -> str:
    """For a unit: systemd.syntax(7); "%" is a specifier."""
    text = path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"'
