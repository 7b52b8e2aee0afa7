"""A real, disposable Dovecot with a real store."""

import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from mailauth.dovecot import processes
from mailauth.dovecot.authsocket import AuthReply, AuthSocket
from mailauth.dovecot.version import Dialect, Version
from mailauth.errors import CannotObserve, UsageError
from mailauth.lab.builds import Build, ensure
from mailauth.lab.databases import Server
from mailauth.lab.household import ENVIRONMENT, Household, Start
from mailauth.lab.inside import binds, own_names
from mailauth.lab.ports import Ports
from mailauth.lab.postfix import Postfix
from mailauth.lab.postfix import find as find_postfix
from mailauth.lab.settings import AUTH_POSTFIX, Certificate, Layout, dovecot_conf
from mailauth.lab.stores import KINDS, Site, Store, Users, Wish, check_dialect

_READY_SECONDS = 60.0
_RELOAD_SECONDS = 15.0  # after auth failed: proofs of an auth that does not start wait for the whole of it
_FAILED = ("service(auth): child ", "service(auth): command startup failed")  # as the master logs it
_REFUSED = "Failed to read configuration"  # as 2.4's master does, and keeps the old one
_RUN_SECONDS = 60.0
_OWN_PROGRAMS = ("dovecot", "doveadm", "doveconf")  # these are told which configuration is meant
_NOBODY = (65534, 65534)


class Lab:
    """A Dovecot of some version with some store, until the end of the ``with``, or of this process.

    ``dovecot``      the version: None for the one installed, or one of ``builds.RELEASES``,
                     which is fetched if need be
    ``store``        one of stores.KINDS
    ``users``        user -> stored string, put in the store as it is; None is SQL's NULL
    ``settings``     configuration text that comes last, in this version's dialect
    ``protocols``    of settings.PROTOCOLS; none is the fastest: logins go to the auth socket
    ``tls``          STARTTLS on their ports, and TLS on more: ports["imaps"] and so on
    ``postfix``      a Postfix that asks this Dovecot (root only): ports["smtp"], with tls ports["smtps"]
    ``database``     a running Postgres() or MariaDB() to use; none: start one of our own
    ``config_version``  2.4's dovecot_config_version, where it is not the binary's own
    ``query``        the password query;  ``passdb_extra``, ``sql_extra``: more lines in the passdb block,
                     and in 2.3's dovecot-sql.conf.ext (or the like of another driver), or 2.4's block

    Raises UsageError when Dovecot refuses the configuration, CannotObserve when something does not start.
    """

    def __init__(
        self,
        dovecot: str | None = None,
        store: str = "passwd-file",
        users: Users | None = None,
        settings: str = "",
        protocols: tuple[str, ...] = (),
        *,
        database: Server | None = None,
        query: str | None = None,
        passdb_extra: str = "",
        sql_extra: str = "",
        tls: bool = False,
        postfix: bool = False,
        config_version: str | None = None,
    ) -> None:
        if store not in KINDS:
            raise UsageError(f"There is no store {store!r}; there are {', '.join(KINDS)}.")
        self._wanted, self._driver, self._users, self._text = dovecot, store, dict(users or {}), settings
        self._database = database
        self._query, self._passdb_extra, self._sql_extra = query, passdb_extra, sql_extra
        self._tls, self._with_postfix, self._config_version = tls, postfix, config_version
        secured = [f"{one}s" for one in protocols if one != "sieve"] if tls else []
        smtp = ["smtp", "smtps"] if postfix else []
        self._served = (*protocols, *secured, *smtp)
        self._ports = Ports()
        self.ports: dict[str, int] = {}
        self.postfix: Postfix | None = None
        self._household: Household | None = None
        self._store: Store | None = None
        self.master_pid = 0

    def __enter__(self) -> Self:
        self.build: Build = ensure(self._wanted)
        check_dialect(self._driver, self.build)
        household = self._household = Household("lab")
        try:
            self.folder = household.folder
            self.ports = {name: self.free_port() for name in self._served}
            self._furnish()
            self._start()
            self.restart_postfix()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop everything and remove the folder."""
        self.master_pid = 0
        if self._household:
            self._household.close()
            self._household = None
        if self._store:
            self._store.close()
            self._store = None
        self._ports.close()

    @property
    def version(self) -> Version:
        """As ``dovecot --version`` says."""
        return self.build.version

    @property
    def dialect(self) -> Dialect:
        return self.build.version.dialect

    @property
    def entered(self) -> bool:
        """Whether its processes see other files than we do, so that it is named by its process."""
        return self.build.root is not None or bool(self.store.binds)

    @property
    def driver(self) -> str:
        """The kind of store, one of stores.KINDS."""
        return self._driver

    @property
    def config(self) -> Path:
        """The main configuration file."""
        return self.folder / "dovecot.conf"

    @property
    def settings_file(self) -> Path:
        """The file that holds ``settings``, included last."""
        return self._layout.settings_file

    @property
    def auth_socket(self) -> Path:
        return self.folder / "run" / "auth-client"

    @property
    def store(self) -> Store:
        """The store, which can be changed while Dovecot runs."""
        if self._store is None:
            raise CannotObserve("The lab is not running.")
        return self._store

    def log(self) -> str:
        """What Dovecot has logged so far."""
        with suppress(FileNotFoundError):
            return (self.folder / "log").read_text(errors="replace")
        return ""

    def logs(self, text: str, seconds: float = 60.0, *, times: int = 1) -> bool:
        """Whether Dovecot has logged ``text`` so often, or does so soon: its log lags behind its replies.

        What was logged before counts, too: of what is logged a second time, ask for two.
        """
        deadline = time.monotonic() + seconds
        while self.log().count(text) < times:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True

    def free_port(self) -> int:
        """A port of 127.0.0.1 that nobody listens on; no other lab is given it before this one ends."""
        return self._ports.take()

    def processes(self) -> list[psutil.Process]:
        """Dovecot's processes: auth, auth-worker, and so on; the master first."""
        master = psutil.Process(self.master_pid)
        return [master, *master.children(recursive=True)]

    def configure(self, text: str) -> None:
        """Replace ``settings``. Nothing changes before reload() or restart()."""
        self._write(self.settings_file, text)

    def reload(self) -> None:
        """``doveadm reload``, and wait for the new auth process.

        Postfix is stopped meanwhile: its smtpd would keep the old auth process for seconds.
        """
        if self.postfix and self._household:
            self.postfix.stop(self._household)
        # One that is busy does not answer, and may do so later: no process that is there is the new one.
        before = {int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()}
        old, logged = self._auth_pid(), len(self.log())
        done = self.run("doveadm", "reload")
        if done.returncode:
            raise UsageError(f"doveadm reload: {done.stderr.strip()}")
        began = time.monotonic()
        while (new := self._auth_pid()) is None or new in {*before, old} or _runs(old):
            said = self.log()[logged:]
            failed = any(text in said for text in _FAILED)
            late = time.monotonic() > began + (_RELOAD_SECONDS if failed else _READY_SECONDS)
            if late or _REFUSED in said:
                self._check_settings()
                raise CannotObserve(f"No new auth process came after the reload: {self._last_words()}")
            time.sleep(0.002)
        self.restart_postfix()

    def restart_postfix(self) -> None:
        """Stop the Postfix, if there is one, and start it with what is in its main.cf now."""
        if self.postfix and self._household:
            self.postfix.stop(self._household)
            self.postfix.start(self._household)

    def restart(self) -> None:
        """Stop Dovecot, not the database, and start it again."""
        self.stop()
        self._start()

    def stop(self) -> None:
        """Stop Dovecot only."""
        if self._household and self.master_pid:
            self._household.stop(self.master_pid)
        self.master_pid = 0
        self.auth_socket.unlink(missing_ok=True)

    def set_users(self, users: Users) -> None:
        """Have these users and no others."""
        self.store.set_users(users)

    def set_password(self, user: str, stored: str | None) -> None:
        """Change a user's stored string; add the user if need be."""
        self.store.set_password(user, stored)

    def remove_user(self, user: str) -> None:
        self.store.remove(user)

    def login(self, user: str, password: bytes, *, service: str = "imap", address: str = "") -> AuthReply:
        """Log in through the auth socket, on a connection of its own; ``address``: where the client is."""
        with AuthSocket(self.auth_socket) as auth:
            return auth.plain(user, password, service=service, address=address)

    def argv(self, *words: str) -> list[str]:
        """What run() would run: a program of this Dovecot, with this configuration, in its root folder."""
        name, *rest = words
        program = self.build.program(name) if name in _OWN_PROGRAMS else name
        chosen = ["-c", str(self.config)] if name in _OWN_PROGRAMS else []
        return [*self._entrance(), program, *chosen, *rest]

    def run(self, *words: str, input: str = "") -> subprocess.CompletedProcess[str]:  # noqa: A002 - as in subprocess
        """Run a program of this Dovecot: ``run("doveadm", "auth", "test", "alice")``."""
        return subprocess.run(
            self.argv(*words),
            capture_output=True,
            text=True,
            check=False,
            timeout=_RUN_SECONDS,
            env=dict(ENVIRONMENT),
            input=input,
        )

    def _furnish(self) -> None:
        """Make the store and write the configuration."""
        group = self.build.group("dovecot") if os.geteuid() == 0 else None
        if os.geteuid() == 0 and group is None:
            raise CannotObserve("Dovecot's user and group are not there; is dovecot-core half installed?")
        self._store = KINDS[self._driver].make(self._site(group))
        self._store.set_users(self._users)
        wish = Wish(self.dialect, self.folder, self._query, self._passdb_extra, self._sql_extra)
        passdb = self._store.passdb(wish)
        self._layout = Layout(
            version=self.version,
            folder=self.folder,
            passdb=passdb.text,
            ports=self.ports,
            owner=own_names(),
            mail_user=_NOBODY if os.geteuid() == 0 else (os.geteuid(), os.getegid()),
            certificate=self._certificate() if self._tls else None,
            relay=self.ports.get("smtp", 0) if "submission" in self.ports else 0,
            postfix=self._with_postfix,
            config_version=self._config_version,
        )
        self._write(self.config, dovecot_conf(self._layout))
        self.configure(self._text)
        for file, text in passdb.files.items():
            self._write(file, text)
        mail = self.folder / "mail"
        mail.mkdir()
        os.chown(mail, *self._layout.mail_user)
        if self._with_postfix:
            self.postfix = Postfix(
                find_postfix(self.build),
                self.folder,
                self.auth_socket.with_name(AUTH_POSTFIX),
                self.ports,
                self._layout.certificate,
            )

    def _certificate(self) -> Certificate:
        from mailauth.lab.certificate import make  # noqa: PLC0415 - 45 ms, and only with TLS

        return make(self.folder)

    def _site(self, group: int | None) -> Site:
        assert self._household
        return Site(
            household=self._household,
            folder=self.folder,
            group=group,
            root=self.build.root,
            free_port=self.free_port,
            database=self._database,
            neighbour=lambda: Lab(self._wanted, protocols=("imap",)).__enter__(),
        )

    def _write(self, file: Path, text: str) -> None:
        file.touch(mode=0o600)
        file.write_text(text, errors="surrogateescape")

    def _start(self) -> None:
        assert self._household
        start = Start(
            argv=[self.build.program("dovecot"), "-F", "-c", str(self.config)],
            output=self.folder / "output",
            root=self.build.root or (Path("/") if self.store.binds else None),
            binds=[*binds(self.build.root, self.folder), *self.store.binds],
        )
        self.auth_socket.unlink(missing_ok=True)  # of one that was killed
        logged = len(self.log())
        self.master_pid = self._household.start(start)
        deadline = time.monotonic() + _READY_SECONDS
        while not self.auth_socket.exists():
            if self._household.status(self.master_pid) is not None or time.monotonic() > deadline:
                self._check_settings()
                raise CannotObserve(f"Dovecot {self.version} does not start: {self._last_words()}")
            time.sleep(0.001)
        # Let auth be there when the first login comes.  That it cannot start may be what is to be shown.
        deadline = time.monotonic() + _READY_SECONDS
        while self._auth_pid() is None and time.monotonic() < deadline:
            ended = self._household.status(self.master_pid) is not None
            if ended or any(text in self.log()[logged:] for text in _FAILED):
                self._check_driver()
                return
            time.sleep(0.001)

    def _entrance(self) -> list[str]:
        """The words before a command that make it run in the root folder of this Dovecot."""
        if not self.entered:
            return []
        if not self.master_pid:
            raise CannotObserve("Dovecot's root folder can be entered only while it runs.")
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        nsenter = shutil.which("nsenter", path=ENVIRONMENT["PATH"]) or "nsenter"
        return [nsenter, "--target", str(self.master_pid), *user, "--mount", "--root", "--wd", "--"]

    def _auth_pid(self) -> int | None:
        """The auth process that answers now, as it says itself; None when none does."""
        try:
            with AuthSocket(self.auth_socket, timeout=2.0) as auth:
                told = [line for line in auth.greeting if line.startswith("SPID\t")]
        except CannotObserve:
            return None
        return int(told[0].split("\t")[1]) if told else None

    def _last_words(self) -> str:
        """The last thing Dovecot said that is a complaint, else the last thing."""
        output = self.folder / "output"
        said = (output.read_text(errors="replace") if output.exists() else "") + self.log()
        lines = [line for line in said.splitlines() if line.strip()]
        grave = [line for line in lines if "Fatal" in line or "Error" in line]
        return (grave or lines or ["it says nothing."])[-1]

    def _check_driver(self) -> None:
        """Raise CannotObserve where Debian's package of the driver is not installed."""
        modules = (self.build.root or Path("/")) / "usr/lib/dovecot/modules"
        kind = KINDS[self._driver]
        if kind.plugin and modules.is_dir() and not (modules / kind.plugin).exists():
            raise CannotObserve(f"Dovecot's driver is not here: apt-get install {kind.package}")

    def _check_settings(self) -> None:
        """Raise UsageError when Dovecot refuses the configuration."""
        self._check_driver()
        said = self._last_words()
        if "onfiguration" in said:
            raise UsageError(f"Dovecot {self.version} refuses the configuration: {said}")


def _runs(pid: int | None) -> bool:
    """Whether a process is there, and not only waited for."""
    with suppress(OSError):
        return pid is not None and processes.stat(pid)[0] != b"Z"
    return False
