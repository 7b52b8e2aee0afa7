"""A private OpenLDAP: on a port of the loopback address, gone with its lab.

Who may read what is as on a server of the field: anybody may bind, and the account that Dovecot has reads
entries and their passwords.  Whoever runs the lab administers it, by a socket that only that user may enter.
"""

import base64
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from mailauth.errors import CannotObserve
from mailauth.lab.builds import SEARCH
from mailauth.lab.handover import hand_over
from mailauth.lab.household import ENVIRONMENT, Household, Start
from mailauth.lab.ports import HOST
from mailauth.lab.settings import Certificate

SUFFIX = "dc=lab"
PEOPLE = f"ou=people,{SUFFIX}"
READER = f"cn=dovecot,{SUFFIX}"
_MANAGER = f"cn=manager,{SUFFIX}"
_READY_SECONDS = 60.0
_ASK_SECONDS = 120.0
_NO_SUCH_OBJECT = 32
_SCHEMAS = ("core", "cosine", "inetorgperson")
_MODULES = "/usr/lib/ldap"

Entry = Mapping[str, Sequence[str]]


class Slapd:
    """One that runs in a lab's household.

    ``certificate``: for StartTLS, and ldaps on the port ``secured``; then nobody binds without TLS.
    ``control``: the address at which whoever runs the lab is the administrator (SASL EXTERNAL).
    Raises CannotObserve when it is not installed or does not start.
    """

    def __init__(
        self,
        household: Household,
        port: int,
        secured: int = 0,
        certificate: Certificate | None = None,
    ) -> None:
        self.port, self.secured, self.password = port, secured, secrets.token_hex(8)
        self._household, self._certificate = household, certificate
        self.folder = household.folder / "slapd"
        self.control = f"ldapi://{quote(str(self.folder / 'socket'), safe='')}"
        self.pid = 0
        self._make()
        self.start()
        self.add({SUFFIX: {"objectClass": ["dcObject", "organization"], "dc": ["lab"], "o": ["lab"]}})
        self.add({PEOPLE: {"objectClass": ["organizationalUnit"], "ou": ["people"]}})
        reader = {"objectClass": ["applicationProcess", "simpleSecurityObject"], "cn": ["dovecot"]}
        self.add({READER: {**reader, "userPassword": [self.password]}})

    def start(self) -> None:
        """Start it, and wait until it answers: again after ``stop`` only."""
        uid, gid = _account()
        listen = f"ldap://{HOST}:{self.port}/ {self.control}"
        if self._certificate:
            listen += f" ldaps://{HOST}:{self.secured}/"
        output = self.folder / "output"
        self.pid = self._household.start(
            Start(
                argv=[str(self.folder / "slapd"), "-d", "0", "-f", str(self.folder / "conf"), "-h", listen],
                output=output,
                stop="SIGTERM",
                uid=uid,
                gid=gid,
            )
        )
        deadline = time.monotonic() + _READY_SECONDS
        while not self._listens():
            if self._household.status(self.pid) is not None or time.monotonic() > deadline:
                said = output.read_text(errors="replace").strip().splitlines() or ["it says nothing"]
                raise CannotObserve(f"The lab's slapd does not start: {said[-1]}")
            time.sleep(0.005)

    def _listens(self) -> bool:
        """At each of its places: slapd opens them one after the other."""
        ports = [self.port, *([self.secured] if self._certificate else ())]
        with suppress(OSError), socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self.folder / "socket"))
            return all(map(_listens, ports))
        return False

    def stop(self) -> None:
        self._household.stop(self.pid)

    def configure(self, more: str = "", rules: str = "") -> None:
        """Write its configuration; it counts from the next start.

        ``more``: lines of slapd.conf(5) for the database.  ``rules``: access rules before the usual ones.
        """
        schemas = "".join(f"include /etc/ldap/schema/{name}.schema\n" for name in _SCHEMAS)
        tls = ""
        if made := self._certificate:
            tls = f"TLSCertificateFile {made.cert}\nTLSCertificateKeyFile {made.key}\n"
            tls += "security simple_bind=128\n"  # so that who is let in came by TLS
        peer = f"gidNumber={os.getegid()}[+]uidNumber={os.geteuid()},cn=peercred,cn=external,cn=auth"
        text = (
            f"{schemas}modulepath {_MODULES}\nmoduleload back_mdb\n"
            f"pidfile {self.folder}/pid\nargsfile {self.folder}/args\n{tls}"
            f'authz-regexp "{peer}" "{_MANAGER}"\n'
            f'database mdb\nsuffix "{SUFFIX}"\nrootdn "{_MANAGER}"\n'
            f"directory {self.folder}/data\nmaxsize 1073741824\ndbnosync\nindex objectClass,uid eq\n"
            f"{more}{rules}"
            f'access to attrs=userPassword by dn.exact="{READER}" read by anonymous auth by * none\n'
            f'access to * by dn.exact="{READER}" read by anonymous auth by * none\n'
        )
        hand_over(self.folder / "conf", text, *_account())

    def add(self, entries: Mapping[str, Entry]) -> None:
        """Add entries: their name -> attribute -> values."""
        if entries:
            self._ask("ldapadd", input="".join(_ldif(name, entry) for name, entry in entries.items()))

    def change(self, name: str, values: Mapping[str, str]) -> None:
        """Give an entry these values of attributes, in place of those that it has."""
        changes = "".join(f"replace: {one}\n{one}:: {_coded(value)}\n-\n" for one, value in values.items())
        self._ask("ldapmodify", input=f"dn:: {_coded(name)}\nchangetype: modify\n{changes}\n")

    def change_forced(self, name: str, attribute: str, value: str | None) -> None:
        """Set an attribute that the server keeps itself, or remove it."""
        done = f"replace: {attribute}\n{attribute}: {value}\n" if value else f"delete: {attribute}\n"
        self._ask("ldapmodify", "-e", "relax", input=f"dn:: {_coded(name)}\nchangetype: modify\n{done}")

    def remove(self, names: Sequence[str]) -> None:
        """Remove entries; one that is not there is none."""
        if names:
            self._ask(
                "ldapdelete", "-c", input="".join(f"{name}\n" for name in names), allowed=(0, _NO_SUCH_OBJECT)
            )

    def search(self, base: str, text: str, *attributes: str) -> list[tuple[str, dict[str, list[str]]]]:
        """Name and attributes of the entries below ``base`` that a filter finds."""
        words = ("-LLL", "-o", "ldif-wrap=no", "-b", base, text, *attributes)
        return list(_entries(self._ask("ldapsearch", *words)))

    def _ask(self, program: str, *words: str, input: str = "", allowed: Sequence[int] = (0,)) -> str:  # noqa: A002 - as in subprocess
        """Run one of OpenLDAP's clients as the administrator."""
        done = subprocess.run(
            [find(program, "ldap-utils"), "-Q", "-Y", "EXTERNAL", "-H", self.control, *words],
            input=input,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
            timeout=_ASK_SECONDS,
            env=dict(ENVIRONMENT),
        )
        if done.returncode not in allowed:
            raise CannotObserve(f"{program}: {(done.stderr.strip() or 'it failed').splitlines()[0]}")
        return done.stdout

    def _make(self) -> None:
        """The folder with its configuration, and the program: a copy, which no profile of the machine's ties.

        Debian's AppArmor profile goes by the path, and forbids slapd all folders but the system's.
        """
        self.folder.mkdir(mode=0o700)
        (self.folder / "data").mkdir(mode=0o700)
        shutil.copy(find("slapd", "slapd"), self.folder / "slapd")
        self.configure()
        self._own(self.folder, self.folder / "data")
        if self._certificate:
            self._own(self._certificate.key)

    def _own(self, *places: Path) -> None:
        uid, gid = _account()
        if uid is not None and gid is not None:
            for place in places:
                os.chown(place, uid, gid, follow_symlinks=False)


def find(program: str, package: str) -> str:
    """The full path of one of OpenLDAP's programs.  Raises CannotObserve."""
    found = shutil.which(program, path=SEARCH)
    if found is None:
        raise CannotObserve(f"{program} is not installed; apt-get install {package}")
    return found


def _account() -> tuple[int | None, int | None]:
    """Who runs it when we are root."""
    if os.geteuid() != 0:
        return None, None
    try:
        entry = pwd.getpwnam("openldap")
    except KeyError:
        raise CannotObserve("There is no user openldap to run slapd as; apt-get install slapd") from None
    return entry.pw_uid, entry.pw_gid


def _listens(port: int) -> bool:
    with socket.socket() as link:
        return link.connect_ex((HOST, port)) == 0


def _ldif(name: str, entry: Entry) -> str:
    """An entry as RFC 2849 has it; all values in base64, so that they may hold anything."""
    pairs = [("dn", name), *((kind, value) for kind, values in entry.items() for value in values)]
    return "".join(f"{kind}:: {_coded(value)}\n" for kind, value in pairs) + "\n"


def _coded(value: str) -> str:
    return base64.b64encode(value.encode("utf-8", "surrogateescape")).decode()


def _entries(text: str) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """What ldapsearch -LLL prints without folded lines."""
    for block in text.split("\n\n"):
        found: dict[str, list[str]] = {}
        for line in block.splitlines():
            kind, _, value = line.partition(":")
            if value.startswith(":"):
                shown = base64.b64decode(value[1:].strip()).decode("utf-8", "surrogateescape")
            else:
                shown = value.strip()
            found.setdefault(kind, []).append(shown)
        if "dn" in found:
            yield found.pop("dn")[0], found
