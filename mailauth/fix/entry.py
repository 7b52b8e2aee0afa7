"""The user's entry in the store: where it is, what belongs there, and putting it there."""

import dataclasses
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import field
from pathlib import Path

from mailauth import hashes
from mailauth.diagnosing import Looked, Target
from mailauth.dovecot import environment
from mailauth.dovecot.authconfig import AuthConfig, FileSource, Passdb, SqlSource
from mailauth.dovecot.variables import Escape
from mailauth.errors import CannotObserve, Refused, UsageError
from mailauth.evidence import LookedUp, StoredHash, UserName, Verifiers
from mailauth.finding import Finding, StoreChange
from mailauth.hashes import Judgement, Password, making
from mailauth.hashes.way_back import mended
from mailauth.probes.lookup import fill_for
from mailauth.probes.readers import reader_of
from mailauth.probes.scene import Scene
from mailauth.records import dataclass
from mailauth.stores import change, passwd_file, query, replace, sql, sql_change
from mailauth.stores.change import Changed
from mailauth.stores.store import Outcome, Record


@dataclass(frozen=True, slots=True)
class EntryChange:
    """One user's entry in one passdb.  The string is a secret: no repr shows it."""

    passdb: Passdb
    place: str
    old: bytes | None = field(repr=False)  # None: SQL's NULL
    noscheme: bool
    names: UserName
    target: Target
    config: AuthConfig = field(repr=False)
    record: Record | None = field(default=None, repr=False)  # as it was found

    def write(self, old: bytes | None, new: bytes | None) -> Changed:
        """Compare and set.  Raises Refused, with nothing changed."""
        environment.take_on(self.config.tree)
        return change.in_passdb(self.target.dovecot, self.passdb, self._fill, old, new)

    def now(self) -> bytes | None:
        """What is stored at this moment.  Raises CannotObserve, and Refused when the user is not there."""
        source, dovecot = self.passdb.source, self.target.dovecot
        environment.take_on(self.config.tree)
        if isinstance(source, FileSource):
            path, user = passwd_file.place(source, self._fill)
            record = passwd_file.lookup(dovecot.path(path), user, shown_as=path)
        elif isinstance(source, SqlSource):
            sql.prepare(source)
            record = dovecot.inside(
                lambda: sql.lookup(source, lambda escape: self._fill(source.query, escape)),
                Record,
                seconds=sql.patience(source),
            )
        else:
            raise Refused(f"{self.passdb.label}: mailauth cannot read from this driver.")
        if record.outcome not in (Outcome.FOUND, Outcome.NO_PASSWORD):
            raise Refused(f"{record.place}: the user is not there any more.")
        return record.stored if record.outcome is Outcome.FOUND else None

    def forbidden(self) -> str:
        """That Dovecot's account may not write there, and what it lacks; "" where it may, or nobody says."""
        source = self.passdb.source
        select = query.read(source.query) if isinstance(source, SqlSource) else None
        if not isinstance(source, SqlSource) or select is None or not query.simple(select):
            return ""
        environment.take_on(self.config.tree)
        sql.prepare(source)
        with suppress(CannotObserve, Refused):
            seconds = sql.patience(source)
            return self.target.dovecot.inside(
                lambda: sql_change.forbidden(source, select), str, seconds=seconds
            )
        return ""

    def sweep(self) -> None:
        """Remove what a killed mailauth left beside a file, or half written in SQLite.  Raises Refused."""
        source = self.passdb.source
        if isinstance(source, SqlSource):
            environment.take_on(self.config.tree)
            sql.prepare(source)
            self.target.dovecot.inside(lambda: sql_change.settle(source))
        if isinstance(source, FileSource):
            path, _ = passwd_file.place(source, self._fill)

            def alone() -> None:
                with replace.opened(Path(path)) as found, replace.locked(found):
                    replace.sweep(Path(path))

            self.target.dovecot.inside(alone)

    def _fill(self, template: str, escape: Escape) -> str:
        target = self.target
        scene = Scene(
            target.dovecot,
            self.config,
            target.user,
            target.service,
            address=target.address,
            mechanism=target.mechanism,
            names=self.names,
        )
        return fill_for(scene, self.passdb, self.record)(template, escape)


def find(looked: Looked, target: Target, findings: Sequence[Finding]) -> EntryChange:
    """The entry that the findings speak of.  Raises Refused when no passdb has one that can be written."""
    seen = {type(fact): fact for fact in looked.diagnosis.evidence}
    names = seen.get(UserName)
    if not isinstance(names, UserName):
        raise Refused("which entry is the user's is not known, so it is not changed.")
    told = {
        fact.passdb
        for finding in findings
        for fact in finding.problem.because
        if isinstance(fact, StoredHash)
    }
    cases = [case for case in looked.cases if case.passdb.number in told]
    for case in cases or looked.cases:
        if isinstance(case.passdb.source, FileSource | SqlSource):
            record = case.record
            return EntryChange(
                case.passdb,
                record.place,
                record.stored,
                record.noscheme,
                names,
                target,
                looked.config,
                record,
            )
    lookups = seen.get(LookedUp)
    for answer in lookups.answers if isinstance(lookups, LookedUp) else ():
        if answer.outcome is Outcome.NO_PASSWORD:
            passdb = next(one for one in looked.config.passdbs if one.label == answer.passdb)
            return EntryChange(passdb, answer.place, None, False, names, target, looked.config)
    raise Refused("no passdb has an entry of this user that mailauth could write.")


def new_string(entry: EntryChange, wanted: StoreChange, looked: Looked, password: Password | None) -> bytes:
    """What is to be stored.  Raises UsageError without a password where one is needed, and Refused."""
    if why := why_not(entry, wanted):
        raise Refused(why)
    if wanted is StoreChange.MEND:
        return _mended(entry) or b""
    if password is None:
        raise UsageError("the new password is needed: give -p, --password-fd or --password-stdin.")
    return _hash_of(password, entry, looked)


def why_not(entry: EntryChange, wanted: StoreChange) -> str:
    """Why nothing can be stored there that mends it; "" where something can."""
    if entry.noscheme:
        return (
            f"{entry.place}: the query returns password_noscheme, so the scheme is fixed by the"
            f" configuration ({entry.passdb.default_scheme}); set the password with your own tools."
        )
    if wanted is StoreChange.MEND and _mended(entry) is None:
        return f"{entry.place}: the stored string cannot be repaired; the password must be set again."
    return ""


def _mended(entry: EntryChange) -> bytes | None:
    reader = reader_of(entry.config, entry.passdb, user=entry.names.looked_up)
    return mended(entry.old or b"", reader, entry.target.password)


def _hash_of(password: Password, entry: EntryChange, looked: Looked) -> bytes:
    """An Argon2id of OWASP's that the verifying process has room for; bcrypt where none fits."""
    config = entry.config
    services = (entry.passdb.verified_by, entry.passdb.hit_verified_by or entry.passdb.verified_by)
    limits = [limit for name in services if (limit := config.services[name].vsz_limit) is not None]
    seen = [fact for fact in looked.diagnosis.evidence if isinstance(fact, Verifiers)]
    idle = max((process.size for fact in seen for process in fact.processes), default=making.IDLE)
    order = making.Order(
        "ARGON2ID",
        (),
        config.version.numbers,
        config.allow_weak,
        min(limits, default=None),
        idle,
    )
    try:
        order = dataclasses.replace(order, options=tuple(making.moderate(order.limit, idle).items()))
    except UsageError:
        order = dataclasses.replace(order, scheme="BLF-CRYPT")
    made: str | Judgement = making.refused_before(order) or making.make(
        order, password, entry.names.looked_up
    )
    if isinstance(made, Judgement):
        raise Refused(f"no hash was made: {made.reason}.")
    return made.encode()


def shown(stored: bytes | None, passdb: Passdb) -> str:
    """A stored string as scheme and parameters only."""
    return "NULL" if stored is None else hashes.shown(stored, default_scheme=passdb.default_scheme)
