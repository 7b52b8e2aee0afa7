"""Ask Dovecot's userdb, as a login does after the password.

``doveadm user`` makes the same lookup as an IMAP login (auth-master's USER); it needs no password and
changes nothing.  Measured on 2.3.19.1 and 2.4.1: status 67 is an unknown user, 75 a failure.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mailauth import digits
from mailauth.dovecot import typed
from mailauth.dovecot.authconfig import SQL_DRIVERS, FileSource, SqlSource
from mailauth.dovecot.doveadm import Installation, Ran
from mailauth.dovecot.nobody import AS_LOOKUP
from mailauth.errors import CannotObserve
from mailauth.evidence import End, NotApplicable, UserdbAnswer
from mailauth.evidence.userdb import PROXIED, Refused, UserdbSaid
from mailauth.probes import (
    accounts,
    log_added,
    merged,
    userdb_away,
    userdb_database,
    userdb_file,
    userdb_log,
    userdb_sql,
    userdb_steps,
)
from mailauth.probes.scene import Scene
from mailauth.probes.walk import walk
from mailauth.stores import passwd_file

_SECONDS = 10.0
_IN_FOLDERS = frozenset({"maildir", "mbox", "sdbox", "mdbox", "dbox"})


def observe_userdb(scene: Scene) -> UserdbAnswer | NotApplicable:
    """The answer that a login gets, for the name that the passdb leaves.

    Raises CannotObserve when doveadm cannot ask, and where only a login shows what Dovecot makes of it.
    """
    end = _end(scene)
    if scene.userdb_fails and end != PROXIED:
        return NotApplicable(UserdbAnswer, f"the database of {scene.userdb_fails} fails")
    if isinstance(end, str):
        return NotApplicable(UserdbAnswer, end)
    if servers := userdb_away.directory(scene):
        return NotApplicable(UserdbAnswer, f"the directory of the userdbs gives no answer ({servers})")
    found = _of(scene, end)
    if found.said is UserdbSaid.UNKNOWN and _open(scene, end) and not scene.let_in:
        raise CannotObserve(
            f"no userdb knows {end.user!r}, nor does a passdb that was looked into; {_A_LOGIN}"
        )
    incomplete = found.said is UserdbSaid.FOUND and (found.lost or None in (found.uid, found.gid))
    if incomplete and _open(scene, end) and _brings_fields(scene):
        raise CannotObserve(
            "the userdb returns not all of uid, gid and home, and a passdb that was not looked into may;"
            f" {_A_LOGIN}"
        )
    return found


def _of(scene: Scene, end: End) -> UserdbAnswer:
    brought = merged.of_passdbs(scene, end)
    if userdb_sql.TEMPFAIL in (brought or {}):
        # Whatever the userdbs say.  Source: auth_request_userdb_callback(), src/auth/auth-request.c.
        forced = f"the passdb that lets {end.user!r} in returns userdb_{userdb_sql.TEMPFAIL}"
        source = "the userdb_ fields of the passdb"
        return UserdbAnswer(source, end.user, _labels(scene), UserdbSaid.FAILED, forced=forced)
    prefetch = next((one for one in scene.config.userdbs if one.driver == "prefetch"), None)
    if prefetch is not None and brought is not None:
        if prefetch.number != 1 or (prefetch.skip, prefetch.result_success) != ("never", "return-ok"):
            raise CannotObserve(f"{prefetch.label} is one of several whose answers are merged; {_A_LOGIN}")
        return _found(scene, f"the userdb_ fields of the passdb, by {prefetch.label}", end.user, brought)
    return _asked(scene, end.user, brought)


_A_LOGIN = "only a real login shows what it gets: mailauth diagnose --login -p USER"


def _asked(scene: Scene, user: str, brought: merged.Fields | None) -> UserdbAnswer:
    """Doveadm user: of the userdbs alone, by a session that is known as ours; then with the mail settings.

    The second names no session (cmd_user_mail_input(), src/doveadm/doveadm-auth.c): Dovecot's words of a user
    whom the first does not find would be taken for a client's.
    """
    drivers = [userdb.driver for userdb in scene.config.userdbs]
    if userdb_away.static_alone(scene):
        return _of_static(scene, user, brought)
    command = _command(scene, user)
    began = log_added.mark(scene.dovecot, scene.config)
    looked = _doveadm(scene, *AS_LOOKUP, "-u", "--", user) if drivers else None
    ran = looked if looked and looked.status else _doveadm(scene, "--", user)
    if not ran.status and not merged.WANTED & set(brought or ()) and not _own_place(scene):
        return _found(scene, command, user, _fields(_PLAIN, ran), asked=True)
    if ran.status and (forced := _forced_by_a_block(scene)):
        return replace(_failed(scene, user, ran, ""), forced=forced)
    if ran.status and "static" in drivers:
        # It takes whoever has logged in; asked by others it asks the passdbs whether there is such a user,
        # who refuse what allow_nets and the like do, and fail where a stored string is damaged.
        # Source: static_lookup(), Dovecot 2.3.19.1 and 2.4.1 src/auth/userdb-static.c.
        if set(drivers) == {"static"}:
            return _of_static(scene, user, brought)
        raise CannotObserve(
            f"{command}: a static userdb asks the passdbs again, and they refuse the name without a login;"
            f" {_A_LOGIN}"
        )
    if ran.status == userdb_database.UNKNOWN and drivers:
        return _unknown(scene, user, ran)
    source = _command(scene, "-u", user)
    ran = looked or ran
    if ran.status and drivers:
        return _failed(scene, user, ran, userdb_log.last_error(scene, user, began))
    return _found(scene, source, user, _together(scene, brought or {}, _fields(_OF_USERDB, ran)))


def _of_static(scene: Scene, user: str, brought: merged.Fields | None) -> UserdbAnswer:
    return _found(scene, "the fields of userdb static", user, merged.of_static(scene, user, brought))


def _own_place(scene: Scene) -> bool:
    """Whether the protocol has mail settings of its own: doveadm tells of its own service's."""
    blocks = (block for block in scene.config.tree.all("protocol") if block.name == scene.service)
    names = {setting.name for block in blocks for setting in block.settings}
    return bool(names & {"mail_location", "mail_path", "mail_driver", "mail_home", "mail_uid", "mail_gid"})


# Those that say of any name whether it is there.  static asks the passdbs, prefetch knows nobody.
_SAYING = frozenset({*SQL_DRIVERS, "sql", "ldap", "passwd", "passwd-file", "lua", "dict"})


def userdbs_fail(scene: Scene) -> str:
    """That the userdbs fail whoever the user is, by Dovecot's own word; "" where they do not, or may not.

    ``scene.user`` is nobody's name.  Raises CannotObserve when doveadm cannot ask.
    """
    userdbs = scene.config.userdbs
    files = (one.source.path for one in userdbs if isinstance(one.source, FileSource))
    every = bool(userdbs) and all(one.driver in _SAYING for one in userdbs)
    if not every or any("%" in path for path in files) or not userdb_database.opens_mail(scene.config):
        return ""
    began = log_added.mark(scene.dovecot, scene.config)
    ran = _doveadm(scene, *AS_LOOKUP, "-u", "--", scene.user)
    if ran.status in (0, userdb_database.UNKNOWN):
        return ""
    logged = userdb_log.last_error(scene, scene.user, began)
    told = f"The userdbs ({', '.join(_labels(scene))}) fail: {_last(ran.out + ran.err)}"
    return f"{told}. Dovecot logs: {logged}" if logged else told


def _together(scene: Scene, brought: merged.Fields, own: merged.Fields) -> merged.Fields:
    """The userdbs' fields over the passdbs'; but an id that is none fails the login, whatever is put over it.

    Source: auth_request_set_userdb_field() sets userdb_lookup_tempfailed, src/auth/auth-request.c.
    """
    bad = {
        name: brought[name]
        for name, table in _TABLES.items()
        if brought.get(name) and accounts.number(scene.dovecot, brought[name], table) is None
    }
    return {**brought, **own, **bad}


_TABLES = {"uid": "passwd", "gid": "group"}


_PLAIN = re.compile(r"^(\w+)\t(.*)$", re.MULTILINE)
_OF_USERDB = re.compile(r"^ +(\w+) *: ?(.*?) *$", re.MULTILINE)


def _fields(pattern: re.Pattern[str], ran: Ran) -> merged.Fields:
    return dict(pattern.findall(ran.out))


def _unknown(scene: Scene, user: str, ran: Ran) -> UserdbAnswer:
    if userdb_file.fileless(scene)[0]:
        return _failed(scene, user, ran, "")  # Dovecot says now this, now that
    return UserdbAnswer(
        source=_command(scene, user),
        user=user,
        userdbs=_labels(scene),
        said=UserdbSaid.UNKNOWN,
        words=_last(ran.out + ran.err),
        steps=userdb_steps.steps(scene, user),
        set_otherwise=userdb_steps.set_otherwise(scene),
        renamed=_renamed(scene, user),
    )


def _renamed(scene: Scene, user: str) -> str:
    """Which passdb made this name of the one that was looked up."""
    entries = scene.road.entries.values() if scene.road and scene.names else ()
    for entry in entries:
        name = next((one for one in ("user", "username") if entry.values.get(one) == user), "")
        if name and scene.names and user != scene.names.looked_up:
            source = entry.passdb.source
            place = (source.query_place if isinstance(source, SqlSource) else "") or entry.record.place
            if dict(entry.record.values).get(name) != user:
                place = "its block's fields, not the entry"
            shown = passwd_file.without_hash(user.encode("utf-8", "replace")).decode("utf-8", "replace")
            return f"{entry.passdb.label} returns {name} = {shown!r} for {scene.names.looked_up!r} ({place})"
    return ""


def _failed(scene: Scene, user: str, ran: Ran, logged: str) -> UserdbAnswer:
    words = _last(ran.out + ran.err)
    refused = userdb_sql.refused_ids(scene, user)
    source, labels, failed = (
        _command(scene, user),
        _labels(scene),
        UserdbSaid.FAILED,
    )
    forced = userdb_sql.forced(scene, user)
    return UserdbAnswer(
        source,
        user,
        labels,
        failed,
        words,
        logged=logged,
        refused=refused,
        forced=forced,
        fileless=userdb_file.fileless(scene),
    )


def _forced_by_a_block(scene: Scene) -> str:
    """Which userdb has tempfail among its own fields, where no other stands before it; "" for none."""
    for userdb in scene.config.userdbs[:1]:
        if any(name.partition(":")[0] == userdb_sql.TEMPFAIL for name, _ in userdb.sets):
            return f"{userdb.label} sets {userdb_sql.TEMPFAIL}"
    return ""


def _labels(scene: Scene) -> tuple[str, ...]:
    return tuple(userdb.label for userdb in scene.config.userdbs)


def _found(
    scene: Scene, source: str, user: str, fields: merged.Fields, *, asked: bool = False
) -> UserdbAnswer:
    """``asked``: doveadm has put the variables into the mail's place."""
    tree = scene.config.tree
    home = fields.get("home") or tree.get("mail_home")
    name = "mail" if scene.config.version.dialect == "2.3" else "mail_path"
    folder = _folder(scene, fields if asked else {**fields, name: merged.mail_place(scene, user, fields)})
    ids = {
        kind: accounts.number(scene.dovecot, fields.get(kind) or tree.get(f"mail_{kind}"), table)
        for kind, table in _TABLES.items()
    }
    lost = "" if home else _lost(scene, fields)
    return UserdbAnswer(
        source=source,
        user=user,
        userdbs=_labels(scene),
        said=UserdbSaid.FOUND,
        uid=ids["uid"],
        gid=ids["gid"],
        refused=tuple(_refused(scene, fields, ids)),
        home=home,
        folder=folder,
        lost=lost,
        shifted=userdb_steps.shifted_home(scene, user) if lost else "",
        lowest=(_setting(scene, "first_valid_uid", 500), _setting(scene, "first_valid_gid", 1)),
        highest=(_setting(scene, "last_valid_uid", 0), _setting(scene, "last_valid_gid", 0)),
        account=accounts.name_of(scene.dovecot, ids["uid"]),
        owner=_owner(scene.dovecot, folder, fields.get("home", "")),
    )


def _refused(scene: Scene, fields: merged.Fields, ids: dict[str, int | None]) -> Iterator[Refused]:
    """What is there for a uid or gid, and names none."""
    for kind, number in ids.items():
        setting = f"mail_{kind}"
        own, ours = fields.get(kind, ""), scene.config.tree.get(setting)
        if number is None and (own or ours):
            yield Refused(kind, own or ours, "" if own else setting)


def _owner(dovecot: Installation, folder: str, home: str) -> tuple[int, int] | None:
    """Whom the mail belongs to, or else the folder above it; root owns what nobody has been given."""
    above = str(Path(folder).parent) if folder else ""
    for place in (folder, above, home):
        with suppress(OSError):
            state = dovecot.state(dovecot.path(place)) if place.startswith("/") else None
            if state is not None and state.st_uid:
                return state.st_uid, state.st_gid
    return None


def _end(scene: Scene) -> End | str:
    """Where the passdbs leave the user; or why no userdb is asked."""
    config = scene.config
    if config.without_userdb:
        return config.without_userdb
    if scene.road is None or not (scene.having or scene.road.unasked):
        return "no passdb has the user"
    end = scene.end or walk(scene.road, lambda _: True)
    if end.keeps_out:
        return "no passdb lets the user in"
    if _open(scene, end) and any(one.driver == "prefetch" for one in config.userdbs):
        return "a passdb that was not looked into may bring the userdb's fields along (prefetch)"
    fields = [
        {*record.fields, *(name for name, _ in passdb.override_fields)} for passdb, record in scene.having
    ]
    if fields and all("proxy" in one for one in fields):
        return PROXIED
    if any(one & {"proxy", "proxy_maybe"} for one in fields):
        return "the login may go on to another server (proxy)"
    return end


def _open(scene: Scene, end: End) -> bool:
    """Whether a passdb that was not looked into may have the user, or nobody."""
    return bool(end.unseen) or not scene.having


_WITHOUT_FIELDS = frozenset({"pam", "shadow", "passwd", "bsdauth"})


def _brings_fields(scene: Scene) -> bool:
    """Whether a passdb that was not looked into is one that can return userdb_ fields."""
    unasked = scene.road.unasked if scene.road else {}
    return any(one.number in unasked and one.driver not in _WITHOUT_FIELDS for one in scene.config.passdbs)


def _command(scene: Scene, *words: str) -> str:
    return typed.shown(scene.dovecot, "doveadm", "user", *words)


def _doveadm(scene: Scene, *words: str) -> Ran:
    # doveadm's own service is "doveadm", for which another protocol's block counts
    where: tuple[str, ...] = ("-x", f"service={scene.service}")
    where += ("-x", f"rip={scene.address}") if scene.address else ()
    ran = scene.dovecot.run("doveadm", "user", *where, *words, timeout=min(_SECONDS, scene.patience))
    told = ran.out + ran.err
    if ran.status and any(word in told for word in ("connect(", "Permission denied", "isconnected")):
        why = f"{_command(scene, words[-1])}: auth was not asked: {_last(told)}."
        raise CannotObserve(why, needs_root=os.geteuid() != 0)
    return ran


def _lost(scene: Scene, values: dict[str, str]) -> str:
    """What of the place of the mail needs a home; "" where it needs none."""
    tree = scene.config.tree
    if scene.config.version.dialect == "2.3":
        configured = values.get("mail") or tree.get("mail_location")
        needs = configured.partition(":")[2].partition(":")[0]
        name = "mail_location"
    else:
        configured = needs = values.get("mail_path") or tree.get("mail_path")
        name = "mail_path"
    if not configured:
        return f"{name}, which is not set"
    return configured if needs.startswith("~") or "%h" in needs or "%{home" in needs else ""


def _folder(scene: Scene, found: dict[str, str]) -> str:
    """The mail folder with its variables put in; "" where the mail is in none."""
    if scene.config.version.dialect == "2.3":
        driver, _, rest = found.get("mail", "").partition(":")
        path = rest.partition(":")[0]
    else:
        driver = found.get("mail_driver") or scene.config.tree.get("mail_driver")
        path = found.get("mail_path", "")
    home = found.get("home", "")
    if path.startswith("~/") and home:
        path = f"{home}/{path[2:]}"
    return path if driver in _IN_FOLDERS and path.startswith("/") else ""


def _setting(scene: Scene, name: str, default: int) -> int:
    text = scene.config.tree.get(name).strip()
    found = digits.number(text)
    return default if found is None else found


def _last(text: str) -> str:
    """The last line that doveadm said."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("field\t")]
    return lines[-1] if lines else "doveadm says nothing"
