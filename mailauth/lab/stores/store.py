"""What a store is: the place that a lab's users are kept in, and how Dovecot is set to use it."""

import os
from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from mailauth.dovecot.version import Dialect
from mailauth.errors import UsageError
from mailauth.lab.household import Household
from mailauth.lab.settings import LabPlace
from mailauth.records import dataclass

if TYPE_CHECKING:
    from mailauth.lab.databases import Server

Users = Mapping[str, str | None]

# Names of what is written as crypt(3) has it: 2.3.19.1 and 2.4.1, src/auth/password-scheme-crypt.c.
_CRYPT = ("CRYPT", "SHA512-CRYPT", "SHA256-CRYPT", "BLF-CRYPT", "MD5-CRYPT", "DES-CRYPT")


@dataclass(frozen=True, slots=True)
class Site:
    """Where a store is made: the lab's folder, its processes and ports, and Dovecot's group there."""

    household: Household
    folder: Path
    group: int | None  # None: Dovecot is not run by root
    root: Path | None  # of the Dovecot; None: this machine
    free_port: Callable[[], int]
    database: "Server | None"  # a running one to use
    neighbour: "Callable[[], Neighbour]"  # starts another lab of the same Dovecot, which serves IMAP


@dataclass(frozen=True, slots=True)
class Wish:
    """How Dovecot is set to use a store."""

    dialect: Dialect
    folder: Path
    query: str | None = None
    passdb_extra: str = ""
    sql_extra: str = ""


@dataclass(frozen=True, slots=True)
class Passdb:
    """What stands in dovecot.conf, and in files beside that root alone may read."""

    text: str
    files: Mapping[Path, str] = field(default_factory=dict)


class Store(Protocol):
    """Where the users are. ``url``: how to administer it, "" for a file; ``path``: its file, if it is one.

    ``binds``: pairs (ours, the path that Dovecot's processes see it at), in a mount namespace of their own.
    """

    @property
    def driver(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def path(self) -> Path | None: ...
    @property
    def place(self) -> LabPlace: ...
    @property
    def binds(self) -> tuple[tuple[str, str], ...]: ...
    def passdb(self, wish: Wish) -> Passdb: ...
    def users(self) -> dict[str, str | None]: ...
    def set_users(self, users: Users) -> None: ...
    def set_password(self, user: str, stored: str | None) -> None: ...
    def remove(self, user: str) -> None: ...
    def close(self) -> None: ...


class Neighbour(Protocol):
    """Another lab, as far as whoever asks it for its users has to do with it."""

    @property
    def ports(self) -> Mapping[str, int]: ...
    @property
    def store(self) -> Store: ...
    def set_users(self, users: Users) -> None: ...
    def set_password(self, user: str, stored: str | None) -> None: ...
    def remove_user(self, user: str) -> None: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...


class Written:
    """A store that is written as a whole, when anything in it changes."""

    url = ""
    path: Path | None = None
    binds: tuple[tuple[str, str], ...] = ()
    place: LabPlace = LabPlace()
    driver: ClassVar[str]

    def __init__(self) -> None:
        self._users: dict[str, str | None] = {}

    def users(self) -> dict[str, str | None]:
        return dict(self._users)

    def set_users(self, users: Users) -> None:
        self._replace(dict(users))

    def set_password(self, user: str, stored: str | None) -> None:
        self._replace({**self._users, user: stored})

    def remove(self, user: str) -> None:
        self._replace({name: stored for name, stored in self._users.items() if name != user})

    def _replace(self, users: dict[str, str | None]) -> None:
        self._write(users)
        self._users = users

    def _write(self, users: Users) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing to do: what there is goes with the lab's folder."""


def share(path: Path, group: int | None, mode: int = 0o640) -> None:
    """Let Dovecot's group read a file, and nobody else."""
    path.chmod(mode)
    if group is not None:
        os.chown(path, -1, group)


def put(path: Path, text: str, group: int | None, mode: int = 0o640) -> None:
    """Replace a file by one that Dovecot's group may read: its readers see the old or the new one."""
    new = path.with_name(path.name + ".new")
    new.touch(mode=0o600)
    new.write_bytes(text.encode("utf-8", "surrogateescape"))
    share(new, group, mode)
    new.rename(path)


def lines(users: Users) -> str:
    """``user:stored``, one a line."""
    return "".join(f"{user}:{stored or ''}\n" for user, stored in users.items())


def indented(*texts: str) -> str:
    return "".join(f"  {line}\n" for text in texts for line in text.splitlines())


def ended(text: str) -> str:
    """``text`` with an end of line, if there is any."""
    return text if not text or text.endswith("\n") else text + "\n"


def block(driver: str, wish: Wish, *inside: str) -> str:
    """A passdb block in the dialect; 2.3 names the driver inside."""
    if wish.dialect == "2.3":
        return f"passdb {{\n{indented(f'driver = {driver}', *inside, wish.passdb_extra)}}}\n"
    return f"passdb {driver} {{\n{indented(*inside, wish.passdb_extra)}}}\n"


def as_crypt(stored: str, keeper: str) -> str:
    """A stored string as crypt(3) has it, without Dovecot's ``{SCHEME}``.  Raises UsageError for others."""
    if not stored.startswith("{"):
        return stored
    scheme, _, rest = stored[1:].partition("}")
    if scheme.upper() not in _CRYPT:
        raise UsageError(f"{keeper} keeps strings of crypt(3), as {{SHA512-CRYPT}}; not {{{scheme}}}.")
    return rest
