"""Users as accounts of the system: throw-away ones, in files that only the lab's Dovecot sees.

Its processes have /etc/passwd, /etc/shadow and /etc/pam.d of the lab's own, in a mount namespace that
vanishes with them.  Nothing of the machine is changed, and none of its hashes is copied.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from mailauth.errors import CannotObserve
from mailauth.lab.stores.store import Passdb, Site, Users, Wish, Written, as_crypt, block

_FIRST_ID = 60_001  # above those that adduser gives, below nobody's
_NO_LOGIN = "/usr/sbin/nologin"
_CHANGED = 19_000  # days since 1970: the password's last change

# As Debian 12 and 13 have them, and "dovecot" as the package dovecot-core; without pam_cap, and with
# "nodelay": a lab's Dovecot does not wait after a failure either.
_PAM = {
    "dovecot": "@include common-auth\n@include common-account\n@include common-session\n",
    "other": "".join(f"@include common-{kind}\n" for kind in ("auth", "account", "password", "session")),
    "common-auth": (
        "auth [success=1 default=ignore] pam_unix.so nullok nodelay\n"
        "auth requisite pam_deny.so\nauth required pam_permit.so\n"
    ),
    "common-account": (
        "account [success=1 new_authtok_reqd=done default=ignore] pam_unix.so\n"
        "account requisite pam_deny.so\naccount required pam_permit.so\n"
    ),
    "common-password": "password required pam_unix.so yescrypt\n",
    "common-session": "session required pam_permit.so\nsession required pam_unix.so\n",
}


class Accounts(Written):
    """Lines of passwd(5) and shadow(5).  Root only."""

    shadowed = True  # the hash is in shadow(5), where passwd(5) has an "x"

    def __init__(self, site: Site) -> None:
        super().__init__()
        if os.geteuid() != 0:
            raise CannotObserve(f"Accounts for {self.driver} need root: have root start the lab.")
        self._etc = (site.root or Path("/")) / "etc"
        self.folder = site.folder / "etc"
        self.folder.mkdir()
        self.shadow = self.folder / "shadow"
        self.path = self.passwd = self.folder / "passwd"
        self.services = self.folder / "pam.d"
        self._aging: dict[str, str] = {}
        self._write_services()
        pairs = ((self.passwd, "/etc/passwd"), (self.shadow, "/etc/shadow"), (self.services, "/etc/pam.d"))
        self.binds = tuple((str(ours), theirs) for ours, theirs in pairs)

    def passdb(self, wish: Wish) -> Passdb:
        return Passdb(block(self.driver, wish))

    def set_aging(self, user: str, fields: str) -> None:
        """The six fields of shadow(5) behind the hash, as ``19000:0:99999:7::1`` for an expired account."""
        self._aging[user] = fields
        self.set_users(self.users())

    def set_services(self, files: Mapping[str, str]) -> None:
        """Replace files of /etc/pam.d, or add some."""
        self._write_services(files)

    def _write_services(self, files: Mapping[str, str] = _PAM) -> None:
        self.services.mkdir(exist_ok=True)
        for name, text in files.items():
            (self.services / name).write_text(text)

    def _write(self, users: Users) -> None:
        """In place: what Dovecot's processes see is this file, not whatever has its name."""
        kept = [line for line in self._system() if line.split(":")[0] not in users]
        rows = [self._row(user, stored, _FIRST_ID + n) for n, (user, stored) in enumerate(users.items())]
        self.passwd.write_text("\n".join([*kept, *rows]) + "\n", errors="surrogateescape")
        hashes = [f"{line.split(':')[0]}:*:{_CHANGED}::::::" for line in kept]
        hashes += [self._hash_row(user, stored) for user, stored in users.items()] if self.shadowed else []
        self.shadow.touch(mode=0o640)
        os.chown(self.shadow, 0, (self._etc / "shadow").stat().st_gid)
        self.shadow.write_text("\n".join(hashes) + "\n", errors="surrogateescape")

    def _system(self) -> list[str]:
        """The accounts that are there anyhow, Dovecot's own among them."""
        return (self._etc / "passwd").read_text(errors="surrogateescape").splitlines()

    def _row(self, user: str, stored: str | None, number: int) -> str:
        field = "x" if self.shadowed else self._field(stored)
        return f"{user}:{field}:{number}:{number}::/nonexistent:{_NO_LOGIN}"

    def _hash_row(self, user: str, stored: str | None) -> str:
        return f"{user}:{self._field(stored)}:{self._aging.get(user, f'{_CHANGED}:0:99999:7::')}:"

    def _field(self, stored: str | None) -> str:
        """None is no password, "*"; an empty string is an empty field."""
        return "*" if stored is None else as_crypt(stored, self.driver)


class Pam(Accounts):
    """Asked by PAM's service "dovecot", whose files are Debian's."""

    driver: ClassVar[str] = "pam"


class Shadow(Accounts):
    """Read from shadow(5) by Dovecot itself: 2.3 only."""

    driver: ClassVar[str] = "shadow"


class Passwd(Accounts):
    """Read by getpwnam(3) by Dovecot itself: the hash is in passwd(5)."""

    driver: ClassVar[str] = "passwd"
    shadowed = False
