"""A private OpenLDAP server with a few users, on a port of its own."""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from mailauth.lab.ports import Ports
from tests.conftest import missing

SUFFIX = "dc=example,dc=org"
ADMIN, SECRET = f"cn=admin,{SUFFIX}", "of the directory"
_SCHEMAS = ("core", "cosine", "inetorgperson")
_SECONDS = 60.0


class Directory:
    """slapd with these users: uid -> userPassword, "" for none.  ``modules``: loaded besides back_mdb."""

    def __init__(self, folder: Path, users: Mapping[str, str], modules: Sequence[str] = ()) -> None:
        slapd = shutil.which("slapd", path="/usr/sbin:/usr/local/sbin")
        if slapd is None:
            missing("slapd is not here; install slapd")
        self._slapd, self._folder, self._users = str(slapd), folder, dict(users)
        self._modules = ("back_mdb", *modules)
        self._ports = Ports()
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def uri(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._folder.mkdir()
        (self._folder / "data").mkdir()
        config = self._folder / "slapd.conf"
        config.write_text(
            "".join(f"include /etc/ldap/schema/{name}.schema\n" for name in _SCHEMAS)
            + f"pidfile {self._folder}/pid\nmodulepath /usr/lib/ldap\n"
            + "".join(f"moduleload {name}\n" for name in self._modules)
            + "database mdb\n"
            f'suffix "{SUFFIX}"\nrootdn "{ADMIN}"\nrootpw "{SECRET}"\ndirectory {self._folder}/data\n'
        )
        entries = [f"dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\no: example\n"]
        entries += [
            f"dn: uid={uid},{SUFFIX}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\nsn: {uid}\n"
            + (f"userPassword: {stored}\n" if stored else "")
            for uid, stored in self._users.items()
        ]
        subprocess.run(
            [self._slapd, "-T", "add", "-f", str(config)],
            input="\n".join(entries).encode(),
            check=True,
            capture_output=True,
        )
        self.port = self._ports.take()
        self._process = subprocess.Popen(
            [self._slapd, "-f", str(config), "-h", self.uri, "-d", "0"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + _SECONDS
        while not self._answers():
            assert self._process.poll() is None, "slapd has ended"
            assert time.monotonic() < until, "slapd does not answer"
            time.sleep(0.05)
        return self

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def pause(self) -> None:
        """Take connections and answer nobody, as one whose disk hangs."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait()
        self._ports.close()
