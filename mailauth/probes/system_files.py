"""What of the system decides about an account: its rows, PAM's modules, and the files these look at."""

import datetime as dt
import io
import stat
import struct
import time
import zoneinfo
from dataclasses import field
from pathlib import Path, PurePosixPath

from mailauth import digits
from mailauth.dovecot import children, inroot
from mailauth.dovecot.authconfig import Passdb
from mailauth.dovecot.conf import words
from mailauth.errors import CannotObserve
from mailauth.oserrors import unseen
from mailauth.probes import accounts, pam_library
from mailauth.probes.process import master_process
from mailauth.probes.scene import Scene
from mailauth.records import dataclass
from mailauth.stores import shadow
from mailauth.stores.pam_line import Line, Service
from mailauth.stores.pam_lists import Listed
from mailauth.stores.pam_modules import Seen

_TALLY = struct.Struct("52sHHQ")  # struct tally of modules/pam_faillock/faillock.h, Linux-PAM 1.5.2 and 1.7.2
_VALID = 1
_MOST_TALLY = 1024 * 1024
_MOST_ZONE = 256 * 1024 * 1024  # bytes of memory
_FAILLOCK = {"deny": 3, "fail_interval": 900, "unlock_time": 600}  # faillock.conf(5)


@dataclass(slots=True)
class System:
    """The system that a Dovecot lives in; each file is read once."""

    scene: Scene
    _texts: dict[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """A file of it, "" where it is not there.  Raises CannotObserve."""
        if name not in self._texts:
            try:
                self._texts[name] = self.scene.dovecot.read(name)
            except FileNotFoundError:
                self._texts[name] = ""
            except OSError as why:
                raise unseen(name, why) from None
        return self._texts[name]

    def account(self, user: str) -> shadow.Account | None:
        """With its row of /etc/shadow.  Raises CannotObserve, also where names come from elsewhere, too."""
        found = shadow.account(self.text(shadow.PASSWD), user)
        if found is None:
            if more := accounts.other_sources(self.scene.dovecot, "passwd"):
                raise CannotObserve(
                    f"{user!r} is not in {shadow.PASSWD}, and names come from {more}, too"
                    f" (/etc/nsswitch.conf): getent passwd {user} shows it."
                )
            return None
        if not found.shadowed:
            return found
        return shadow.with_row(found, self.row(user))

    def row(self, user: str) -> shadow.Shadow | None:
        """The row of /etc/shadow.  Raises CannotObserve."""
        return shadow.shadow(self.text(shadow.SHADOW), user)

    def groups(self, account: shadow.Account) -> frozenset[str] | None:
        if accounts.other_sources(self.scene.dovecot, "group"):
            return None
        return shadow.groups(self.text(shadow.GROUP), account.name, account.gid)

    def closed(self, passdb: Passdb) -> str:
        """Why who verifies cannot read /etc/shadow; "" where it can.  Raises CannotObserve."""
        config, service = self.scene.config, passdb.verified_by
        user = config.runs_as(service)
        if user == "root":
            return ""
        given = {
            word
            for block in config.tree.all("service")
            if block.name == service
            for name in ("group", "extra_groups")
            for word in words(block, name)
        }
        if given:
            raise CannotObserve(
                f"{service} runs as user {user!r} with the groups {', '.join(sorted(given))}: mailauth does"
                f" not follow what of {shadow.SHADOW} that may read."
            )
        if service == "auth":
            setting = "blocking=no" if config.version.dialect == "2.3" else "passdb_use_worker = no"
            return (
                f"auth itself asks {passdb.label} ({setting}), as user {user!r}, which may not read"
                f" {shadow.SHADOW}"
            )
        return (
            f"the processes of {service} run as user {user!r}, which may not read {shadow.SHADOW}"
            f" (service {service} {{ user = {user} }})"
        )

    def absent(self, service: Service) -> frozenset[str]:
        """The modules of a service that are not installed."""
        folders = pam_library.folders(self.scene.dovecot)
        if not any(self.has(f"{folder}/pam_permit.so") for folder in folders):
            return frozenset()  # PAM has its modules where we do not look
        named = {line.module for line in service.lines if line.module and "$" not in line.module}
        return frozenset(
            module for module in named if not any(self.has(place) for place in _places(module, folders))
        )

    def has(self, name: str) -> bool:
        try:
            return self.scene.dovecot.has(name)
        except CannotObserve:
            return True

    def listed(self, name: str) -> Listed | None:
        """A file of names or rules as PAM's modules find it; None where it is not there.

        Raises CannotObserve.
        """
        place = PurePosixPath(name)
        try:
            found = self.scene.dovecot.path(str(place.parent)) / place.name
            mode = found.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as why:
            raise unseen(name, why) from None
        odd = "" if stat.S_ISREG(mode) else "is no regular file, and pam_listfile takes no other"
        if stat.S_ISREG(mode) and mode & stat.S_IWOTH:
            odd = "may be written by everybody, and pam_listfile then takes nothing of it"
        return Listed(self.text(name), odd)

    def now(self) -> tuple[int, int] | None:
        """Day and time where Dovecot lives; None where its zone is not known."""
        dovecot, config = self.scene.dovecot, self.scene.config
        try:
            environ = Path(f"/proc/{master_process(dovecot, config).pid}/environ")
            own = inroot.content(environ, inroot.TABLE)
            if b"\0TZ=" in b"\0" + own or "TZ=" in config.tree.get("import_environment"):
                return None
            zone = inroot.content(dovecot.path("/etc/localtime"), inroot.TABLE)
        except FileNotFoundError:
            return _clock(None)
        except (OSError, CannotObserve):
            return None
        return clock_in(zone)

    def nologin(self, line: Line) -> str:
        """The file that pam_nologin looks for, if it is there."""
        own = next((word.removeprefix("file=") for word in line.args if word.startswith("file=")), "")
        names = (own,) if own else ("/var/run/nologin", "/etc/nologin")
        return next((name for name in names if self.has(name)), "")

    def tally(self, line: Line, account: shadow.Account | None) -> str:
        """That pam_faillock holds the account, in words; "" where it does not.  Raises CannotObserve."""
        if account is None or {"preauth", "authfail", "authsucc"}.isdisjoint(line.args):
            return ""
        options = self._faillock(line)
        if account.uid == 0 and "even_deny_root" not in options:
            return ""
        numbers = (
            {name: digits.number(options.get(name, "")) or 0 for name in _FAILLOCK}
            if _sane(options)
            else _FAILLOCK
        )
        path = f"{options['dir'].rstrip('/')}/{account.name}"
        try:
            data = inroot.content(self.scene.dovecot.path(path), _MOST_TALLY)
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except OSError as why:
            raise unseen(path, why) from None
        times = [
            when for _, _, status, when in _TALLY.iter_unpack(data[: len(data) // 64 * 64]) if status & _VALID
        ]
        last = max(times, default=0)
        count = sum(last - when < numbers["fail_interval"] for when in times)
        held = numbers["unlock_time"] == 0 or last + numbers["unlock_time"] >= time.time()
        if not numbers["deny"] or count < numbers["deny"] or not held:
            return ""
        until = "until it is reset"
        if numbers["unlock_time"]:
            end = dt.datetime.fromtimestamp(last + numbers["unlock_time"], dt.UTC)
            until = f"until {end:%Y-%m-%d %H:%M:%S} UTC"
        return (
            f"pam_faillock holds {account.name} {until}: {count} failed logins in {path}, and"
            f" {numbers['deny']} are allowed"
        )

    def _faillock(self, line: Line) -> dict[str, str]:
        """Its options: those of its file, and over them those of its line."""
        conf = next((word.removeprefix("conf=") for word in line.args if word.startswith("conf=")), "")
        found = {name: str(value) for name, value in _FAILLOCK.items()} | {"dir": "/var/run/faillock"}
        text = self.text(conf or "/etc/security/faillock.conf")
        lines = [one.partition("#")[0].strip() for one in text.split("\n")]
        for word in (*filter(None, lines), *line.args):
            name, _, value = word.partition("=")
            found[name.strip()] = value.strip()
        return found


def _sane(options: dict[str, str]) -> bool:
    """Numbers, as Dovecot's PAM takes them; "never" is 0."""
    for name in ("unlock_time",):
        if options.get(name) == "never":
            options[name] = "0"
    return all(digits.number(options.get(name, "0")) is not None for name in _FAILLOCK)


def _places(module: str, folders: list[str]) -> list[str]:
    return [module] if module.startswith("/") else [f"{folder}/{module}" for folder in folders]


def seen(
    system: System,
    passdb: Passdb,
    user: str,
    account: shadow.Account | None,
    service: Service,
    *,
    anybody: bool,
) -> Seen:
    """All that PAM's modules decide by.  Raises CannotObserve."""
    shells = system.text("/etc/shells")
    return Seen(
        user=user,
        account=account,
        groups=system.groups(account) if account and not anybody else frozenset(),
        today=int(time.time()) // 86400,
        closed=system.closed(passdb),
        worker_is_root=system.scene.config.runs_as(passdb.verified_by) == "root",
        absent=system.absent(service),
        shells=frozenset(one.strip() for one in shells.split("\n") if one.startswith("/"))
        if shells
        else None,
        service=service.name,
        tally=lambda line: system.tally(line, account),
        nologin=system.nologin,
        address=system.scene.address,
        file=system.listed,
        there=system.has,
        now=system.now,
        anybody=anybody,
    )


def clock_in(zone: bytes) -> tuple[int, int] | None:
    """Day and time in a zone, of what its file has; None where that is none.

    In a child: zoneinfo takes minutes for the last line of a file that whoever owns a container wrote.
    """
    try:
        found: tuple[int, int] | None = children.confined(
            lambda: _clock(zone), tuple[int, int] | None, cpu=2, seconds=10.0, memory=_MOST_ZONE
        )
    except (OSError, CannotObserve):
        return None
    return found


def _clock(zone: bytes | None) -> tuple[int, int] | None:
    """None: UTC."""
    try:
        where = dt.UTC if zone is None else zoneinfo.ZoneInfo.from_file(io.BytesIO(zone))
        there = dt.datetime.now(where)
    except Exception:  # noqa: BLE001 - zoneinfo raises what it runs into: struct.error, AssertionError
        return None
    return there.isoweekday() % 7, there.hour * 100 + there.minute
