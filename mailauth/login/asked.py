"""The layers that are asked on the machine itself: our own judgement, doveadm, the auth socket."""

import math
import os
import re
import time
from contextlib import suppress
from dataclasses import replace

from mailauth.clients.door import Answer
from mailauth.clients.sasl import CannotSayError, find
from mailauth.dovecot.authsocket import AuthSocket, NotDovecots
from mailauth.errors import CannotObserve, NoAnswerInTime
from mailauth.evidence import LookedUp, Said, SystemAccounts
from mailauth.hashes import Flaw, Password, Verdict
from mailauth.hashes.interruptible import verify_hash
from mailauth.login.site import Site
from mailauth.login.way import HANGS, LATE, NETS, NO_ENTRY, NOT_ASKED, PROXIED, Attempt, Layer, Way
from mailauth.probes import own_client
from mailauth.probes.lookup import look_up, make_road, observe_user_name
from mailauth.probes.scene import Case, Scene
from mailauth.probes.system_look import observe_system_accounts
from mailauth.probes.variables import cannot_look_up
from mailauth.probes.walk import Road, walk
from mailauth.stores.store import Outcome

_GREETING_SECONDS = 10.0  # auth greets nobody while it verifies a hash itself
_SECONDS = 90.0  # Dovecot's own patience with its passdbs is 60
TIME_OVER = "the time for all logins is over; give more with --timeout"
_ANSWERS = {
    Verdict.MATCH: Answer.IN,
    Verdict.MISMATCH: Answer.REFUSED,
    Verdict.MALFORMED: Answer.REFUSED,
}
_BY_RULES = (Said.REFUSED, Said.MISMATCH)  # of a password that a hash matches
_BINDS = "its server verifies, by a bind, and hands out no stored string"
_CLOSED = (Outcome.REFUSED, Outcome.DENIED, Outcome.UNKNOWN_USER)
# Dovecot's reasons that are not about the credentials.
# Source: Dovecot 2.3.19.1 and 2.4.1 src/lib-auth/auth-client.h, AUTH_CLIENT_FAIL_CODE_*.
_TEMPORARY = ("temp_fail",)


def offline(
    way: Way, user: str, password: Password, site: Site, address: str = "", left: float = math.inf
) -> Attempt:
    """The stored string, verified here; where that is for some clients only, why our own may be another.

    ``left``: as of doveadm(); of Dovecot's own programs that are asked.
    """
    scene, cases = _scene(way, user, site, address), list[Case]()
    scene = replace(scene, patience=min(left, scene.patience))
    try:
        found = _offline(way, password, scene, cases)
    except CannotObserve as why:
        found = Attempt(way, Answer.UNSEEN, said=str(why), ours=why.ours)
    if found.answer is Answer.REFUSED and found.code != NO_ENTRY:
        return found
    return replace(found, depends=own_client.another(replace(scene, cases=tuple(cases))))


def _offline(way: Way, password: Password, scene: Scene, cases: list[Case]) -> Attempt:
    """The attempt; ``cases`` is filled.  Raises CannotObserve when the string cannot be read."""
    began = time.monotonic()
    if misread := cannot_look_up(scene.config):
        raise CannotObserve(misread)
    names = observe_user_name(scene)
    if names.refused:
        return Attempt(way, Answer.REFUSED, said="auth_username_chars refuses the name", code=NO_ENTRY)
    scene = replace(scene, names=names)
    road = make_road(scene)
    found = look_up(replace(scene, road=road), cases)
    answer, said = Answer.REFUSED, "no passdb has the user" if found.unknown else "no password is stored"
    kept_out = "" if cases else _kept_out(scene, found)
    if found.right and found.right.said is Said.DENIED:
        by = next((one for one in found.answers if one.number == found.right.decided_by), None)
        where = f"{by.passdb} ({by.place})" if by else "a passdb"
        why = "refuses the account" if by and not by.deny else "has deny = yes, and the user is in it"
        because = f": {kept_out}" if kept_out and by and not by.deny else ""
        return Attempt(way, Answer.REFUSED, said=f"{where} {why}{because}", code=NO_ENTRY)
    if kept_out:
        return Attempt(way, Answer.REFUSED, said=kept_out, code=NO_ENTRY)
    if cases:
        answer, said = _by_the_way(road, cases, password, names.looked_up)
    if answer is not Answer.IN and found.wrong and found.wrong.lets_in:
        answer, said = Answer.IN, "any password is taken"
    failed = [(one.passdb, one.failure) for one in found.answers if one.failure]
    if answer is not Answer.IN and failed:
        told = "; ".join(f"{passdb}: {failure.says}" for passdb, failure in failed)
        return Attempt(way, Answer.UNSEEN, said=told, code=NOT_ASKED)
    if answer is not Answer.IN and found.wrong and found.wrong.unseen:
        unseen = " and ".join(one.passdb for one in found.unseen if one.number in found.wrong.unseen)
        return Attempt(way, Answer.NOT_TRIED, said=f"{said}; {unseen} was not looked into")
    bound = next((one.passdb.label for one in road.entries.values() if one.record.bind_as), "")
    if answer is not Answer.IN and bound:
        of_others = f"{said}; " if cases else ""
        return Attempt(way, Answer.NOT_TRIED, said=f"{of_others}{bound}: {_BINDS}")
    # also those that a passdb's own block sets
    nets = (name for entry in road.entries.values() for name in entry.values if name.startswith(NETS))
    code = next(nets, "") if cases else NO_ENTRY
    memory = max((_memory(case) for case in cases), default=0)
    return Attempt(way, answer, said=said, seconds=time.monotonic() - began, code=code, memory=memory)


def _kept_out(scene: Scene, found: LookedUp) -> str:
    """Why the system's account lets nobody in, as ACCT001 and ACCT002 say it; "" where that is not why."""
    if (
        found.unknown
        or found.unseen
        or any(one.outcome not in _CLOSED for one in found.answers if not one.deny)
    ):
        return ""
    with suppress(CannotObserve):
        accounts = observe_system_accounts(scene)
        if isinstance(accounts, SystemAccounts):
            kept = [fault.says for one in accounts.answers if one.refused for fault in one.faults]
            return "; ".join(dict.fromkeys(kept))
    return ""


def _by_the_way(road: Road, cases: list[Case], password: Password, user: str) -> tuple[Answer, str]:
    """Of each stored string in turn, as far as the passdbs' rules let the user in with those that match."""
    matched: set[int] = set()
    refused = ""
    answer, said = Answer.REFUSED, ""
    for case in cases:
        answer, said = _verified(case, password, user)
        if answer is not Answer.IN:
            continue
        matched.add(case.passdb.number)
        end = walk(road, lambda entry: entry.passdb.number in matched)
        if end.unseen or end.said not in _BY_RULES:
            return answer, said
        refused = f"{said}, and the passdbs' rules refuse the login: {end.way}"
    return (Answer.REFUSED, refused) if refused else (answer, said)


def _memory(case: Case) -> int:
    """What verifying takes beside the process itself."""
    return 0 if isinstance(case.hash, Flaw) else case.hash.scheme.memory(case.hash.payload).total


def by_address(done: list[Attempt]) -> bool:
    """Whether the user's entry asks where the client is, so that doveadm needs it."""
    return any(one.way.layer is Layer.HASH and one.code.startswith(NETS) for one in done)


def _verified(case: Case, password: Password, user: str) -> tuple[Answer, str]:
    place = case.passdb.label
    if isinstance(case.hash, Flaw):
        return Answer.REFUSED, f"{place}: the stored string cannot match"
    judged = verify_hash(case.hash, password, user=user)
    told = f"{place}: {{{case.hash.scheme.name}}}"
    return _ANSWERS.get(judged.verdict, Answer.UNSEEN), f"{told} {judged.verdict.value}"


def doveadm(
    way: Way, user: str, password: Password, site: Site, address: str, left: float = math.inf
) -> Attempt:
    """``doveadm auth test`` or ``login``, which ends with the userdb.  Raises CannotObserve.

    ``left``: seconds that it may take: what has no answer then is not seen, where Dovecot would wait longer.
    2.3 counts a refusal towards the penalty of the address, or of all who have none (measured on 2.3.19.1).
    """
    word = way.layer.value.split()[-1]
    began = time.monotonic()
    offered = site.config.mechanisms or ("PLAIN",)
    if "PLAIN" not in offered:
        # It says "Couldn't connect to auth socket" then; measured on 2.3.19.1.
        return Attempt(way, Answer.NOT_OFFERED, said="doveadm asks by PLAIN, which auth does not offer")
    if hangs := _hangs(site):
        return Attempt(way, Answer.UNREACHABLE, said=hangs, seconds=time.monotonic() - began, code=HANGS)
    service = ("-x", f"service={way.service or 'imap'}")
    asked = ("doveadm", "auth", word, *service, *own_client.to_doveadm(_scene(way, user, site, address)))
    try:
        # Without a password argument doveadm reads it from standard input (doveadm-auth.c, t_askpass).
        ran = site.dovecot.run(*asked, "--", user, feed=password.raw + b"\n", timeout=min(_SECONDS, left))
    except NoAnswerInTime as why:
        waited = time.monotonic() - began
        if left < _SECONDS:
            return Attempt(way, Answer.UNSEEN, said=f"{why} ({TIME_OVER})", seconds=waited, code=LATE)
        return Attempt(way, Answer.UNREACHABLE, said=str(why), seconds=waited, code=LATE)
    took = time.monotonic() - began
    told = f"{ran.out}\n{ran.err}"
    if any(word in told for word in ("connect(", "Permission denied", "isconnected", "Couldn't connect")):
        lines = [line for line in ran.err.splitlines() if line.strip()] or [told]
        ours = "Permission denied" in told and os.geteuid() != 0
        hidden = CannotObserve(_line(lines[-1]), needs_root=ours)
        answer = Answer.UNSEEN if ours else Answer.UNREACHABLE
        return Attempt(way, answer, said=str(hidden), seconds=took, ours=ours)
    fields = [line.strip() for line in ran.out.splitlines() if line.startswith("  ")]
    code = _code(fields)
    answer, said = Answer.IN, ""
    if "auth succeeded" not in told:
        answer, said = (Answer.TEMPORARY if code in _TEMPORARY else Answer.REFUSED), code or "auth failed"
    elif code == "nologin":
        answer, said = Answer.REFUSED, code
    elif ran.status:
        answer = Answer.TEMPORARY
        said = next((line for line in reversed(told.splitlines()) if "userdb" in line), "userdb: no answer")
    elif way.layer is Layer.LOGIN and _without_uid(fields, site):
        answer, said = Answer.TEMPORARY, "userdb: there is no uid, and mail_uid is not set"
    return Attempt(way, answer, said=_line(said), seconds=took, code=code)


def _scene(way: Way, user: str, site: Site, address: str) -> Scene:
    return replace(site.scene(user), service=way.service or "imap", address=address)


def _hangs(site: Site) -> str:
    """Why doveadm is not to ask there: auth does not greet, which it waits for without an end; else "".

    Or it is no Dovecot's, and doveadm would send it the password.
    """
    try:
        AuthSocket(site.dovecot.path(site.auth_socket), timeout=_GREETING_SECONDS).close()
    except CannotObserve as why:
        return str(why) if isinstance(why, NotDovecots) or isinstance(why.__cause__, TimeoutError) else ""
    return ""


def _without_uid(fields: list[str], site: Site) -> bool:
    """Whether a mail process would not know whom to run as.

    Source: Dovecot 2.3.19.1 src/lib-storage/mail-storage-service.c, "User is missing UID".
    """
    named = any(field.startswith(("uid=", "proxy", "system_groups_user=")) for field in fields)
    return bool(site.config.protocols) and not named and not site.config.tree.get("mail_uid")


def socket(
    way: Way, user: str, password: Password, site: Site, address: str, left: float = math.inf
) -> Attempt:
    """The auth socket, told to count no penalty.  Raises CannotObserve when it does not answer in time."""
    mechanism = find(way.mechanism)
    path = site.dovecot.path(site.auth_socket)
    try:
        link = AuthSocket(path, timeout=min(_SECONDS, left))
    except CannotObserve as why:
        ours = isinstance(why.__cause__, PermissionError)
        answer = Answer.UNSEEN if ours else Answer.UNREACHABLE
        return Attempt(way, answer, said=str(why), ours=why.ours)
    with link as auth:
        if way.mechanism not in {name.upper() for name in auth.mechanisms} or mechanism is None:
            said = f"offered: {', '.join(auth.mechanisms)}"
            return Attempt(way, Answer.NOT_OFFERED, said=said, offered=auth.mechanisms)
        try:
            exchange = mechanism.start(user, password.raw)
            reply = auth.authenticate(
                mechanism.name,
                exchange.answer,
                begins=mechanism.begins,
                service=way.service,
                address=address,
                client=own_client.to_socket(_scene(way, user, site, address)),
            )
        except CannotSayError as why:
            return Attempt(way, Answer.UNSEEN, said=str(why))
    code = _code(list(reply.fields)) or reply.code
    answer = Answer.IN
    if not reply.ok or code == "nologin":  # auth says OK to these; the login process sends them away
        answer = Answer.TEMPORARY if code in _TEMPORARY else Answer.REFUSED
    return Attempt(
        way, answer, said=code if answer is not Answer.IN else "", seconds=reply.seconds, code=code
    )


def _code(fields: list[str]) -> str:
    """Why not, in Dovecot's word.  Who is passed on is so with nologin, too (client-common-auth.c)."""
    if any(re.fullmatch(r"proxy(_maybe)?(=.*)?", field) for field in fields):
        return PROXIED
    if any(re.fullmatch(r"nologin(=.*)?", field) for field in fields):
        return "nologin"
    if any(re.fullmatch(r"temp(=.*)?", field) for field in fields):
        return "temp_fail"
    return next((field.removeprefix("code=") for field in fields if field.startswith("code=")), "")


def _line(text: str) -> str:
    return " ".join(text.split())[:200]
