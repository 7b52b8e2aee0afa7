"""Change a passdb's default scheme: first every string without a scheme gets the one that counts now.

What has its scheme before it is right under either default, so logins work at every moment between.  The
setting is changed by ``mailauth fix``'s own engine: validated, reloaded, and taken back if either fails; and
taken back, too, where the proof afterwards fails.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from mailauth.counted import counted
from mailauth.diagnosing import Looked, Target
from mailauth.dovecot import sqlfile
from mailauth.dovecot.authconfig import AuthConfig, FileSource, Passdb, SqlSource
from mailauth.dovecot.authsocket import AuthSocket
from mailauth.dovecot.conf import Setting
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.site import read_config
from mailauth.errors import Refused, UsageError
from mailauth.finding import Diagnosis
from mailauth.fix import journal as fixes
from mailauth.fix.apply import Ending, apply, undo
from mailauth.fix.plan import FileChange, Plan, generated
from mailauth.fix.ready import Ready
from mailauth.hashes import Flaw, accepts
from mailauth.hashes.damaged import Reader, has_scheme
from mailauth.hashes.nature import parsed_by
from mailauth.hashes.schemes import lookup
from mailauth.migrate.alike import Decider
from mailauth.migrate.apply import pages
from mailauth.migrate.decide import same_passwords
from mailauth.migrate.desk import Desk
from mailauth.migrate.import_list import Known
from mailauth.migrate.users_out import Each
from mailauth.records import dataclass
from mailauth.remedies import RELOAD
from mailauth.stores.swaps import Table

_CODE = "default-scheme-"
_NAMED = 5  # users
_TRIED = 50  # logins, at most
_OF_24 = re.compile(r"(\s*(?:passdb_)?default_password_scheme\s*=\s*)(\S.*?)?(\s*)")
_OF_23 = re.compile(r"(\s*default_pass_scheme\s*=\s*)(\S.*?)?(\s*)")
_ARGS = re.compile(r"(\s*args\s*=\s*[\"']?)((?:(?!scheme=)[^\s/=]+=\S* +)*)(?:scheme=(\S*) +)?(/.*)")


@dataclass(frozen=True, slots=True)
class Change:
    """The setting as it is, and as it is to be; ``old`` is what counts now, set or not."""

    old: str
    new: str
    passdb: Passdb
    config: AuthConfig
    dovecot: Installation
    files: tuple[FileChange, ...]

    @property
    def careful(self) -> tuple[str, ...]:
        """Of each file that says that a program writes it: what follows."""
        return tuple(
            f"{one.path} says of itself: {said!r}. Its writer will remove this change: make it there, too"
            for one in self.files
            if (said := generated(one.before or b""))
        )


@dataclass(frozen=True, slots=True)
class Open:
    """Rows whose meaning the default decides, with some of their users."""

    rows: int
    users: tuple[str, ...]


def to_change(dovecot: Installation, config: AuthConfig, passdb: Passdb, new: str) -> Change:
    """Raises UsageError for a scheme that this Dovecot has not, or where it is set already; Refused."""
    _must_be_one(config, new)
    if new == passdb.default_scheme and passdb.scheme_set:
        raise UsageError(f"{passdb.label}: the default scheme is {new} already, and it is set.")
    desk = Desk(dovecot)
    if config.version.dialect == "2.4":
        _in_block(passdb, desk, new)
    elif isinstance(passdb.source, FileSource):
        _in_args(passdb, desk, new)
    else:
        _in_sql_file(config, passdb, desk, new)
    return Change(passdb.default_scheme, new, passdb, config, dovecot, tuple(desk.changed()))


def _must_be_one(config: AuthConfig, new: str) -> None:
    entry = lookup(new.encode())
    flaw = accepts.missing(entry[0], config.version.numbers) if entry else accepts.unknown(new)
    if flaw:
        raise UsageError(f"{new}: {flaw.reason}.")
    assert entry
    if entry[0].weak and config.version.dialect == "2.4" and not config.allow_weak:
        raise UsageError(f"{new}: this Dovecot refuses it as weak (auth_allow_weak_schemes).")


def _place(passdb: Passdb, name: str) -> tuple[str, int]:
    """File and line of a setting of the passdb's block, "" for the block; ("", 0) where it has none."""
    file, _, line = dict(passdb.places).get(name, "").rpartition(":")
    return (file, int(line)) if file else ("", 0)


def _in_block(passdb: Passdb, desk: Desk, new: str) -> None:
    """2.4: the block's own setting, which no other passdb reads."""
    file, line = _place(passdb, "default_password_scheme")
    if file:
        _set(desk, file, line, _OF_24, new)
        return
    file, line = _place(passdb, "")
    head = desk.lines(file)[line - 1] if file else ""
    if not head.rstrip().endswith("{"):
        raise _by_hand(passdb, f"default_password_scheme = {new}", file)
    indent = head[: len(head) - len(head.lstrip())]
    desk.lines(file).insert(line, f"{indent}  default_password_scheme = {new}\n")


def _in_args(passdb: Passdb, desk: Desk, new: str) -> None:
    """2.3's passwd-file: ``args = scheme=X /path``."""
    file, line = _place(passdb, "args")
    text = desk.lines(file)[line - 1] if file else ""
    found = _ARGS.fullmatch(text.rstrip("\r\n"))
    if found is None:
        raise _by_hand(passdb, f"scheme={new} in its args", file)
    desk.lines(file)[line - 1] = f"{found[1]}{found[2]}scheme={new} {found[4]}{text[len(found[0]) :]}"


def _in_sql_file(config: AuthConfig, passdb: Passdb, desk: Desk, new: str) -> None:
    assert isinstance(passdb.source, SqlSource)
    own = passdb.source.place
    found = sqlfile.read(own, desk.dovecot.path, config.tree).tree.find("default_pass_scheme")
    if found:
        _must_be_its_own(config, passdb, desk.dovecot, found)
        _set(desk, found.file, found.line, _OF_23, new)
        return
    lines = desk.lines(own)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    if lines and lines[-1].rstrip("\r\n").endswith("\\"):
        raise _by_hand(passdb, f"default_pass_scheme = {new}", own)
    lines.append(f"default_pass_scheme = {new}\n")


def _must_be_its_own(config: AuthConfig, passdb: Passdb, dovecot: Installation, setting: Setting) -> None:
    """Raises Refused where another passdb's file includes the same line: its strings are not looked at."""
    for other in config.passdbs:
        if not isinstance(other.source, SqlSource) or other.source == passdb.source:
            continue
        found = sqlfile.read(other.source.place, dovecot.path, config.tree).tree.find("default_pass_scheme")
        if found and found.place == setting.place:
            raise Refused(
                f"{setting.place} is {other.label}'s default scheme, too, and its strings are others: write"
                f" default_pass_scheme into {other.source.place} itself first."
            )


def _set(desk: Desk, file: str, line: int, form: re.Pattern[str], new: str) -> None:
    text = desk.lines(file)[line - 1]
    found = form.fullmatch(text.rstrip("\r\n"))
    if found is None or (found[2] or "").endswith("\\"):
        raise Refused(f"{file}:{line}: is no plain line of this setting; write {new} there by hand.")
    desk.lines(file)[line - 1] = f"{found[1]}{new}{found[3]}{text[len(found[0]) :]}"


def _by_hand(passdb: Passdb, setting: str, file: str) -> Refused:
    where = f" in {file}" if file else ""
    return Refused(f"{passdb.label}: where it is written{where} is not plain; write {setting} by hand.")


def depends(stored: bytes, reader: Reader, new: str) -> bool:
    """Whether other passwords match the string under another default scheme."""
    if has_scheme(stored):
        return False
    now, then = parsed_by(reader, stored), parsed_by(replace(reader, default_scheme=new), stored)
    if isinstance(now, Flaw) or isinstance(then, Flaw):
        return not (isinstance(now, Flaw) and isinstance(then, Flaw))
    return not same_passwords(now, then)


def depending(
    table: Table, reader: Reader, new: str, page: int, but: Decider | None = None, each: Each | None = None
) -> Open:
    """Rows that another default scheme would let others in with, or nobody.

    ``but``: without those that its rules give a scheme.  ``each``: is told of every one.  Raises Refused,
    CannotObserve.
    """
    rows, users = 0, list[str]()
    for some in pages(table, None, page):
        for row in some:
            if row.stored is None or not depends(row.stored, reader, new):
                continue
            new_one = but.decide(row.stored).new if but else None
            if new_one is None or depends(new_one, reader, new):
                rows += 1
                users += [row.user] if len(users) < _NAMED else []
                if each:
                    each(row.user, "left", "", "", f"would mean something else under {new}")
    return Open(rows, tuple(users))


def put_in_order() -> str:
    """Take back a change of the setting that was killed in the middle; its name, "" for none.

    Raises Refused where that fails, and UsageError where its Dovecot cannot be known again.
    """
    left = fixes.killed()
    if left is None or not left.code.startswith(_CODE):
        return ""
    ending = undo(left.id)
    if not ending.clean:
        said = "; ".join(f"{step.what}: {step.said}" for step in ending.steps if not step.ok)
        raise Refused(f"{left.id} was killed in the middle, and is not wholly taken back: {said}.")
    return left.id


def carry_out(change: Change, migration: str) -> Ending:
    """Write the setting, validate, reload; taken back as a whole when that fails.  Raises Refused."""
    plan = Plan(
        code=f"{_CODE}{migration}",
        title=f"default scheme {change.new} for {change.passdb.label}",
        summary=(),
        careful=change.careful,
        files=change.files,
        store=None,
        commands=(RELOAD,),
    )
    looked = Looked(Diagnosis("", (), (), (), ()), change.config, ())
    return apply(Ready(plan, looked, Target("", change.dovecot)), verify=False)


def not_proven(change: Change, table: Table, page: int, reader: Reader, in_before: Sequence[Known]) -> str:
    """Why the change is to be taken back; "" where the setting counts, and everyone gets in who did.

    ``in_before``: who got in before, with their passwords.
    """
    after = read_config(change.dovecot)
    numbered = {one.number: one for one in after.passdbs}
    ours = numbered.get(change.passdb.number)
    if ours is None or ours.default_scheme != change.new:
        return f"{change.passdb.label}: the default scheme is not {change.new} afterwards"
    for one in change.config.passdbs:
        other = numbered.get(one.number)
        if one.source != change.passdb.source and other and other.default_scheme != one.default_scheme:
            return (
                f"{one.label} has another default scheme afterwards, too, and its strings were not looked at"
            )
    came = depending(table, reader, change.new, page)
    if came.rows:
        return (
            f"{counted(came.rows, 'row')} without a scheme came meanwhile ({', '.join(came.users)}):"
            " something still writes such strings"
        )
    shut_out = set(map(_name, in_before)) - set(map(_name, who_gets_in(change, in_before)))
    return (
        f"these users could log in before, and cannot now: {', '.join(sorted(shut_out))}" if shut_out else ""
    )


def _name(known: Known) -> str:
    return known.user


def who_gets_in(change: Change, known: Sequence[Known]) -> list[Known]:
    """By Dovecot's own word, asked as a login process asks.  Raises CannotObserve."""
    if not known:
        return []
    with AuthSocket(change.dovecot.path(f"{change.config.base_dir}/auth-client")) as auth:
        return [one for one in known[:_TRIED] if auth.plain(one.user, one.password.raw).ok]


def of_migration(name: str) -> fixes.Journal | None:
    """The change of the setting that belongs to a migration, and was not taken back."""
    states = (fixes.FixState.APPLYING, fixes.FixState.APPLIED)
    return next(
        (one for one in fixes.journals() if one.code == f"{_CODE}{name}" and one.state in states), None
    )


def taken_back(name: str, dovecot: Installation) -> Ending | None:
    """Take the setting of a migration back; None where it has none.  Raises Refused where that fails."""
    setting = of_migration(name)
    if setting is None:
        return None
    ending = undo(setting.id, dovecot)
    if not ending.clean:
        said = "; ".join(f"{step.what}: {step.said}" for step in ending.steps if not step.ok)
        raise Refused(f"the default scheme was not changed back ({said}); no string was changed.")
    return ending
