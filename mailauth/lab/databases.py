"""Private database servers, PostgreSQL and MariaDB: on loopback, gone with their caller."""

import glob
import os
import pwd
import re
import secrets
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from mailauth.errors import CannotObserve
from mailauth.lab.builds import SEARCH, cache, locked
from mailauth.lab.handover import hand_over
from mailauth.lab.household import ENVIRONMENT, Household, Start
from mailauth.lab.ports import HOST, Ports
from mailauth.lab.settings import LabPlace
from mailauth.stores.drivers import psycopg, pymysql

_OBJECT_IN_USE = "55006"  # SQLSTATE
_READY_SECONDS = 60.0
USER = "lab"


class Server:
    """A private database server; the two below say how theirs is made, started and spoken to.

    Start it with ``with``.  Several Labs may share one: each gets a database of its own.
    Raises CannotObserve when it is not installed or does not start.
    """

    driver: str  # Dovecot's name
    dialect: str  # SQLAlchemy's
    package: str
    daemon: str
    account: str  # who runs it when we are root
    stop_signal: str

    def __init__(self) -> None:
        self.port = 0
        self.pid = 0
        self.password = ""
        self._ports = Ports()
        self._household: Household | None = None
        self._made = 0

    def __enter__(self) -> Self:
        program = self.find(self.daemon)
        household = self._household = Household(self.driver)
        try:
            self.folder = household.folder
            data = self.folder / "data"
            self._fill(program, data)
            self.password = secrets.token_hex(8)
            self.prepare(data)
            self.port = self._ports.take()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def start(self) -> None:
        """Start it, on the data that it has: to be called again after kill() only."""
        assert self._household
        user, group = self._ids()
        what = Start(
            argv=self.argv(self.find(self.daemon), self.folder / "data"),
            output=self.folder / "server.log",
            stop=self.stop_signal,
            uid=user,
            gid=group,
        )
        self.pid = self._household.start(what)
        self._await(self.pid)

    def kill(self) -> None:
        """SIGKILL to all of its processes, whatever they are at."""
        with suppress(psutil.NoSuchProcess):
            main = psutil.Process(self.pid)
            main.suspend()  # so that it starts nothing more, and learns of no child's end
            while main.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE):
                time.sleep(0.001)  # it may be about to start one
            family = [*main.children(recursive=True), main]
            for one in family:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
            psutil.wait_procs(family, timeout=_READY_SECONDS)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._household:
            self._household.close()
            self._household = None
        self._ports.close()

    @property
    def version(self) -> str:
        """The server's version, from its program."""
        program = self.find(self.daemon)
        told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
        found = re.search(r"[0-9]+(\.[0-9]+)+", told)
        return found[0] if found else told.strip()

    def new_database(self) -> LabPlace:
        """A fresh, empty database."""
        self._made += 1
        place = self._place(f"lab{self._made}")
        self.execute(f"CREATE DATABASE {place.database}")
        return place

    def drop(self, place: LabPlace) -> None:
        """Remove a database; a server that is gone has none."""
        if self._household is None:
            return
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            try:
                self.execute(f"DROP DATABASE {place.database}{self.force}")
            except Exception as why:  # PostgreSQL gives the others in it 5 s to leave
                in_use = getattr(why, "sqlstate", None) == _OBJECT_IN_USE
                if not in_use or time.monotonic() > deadline:
                    raise
            else:
                return

    force = ""

    def url(self, place: LabPlace) -> str:
        """The SQLAlchemy URL of a database."""
        return f"{self.dialect}://{USER}:{self.password}@{HOST}:{self.port}/{place.database}"

    def _place(self, database: str) -> LabPlace:
        return LabPlace(host=HOST, port=self.port, user=USER, password=self.password, database=database)

    def _await(self, pid: int) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            try:
                self.execute("SELECT 1")
            except Exception as why:
                household = self._household
                if not household or household.status(pid) is not None or time.monotonic() > deadline:
                    log = (self.folder / "server.log").read_text(errors="replace").strip().splitlines()
                    said = log[-1] if log else why
                    raise CannotObserve(f"The lab's {self.package} does not start: {said}") from why
                time.sleep(0.01)
            else:
                return

    def _ids(self) -> tuple[int | None, int | None]:
        if os.geteuid() != 0:
            return None, None
        try:
            entry = pwd.getpwnam(self.account)
        except KeyError:
            raise CannotObserve(f"There is no user {self.account} to run {self.package} as.") from None
        return entry.pw_uid, entry.pw_gid

    def _own(self, *folders: Path) -> None:
        """Give folders, and all in them, to the user who runs the server, and to nobody else."""
        user, group = self._ids()
        for folder in folders:
            folder.chmod(0o700)
            if user is not None and group is not None:
                for place in (folder, *folder.rglob("*")):
                    os.chown(place, user, group, follow_symlinks=False)

    def _fill(self, program: str, data: Path) -> None:
        """Make the folder of data, which takes a second or two: once, and then copy what is in the cache."""
        kept = cache() / "databases" / f"{self.driver}-{self.version}"
        try:
            with locked(kept.parent, kept.name):
                if kept.is_dir():
                    shutil.copytree(kept, data)
                    self._own(data, self.folder)
                    return
                self._make_own(program, data)
                half = kept.with_name(f".{kept.name}")
                shutil.rmtree(half, ignore_errors=True)
                shutil.copytree(data, half)
                half.rename(kept)
        except CannotObserve:  # the cache is another's, such as root's
            shutil.rmtree(data, ignore_errors=True)
            self._make_own(program, data)

    def _make_own(self, program: str, data: Path) -> None:
        data.mkdir()
        self._own(data, self.folder)
        self._make(program, data)

    def _make(self, program: str, data: Path) -> None:
        user, group = self._ids()
        ran = subprocess.run(
            self.make_argv(program, data),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
            cwd="/",
            env=dict(ENVIRONMENT),
        )
        if ran.returncode:
            raise CannotObserve(f"{self.package}: cannot make an empty database: {ran.stdout.strip()[-300:]}")

    def find(self, program: str) -> str:
        """The full path of one of the server's programs. Raises CannotObserve."""
        found = shutil.which(program, path=SEARCH)
        if found is None:
            raise CannotObserve(f"{program} is not installed; apt-get install {self.package}")
        return found

    def argv(self, program: str, data: Path) -> list[str]:
        raise NotImplementedError

    def make_argv(self, program: str, data: Path) -> list[str]:
        raise NotImplementedError

    def prepare(self, data: Path) -> None:
        """Set the password of USER."""
        raise NotImplementedError

    def execute(self, statement: str) -> None:
        """Run one statement outside any database of a Lab."""
        raise NotImplementedError


class Postgres(Server):
    """A private PostgreSQL. SIGQUIT, since SIGKILL would leave its shared memory behind."""

    driver, dialect, package = "pgsql", "postgresql+psycopg", "postgresql"
    daemon, account, stop_signal = "postgres", "postgres", "SIGQUIT"
    force = " WITH (FORCE)"

    def find(self, program: str) -> str:
        """Debian keeps them out of PATH; the newest version wins."""
        found = glob.glob(f"/usr/lib/postgresql/*/bin/{program}")  # noqa: PTH207 - a pattern from the root
        if found:
            return max(found, key=lambda path: float(path.split("/")[4]))
        return super().find(program)

    def make_argv(self, program: str, data: Path) -> list[str]:
        del program
        return [
            *(self.find("initdb"), "--no-sync", "--username", USER, "--auth-local", "trust"),
            *("--auth-host", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "-D", str(data)),
        ]

    def argv(self, program: str, data: Path) -> list[str]:
        settings = {
            "listen_addresses": HOST,
            "port": self.port,
            "unix_socket_directories": self.folder,  # only its owner, and root, may enter
            "fsync": "off",  # a commit outlives the server, which may be killed, and not the machine
            "full_page_writes": "off",
            "autovacuum": "off",
            "shared_buffers": "8MB",
            "max_connections": 100,
            "dynamic_shared_memory_type": "mmap",
        }
        return [program, "-D", str(data), *(f"--{name}={value}" for name, value in settings.items())]

    def prepare(self, data: Path) -> None:
        del data  # the password is set once it runs

    def _await(self, pid: int) -> None:
        """Wait on the socket, which asks for no password; then set the one that the port asks for."""
        super()._await(pid)
        self.execute(f"ALTER USER {USER} PASSWORD '{self.password}'")

    def execute(self, statement: str) -> None:
        with psycopg.connect(
            host=str(self.folder), port=self.port, user=USER, dbname="postgres", autocommit=True
        ) as link:
            link.execute(statement.encode())


class MariaDB(Server):
    """A private MariaDB."""

    driver, dialect, package = "mysql", "mysql+pymysql", "mariadb-server"
    daemon, account, stop_signal = "mariadbd", "mysql", "SIGKILL"

    def make_argv(self, program: str, data: Path) -> list[str]:
        del program
        return [
            *(self.find("mariadb-install-db"), "--no-defaults", f"--datadir={data}", "--skip-test-db"),
            *("--auth-root-authentication-method=normal", "--innodb-log-file-size=4M"),
            *("--innodb-flush-method=nosync", "--innodb-doublewrite=OFF"),
        ]

    def argv(self, program: str, data: Path) -> list[str]:
        return [
            *(program, "--no-defaults", f"--datadir={data}", f"--bind-address={HOST}", f"--port={self.port}"),
            *(f"--socket={self.folder}/socket", f"--pid-file={self.folder}/pid", f"--tmpdir={self.folder}"),
            *(f"--init-file={data}/lab.sql", "--skip-name-resolve", "--skip-log-bin"),
            *("--innodb-log-file-size=4M", "--innodb-buffer-pool-size=8M", "--innodb-flush-method=nosync"),
            *("--innodb-flush-log-at-trx-commit=2", "--innodb-doublewrite=OFF", "--performance-schema=OFF"),
        ]

    def prepare(self, data: Path) -> None:
        hand_over(
            data / "lab.sql",
            f"CREATE USER '{USER}'@'{HOST}' IDENTIFIED BY '{self.password}';\n"
            f"GRANT ALL ON *.* TO '{USER}'@'{HOST}' WITH GRANT OPTION;\n"
            "ALTER USER root@localhost ACCOUNT LOCK;\n",
            *self._ids(),
        )

    def execute(self, statement: str) -> None:
        link = pymysql.connect(
            host=HOST,
            port=self.port,
            user=USER,
            password=self.password,
            autocommit=True,
            ssl_disabled=True,  # else every connection reads all certificates of the system, 15 ms
        )
        with link, link.cursor() as cursor:
            cursor.execute(statement)


SERVERS: dict[str, type[Server]] = {"mysql": MariaDB, "pgsql": Postgres}
