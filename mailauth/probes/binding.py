"""Where a directory verifies the password that was given: one bind in a run, as Dovecot makes it.

A bind with a wrong password counts as an attempt, and attempts can lock an account: there is never a second
one, and none for a password that nobody gave.
"""

import time

from mailauth.dovecot.ldap_settings import read
from mailauth.errors import CannotObserve
from mailauth.evidence import LuaAnswer, NotApplicable, PamAnswer, PasswordCheck, TokenAnswer, UserBind
from mailauth.hashes import Verdict
from mailauth.probes import asking_pam
from mailauth.probes.accounts import as_dovecot
from mailauth.probes.scene import Scene
from mailauth.probes.walk import WalkEntry
from mailauth.records import dataclass
from mailauth.stores import ask_directory
from mailauth.stores.closed_entry import Closed, ages, closed
from mailauth.stores.directed import BindTold, Bound
from mailauth.stores.pam_said import ENDS


@dataclass(slots=True)
class Binder:
    """Makes the bind when the way through the passdbs comes to it."""

    scene: Scene
    made: UserBind | None = None
    pam: PamAnswer | None = None
    script: LuaAnswer | None = None
    token: TokenAnswer | None = None

    @property
    def may_bind(self) -> bool:
        """Whether a passdb has the user, and its server verifies."""
        entries = self.scene.road.entries.values() if self.scene.road else ()
        return self.scene.binds and any(entry.record.bind_as for entry in entries)

    @property
    def takes(self) -> bool:
        bound = self.made is not None and self.made.told.how is Bound.TAKEN
        by_script = self.script is not None and self.script.takes
        by_token = self.token is not None and self.token.told.fault is None
        return bound or by_script or by_token or (self.pam is not None and self.pam.told.taken)

    @property
    def source(self) -> str:
        if self.made:
            return "the directory, by one bind"
        if self.token:
            return "OAuth2, asked once"
        return "PAM, asked once" if self.pam else "the Lua script, run here"

    @property
    def text(self) -> str:
        """What a server, PAM and a script said; "" where none was asked."""
        return "; ".join(one.text for one in self._answers)

    @property
    def _answers(self) -> list[UserBind | PamAnswer | LuaAnswer | TokenAnswer]:
        return [one for one in (self.made, self.pam, self.script, self.token) if one is not None]

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What it comes to, if a bind was made, or PAM or a script was asked."""
        if not self._answers:
            return ()
        return (Verdict.MATCH if self.takes else Verdict.MISMATCH,)

    def is_taken(self, entry: WalkEntry) -> bool:
        """Whether the server takes the password.  Raises CannotObserve, also for a second bind."""
        name = entry.record.bind_as
        if not name:
            return False
        if entry.passdb.driver == "pam":
            return self._by_pam(entry)
        if entry.passdb.driver == "oauth2":
            self.token = self.scene.tokens[entry.passdb.number]
            return self.token.told.fault is None
        if entry.passdb.driver == "lua":
            self.script = next(one for (n, _), one in self.scene.scripts.items() if n == entry.passdb.number)
            return self.script.takes
        if self.made is None:
            told = self._bind(entry)
            self.made = UserBind("the directory", entry.passdb.label, name, told, self._closed(name))
        if (self.made.passdb, self.made.name) != (entry.passdb.label, name):
            raise CannotObserve(f"{entry.passdb.label} would take a second bind, which may lock the account.")
        return self.made.told.how is Bound.TAKEN

    def _by_pam(self, entry: WalkEntry) -> bool:
        self.pam = self.pam or asking_pam.ask(self.scene, entry)
        told = self.pam.told
        if told.code in ENDS and self.pam.later:
            raise CannotObserve(f"{self.pam.text}; Dovecot asks no later passdb then.")
        return told.taken

    def observe_pam(self, check: PasswordCheck | None) -> PamAnswer | NotApplicable:
        """Asked now where the way through the passdbs did not lead there.  Raises CannotObserve."""
        entries = self.scene.road.entries.values() if self.scene.road else ()
        asked = next((one for one in entries if one.passdb.driver == "pam" and not one.passdb.master), None)
        if not self.scene.asks_pam or self.scene.password is None or asked is None:
            return NotApplicable(PamAnswer, "PAM was not to be asked")
        if self.pam is None and check and check.lets_in_by not in (0, asked.passdb.number):
            return NotApplicable(PamAnswer, "another passdb lets the user in")
        self.pam = self.pam or asking_pam.ask(self.scene, asked)
        return self.pam

    def observe(self) -> UserBind | NotApplicable:
        """Raises CannotObserve where only a bind would show more of the password, and none was given."""
        entries = self.scene.road.entries.values() if self.scene.road else ()
        bound = [one.record.bind_as for one in entries if one.record.bind_as and one.passdb.driver == "ldap"]
        if self.scene.password is None and (since := self._ages(bound)):
            raise CannotObserve(
                f"the directory has a password policy for the entry (pwdChangedTime {since}): whether the"
                " password has expired or must be changed, a bind shows. mailauth diagnose -p USER makes one"
            )
        return self.made or NotApplicable(UserBind, "no bind was needed")

    def _ages(self, names: list[str]) -> str:
        answers = (one for one in self.scene.directories.values() if one.name in names)
        return next((since for one in answers if (since := ages(dict(one.values)))), "")

    def _closed(self, name: str) -> Closed | None:
        """What the entry says of the account."""
        answers = [one for one in self.scene.directories.values() if one.name == name]
        return closed(dict(answers[0].values), time.time()) if answers else None

    def _bind(self, entry: WalkEntry) -> BindTold:
        scene, passdb, name = self.scene, entry.passdb, entry.record.bind_as
        assert scene.password
        password = scene.password.text
        if not password:
            return BindTold(Bound.EMPTY)
        set_so = read(scene.config, passdb, scene.dovecot)
        ask_directory.prepare()
        identity, _ = as_dovecot(scene.dovecot, scene.config, passdb.verified_by)
        return scene.dovecot.inside(
            lambda: ask_directory.bind(set_so, name, password),
            BindTold,
            identity=identity,
            environment=dict(set_so.environment),
            seconds=ask_directory.PATIENCE,
        )
