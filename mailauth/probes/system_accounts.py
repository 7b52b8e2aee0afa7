"""Ask the passdbs that have the system's accounts, pam, shadow and passwd, about a user: by their files.

The password is sent to nobody: where other modules than pam_unix have a say, what they say stays open.
"""

from contextlib import suppress
from dataclasses import field, replace

from mailauth.dovecot import pam
from mailauth.dovecot.authconfig import Passdb
from mailauth.dovecot.variables import Fill
from mailauth.errors import CannotObserve
from mailauth.evidence import AccountFault, SystemAccount
from mailauth.probes.scene import Scene
from mailauth.probes.system_files import System, seen
from mailauth.records import dataclass
from mailauth.stores import pam_files, pam_modules, pam_stack, shadow
from mailauth.stores.pam_line import Line, Service
from mailauth.stores.pam_modules import Said, Seen, Why
from mailauth.stores.store import Outcome, Record

_NO_MATCH = ("", "*", "!")  # IS_VALID_PASSWD, src/auth/passdb-*.c: what such a field begins with
# What of PAM ends the login: pam_verify_plain_call(), src/auth/passdb-pam.c of 2.3.19.1 and 2.4.1.
_ENDS = frozenset({"new_authtok_reqd", "acct_expired"})
_SUCCESS = frozenset({pam_stack.SUCCESS})
_NO = frozenset({"auth_err"})  # what try_pam_auth() logs as a password mismatch, same file
_WELL = shadow.Account(
    "anybody", 1000, 1000, "", "", "x", shadow.PASSWD, shadow.Shadow("$" * 13, shadow.SHADOW)
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What such a passdb makes of the user: the record for the way through the passdbs, and the faults.

    ``open``: why it cannot be said what comes of it; "" where it can.
    """

    record: Record = field(repr=False)
    account: SystemAccount
    open: str = ""


def ask(scene: Scene, passdb: Passdb, user: str, filled: Fill) -> Asked:
    """Raises CannotObserve where a file cannot be read, or names come from elsewhere, too."""
    system = System(scene)
    if passdb.driver == "shadow":
        return _of_shadow(system, passdb, user)
    if passdb.driver == "passwd":
        return _of_passwd(system, passdb, user)
    return _of_pam(system, passdb, user, filled)


def ask_about_anybody(scene: Scene, passdb: Passdb, filled: Fill) -> Asked:
    """What keeps everybody out: asked about an account that is well, and made up.  Raises CannotObserve."""
    system = System(scene)
    if passdb.driver == "pam":
        return _of_pam(system, passdb, _WELL.name, filled, made_up=_WELL)
    closed = system.closed(passdb) if passdb.driver == "shadow" else ""
    record = Record(Outcome.REFUSED, shadow.SHADOW)
    faults = ((Why.CLOSED, closed),) if closed else ()
    return Asked(record, _answer(passdb, _WELL.name, shadow.SHADOW, *faults))


def _answer(
    passdb: Passdb, user: str, where: str, *faults: tuple[Why, str], opens: str = ""
) -> SystemAccount:
    said = tuple(AccountFault(why, says) for why, says in faults)
    asked_by = passdb.verified_by
    return SystemAccount(passdb.label, passdb.driver, user, where, bool(said), said, opens, asked_by=asked_by)


def _of_shadow(system: System, passdb: Passdb, user: str) -> Asked:
    """As getspnam(3) answers: no row of /etc/passwd is needed."""
    if closed := system.closed(passdb):
        record = Record(Outcome.REFUSED, shadow.SHADOW)
        with suppress(CannotObserve):
            row = system.row(user)
            record = replace(record, kept=_kept(row.hash if row else ""))
        return Asked(record, _answer(passdb, user, shadow.SHADOW, (Why.CLOSED, closed)))
    row = system.row(user)
    if row is None:
        return Asked(Record(Outcome.UNKNOWN_USER, shadow.SHADOW), _answer(passdb, user, shadow.SHADOW))
    return _of_field(passdb, user, row.hash, row.place)


def _of_passwd(system: System, passdb: Passdb, user: str) -> Asked:
    account = system.account(user)
    if account is None:
        return Asked(Record(Outcome.UNKNOWN_USER, shadow.PASSWD), _answer(passdb, user, shadow.PASSWD))
    if account.field == "x":
        says = (
            f'passdb passwd takes the "x" of {account.place} for the hash, which no password matches;'
            f" the hash is in {shadow.SHADOW}"
        )
        found = pam_modules.hash_of(account)
        record = Record(Outcome.REFUSED, account.place, kept=_kept(found[0] if found else ""))
        return Asked(record, _answer(passdb, user, account.place, (Why.SHADOWED, says)))
    return _of_field(passdb, user, account.field, account.place)


def _of_field(passdb: Passdb, user: str, stored: str, place: str) -> Asked:
    if stored[:1] not in _NO_MATCH:
        record = Record(Outcome.FOUND, place, stored.encode("utf-8", "surrogateescape"))
        return Asked(record, _answer(passdb, user, place))
    why = pam_modules.locked(stored) or (Why.NO_PASSWORD, "has no password: the field is empty")
    says = f"{user} {why[1]} ({place})"
    record = Record(Outcome.DENIED, place, kept=_kept(stored))
    return Asked(record, _answer(passdb, user, place, (why[0], says)))


def _kept(stored: str) -> bytes:
    """What a password can be compared with, though the account is refused."""
    return pam_modules.kept(stored).encode("utf-8", "surrogateescape")


def _of_pam(
    system: System, passdb: Passdb, user: str, filled: Fill, made_up: shadow.Account | None = None
) -> Asked:
    asked = pam.read(system.scene.config, passdb)
    service = pam_files.read(filled(asked.service, str), system.scene.dovecot.path)
    where = f"service {service.name!r}" + (f" ({', '.join(service.files)})" if service.files else "")
    if service.missing:
        says = f'PAM has no file for the service {service.name!r}, and none for "other" (/etc/pam.d)'
        return Asked(Record(Outcome.FAILED, where), _answer(passdb, user, where, (Why.MISSING, says)))
    if service.fails:
        says = f"{service.broken[0]} includes a file that is not there, or that includes itself"
        return Asked(Record(Outcome.FAILED, where), _answer(passdb, user, where, (Why.BROKEN, says)))
    account = made_up or system.account(user)
    kinds = ("auth", "account", *(("session",) if asked.session else ()))
    stacks = [service.stack(kind) for kind in kinds]
    given = seen(system, passdb, user, account, service, anybody=made_up is not None)
    right = _whole(stacks, [_said(stack, given, right=True) for stack in stacks])
    wrong = _whole(stacks, [_said(stack, given, right=False) for stack in stacks])
    told = _answer(passdb, user, where)
    if right.isdisjoint(_SUCCESS) and account is None:
        anybody = _of_pam(system, passdb, user, filled, made_up=_WELL).account
        told = replace(told, refused=anybody.refused, faults=anybody.faults)
    elif right.isdisjoint(_SUCCESS):
        blame = _blame(stacks, given)
        told = replace(told, refused=True, faults=_faults(blame))
    elif wrong == _SUCCESS and account is not None:
        told = replace(told, opens=_opens(stacks[0], given, service))
    record, open_ = _record(right, wrong, account, where)
    if record.outcome is Outcome.UNKNOWN_USER:
        record = replace(record, mismatch=_whole(stacks[:1], [_said(stacks[0], given, right=False)]) == _NO)
    if not open_:
        return Asked(replace(record, kept=_kept_behind(stacks, given) if told.refused else b""), told)
    unknown = _unknown(stacks, given)
    names = ", ".join(unknown) or _OTHERS
    if faults := _unless(stacks, given):
        told = replace(told, refused=True, faults=faults, unless=names)
    return Asked(record, told, f"PAM's service {service.name!r} asks {_what_is_open(unknown, given)}")


def _said(stack: tuple[Line, ...], given: Seen, *, right: bool) -> list[Said]:
    return [
        pam_modules.unasked(stack[:at], line, pam_modules.returns(line, given, right=right))
        for at, line in enumerate(stack)
    ]


def _whole(stacks: list[tuple[Line, ...]], said: list[list[Said]]) -> frozenset[str]:
    """What all kinds come to, one after the other: each is asked where the one before says yes."""
    codes = _SUCCESS
    for stack, lines in zip(stacks, said, strict=True):
        if pam_stack.SUCCESS not in codes:
            return codes
        codes = (codes - _SUCCESS) | pam_stack.outcomes(stack, [one.codes for one in lines])
    return codes


def _blame(stacks: list[tuple[Line, ...]], given: Seen) -> list[Said]:
    """The reasons each of which keeps the user out by itself; all, where only together they do."""
    return _blame_of(stacks, [_said(stack, given, right=True) for stack in stacks])


def _blame_of(stacks: list[tuple[Line, ...]], said: list[list[Said]]) -> list[Said]:
    reasons = list(dict.fromkeys(one for lines in said for one in lines if one.why))
    others = [one for one in reasons if one.why is not Why.DENIES]
    if not others:  # pam_deny is there for those whom nothing before it lets in
        return _denied(stacks, said) or reasons
    reasons = others

    def alone(reason: Said) -> bool:
        ways = [[one if one == reason else _but_for_its_reason(one) for one in lines] for lines in said]
        return pam_stack.SUCCESS not in _whole(stacks, ways)

    found = [one for one in reasons if alone(one)] or reasons
    return list({(one.why, one.says): one for one in found}.values())


def _denied(stacks: list[tuple[Line, ...]], said: list[list[Said]]) -> list[Said]:
    """Of the first stack that says no: a jump over more lines than there are, or its pam_deny."""
    for stack, lines in zip(stacks, said, strict=True):
        codes = [one.codes for one in lines]
        if pam_stack.SUCCESS in pam_stack.outcomes(stack, codes):
            continue
        past = [
            Said(frozenset(), Why.BROKEN, _PAST.format(line.module, line.place, count), line.place)
            for at, line in enumerate(stack)
            if (count := pam_stack.past_the_end(stack, at, codes[at]))
        ]
        return past or [one for one in lines if one.why]
    return []


_PAST = "{} ({}) jumps over {} lines when it says yes, and so many do not follow: PAM refuses then"


def _kept_behind(stacks: list[tuple[Line, ...]], given: Seen) -> bytes:
    """The hash that pam_unix compares once nothing refuses the account; b"" where that decides nothing."""
    found = pam_modules.hash_of(given.account) if given.account else None
    bare = pam_modules.kept(found[0]) if found else ""
    if not bare or not given.account:
        return b""
    well = (
        replace(given.account, shadow=shadow.Shadow(bare, given.account.place))
        if given.account.shadowed
        else replace(given.account, field=bare)
    )
    seen_well = replace(given, account=well, closed="")

    def comes_to(*, right: bool) -> frozenset[str]:
        said = [_said(stack, seen_well, right=right) for stack in stacks]
        return _whole(stacks, [[_but_for_its_reason(one) for one in lines] for lines in said])

    decides = pam_stack.SUCCESS in comes_to(right=True) and pam_stack.SUCCESS not in comes_to(right=False)
    return _kept(bare) if decides else b""


def _but_for_its_reason(said: Said) -> Said:
    return replace(said, codes=said.well) if said.why and said.why is not Why.DENIES else said


def _opens(stack: tuple[Line, ...], given: Seen, service: Service) -> str:
    """Why any password logs in."""
    for line, one in zip(stack, _said(stack, given, right=False), strict=True):
        if one.blank and given.account:
            found = pam_modules.hash_of(given.account)
            place = found[1] if found else ""
            return f"{given.user} has an empty password ({place}), and {line.place} has nullok"
    return f"the service {service.name!r} lets everybody in, whatever the password is"


def _record(
    right: frozenset[str], wrong: frozenset[str], account: shadow.Account | None, where: str
) -> tuple[Record, bool]:
    """For the way through the passdbs; and whether what comes of it is open."""
    found = pam_modules.hash_of(account) if account else None
    place = found[1] if found else where
    never = right.isdisjoint(_SUCCESS)
    if never and account is None:
        return Record(Outcome.UNKNOWN_USER, shadow.PASSWD), False
    if never:
        ends = right & _ENDS
        return Record(Outcome.DENIED if ends else Outcome.REFUSED, place), bool(ends) and ends != right
    if right == wrong == _SUCCESS:
        return Record(Outcome.FOUND, place, fields=("nopassword",), values=(("nopassword", ""),)), False
    if right == _SUCCESS and found and wrong.isdisjoint(_SUCCESS):
        stored = found[0].encode("utf-8", "surrogateescape")
        return Record(Outcome.FOUND, place, stored, noscheme=True), False
    return Record(Outcome.REFUSED, place), True


def _faults(blame: list[Said]) -> tuple[AccountFault, ...]:
    return tuple(AccountFault(one.why, one.says) for one in blame if one.why)


def _unless(stacks: list[tuple[Line, ...]], given: Seen) -> tuple[AccountFault, ...]:
    """What keeps the user out where all that is not followed says no."""

    def certain(line: Line) -> Said:
        said = pam_modules.returns(line, given, right=True)
        return said if said.why or len(said.codes - {"ignore"}) == 1 else replace(said, codes=_NO)

    said = [[certain(line) for line in stack] for stack in stacks]
    if pam_stack.SUCCESS in _whole(stacks, said):
        return ()
    reasons = [one for lines in said for one in lines if one.why and one.why is not Why.DENIES]
    return _faults([one for one in _blame_of(stacks, said) if one in reasons])


def _unknown(stacks: list[tuple[Line, ...]], given: Seen) -> dict[str, str]:
    """The modules on whose answers it depends, as they are written, and their names."""
    return {
        line.module: line.name
        for stack in stacks
        for line, one in zip(stack, _said(stack, given, right=True), strict=True)
        if len(one.codes - {"ignore"}) > 1
    }


_OTHERS = "its modules"


def _what_is_open(unknown: dict[str, str], given: Seen) -> str:
    """Which modules are not followed, and which are, once it is known who asks."""
    followed = [module for module, name in unknown.items() if name in pam_modules.OF_THE_USER]
    others = [module for module in unknown if module not in followed]
    told = (
        [f"{', '.join(others) or _OTHERS}, which mailauth does not follow"] if others or not unknown else []
    )
    if followed and given.anybody:
        told.append(f"{', '.join(followed)}, which depends on the user: mailauth diagnose USER decides it")
    elif followed:
        told.append(
            f"{', '.join(followed)}, which depends here on more than mailauth follows (the client's address,"
            " a group, a host's name)"
        )
    return "; and ".join(told)


def check(asked: Asked, passdb: Passdb, *, on_demand: bool = False) -> Record:
    """The record of a passdb whose answer is known.  Raises CannotObserve.

    ``on_demand``: PAM will be asked about the password where the files leave open what it says.
    """
    if asked.open and on_demand and passdb.driver == "pam":
        return Record(Outcome.FOUND, asked.account.where, bind_as=f"{asked.account.user} ({passdb.driver})")
    if asked.open:
        raise CannotObserve(f"{asked.open}; {passdb.unread.tells}")
    return asked.record
