"""What every probe is given: which user of which Dovecot, as configured."""

from dataclasses import field

from mailauth.dovecot.authconfig import AuthConfig, Passdb
from mailauth.dovecot.doveadm import Installation
from mailauth.evidence import End, LuaAnswer, TokenAnswer, UserName
from mailauth.hashes import Flaw, Hash, Password
from mailauth.probes.walk import Road, WalkEntry
from mailauth.records import dataclass
from mailauth.stores.directed import Answer
from mailauth.stores.store import Record

PATIENCE = 90.0  # seconds: Dovecot's own with its passdbs is 60


@dataclass(frozen=True, slots=True)
class Case:
    """One passdb in which the user was found.  The record is a secret."""

    passdb: Passdb
    record: Record
    hash: Hash | Flaw


@dataclass(frozen=True, slots=True)
class Scene:
    """Where to look, and for whom.

    ``user`` is "" when no user is asked about; ``names`` is None where the name that is looked up could
    not be worked out; ``cases`` are the passdbs that have the user, once they were asked.
    """

    dovecot: Installation
    config: AuthConfig
    user: str = ""
    service: str = "imap"
    password: Password | None = None
    login: bool = False
    let_in: bool = False  # real logins were made, and every one was let in
    address: str = ""  # where the client is; "" when that is not known
    logged: bool = False  # that address is the log's
    names: UserName | None = None
    road: Road | None = None  # what the passdbs said of these names
    cases: tuple[Case, ...] = ()
    variants: float = 3.0  # seconds for near variants of a wrong password
    named_service: bool = False  # the service was asked for, and is not only the default
    audit: bool = False  # also judge what works by today's recommendations
    host: str = ""  # the name or address that the client connects to
    port: int = 0  # and the port, where that was said
    mechanism: str = ""  # the SASL mechanism that the client uses
    userdb_fails: str = ""  # the userdb whose database gives no answer
    patience: float = PATIENCE  # seconds that a login may take
    end: End | None = None  # where the password that was given leads, if it lets the user in
    binds: bool = False  # the password that was given may be tried by one bind
    asks_pam: bool = False  # and by one question to PAM
    asks_lua: bool = False  # the scripts of passdbs may be run
    scripts: dict[tuple[int, str], LuaAnswer] = field(default_factory=dict, repr=False)
    """What scripts that were run came to: by the passdb's number and the name."""
    tokens: dict[int, TokenAnswer] = field(default_factory=dict, repr=False)
    """What became of the token that was given: by the passdb's number, 0 for 2.4's mechanisms."""
    directories: dict[tuple[int, str, str], Answer] = field(default_factory=dict, repr=False)
    """What directories said: by the passdb's number, base and filter.  Each is asked once."""

    @property
    def looked_up(self) -> str:
        """The name that Dovecot looks up, or as it was given where that could not be worked out."""
        return self.names.looked_up if self.names else self.user

    @property
    def having(self) -> list[tuple[Passdb, Record]]:
        """The passdbs that have the user: with a stored string, or verified by who is asked (a bind)."""
        entries = self.road.entries.values() if self.road else ()
        bound = [
            (one.passdb, one.record)
            for one in entries
            if one.record.bind_as and not (one.passdb.deny or one.passdb.master)
        ]
        return [*((case.passdb, case.record) for case in self.cases), *bound]

    @property
    def refused(self) -> list[WalkEntry]:
        """Accounts on the way that are refused whatever the password is, and have a hash all the same."""
        entries = self.road.entries.values() if self.road else ()
        return [one for one in entries if one.record.kept and not one.passdb.deny and not one.passdb.master]
