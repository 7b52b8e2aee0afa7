"""How the userdbs' answers come together to "unknown user", as far as their files tell.

Source: auth_request_userdb_callback(), src/auth/auth-request.c, and passwd_file_add(), src/auth/
db-passwd-file.c, of Dovecot 2.3.19.1 and 2.4.1.
"""

from contextlib import suppress
from dataclasses import replace

from mailauth.dovecot import ldap_settings
from mailauth.dovecot.authconfig import FileSource, Userdb
from mailauth.dovecot.ldap_settings import escape
from mailauth.dovecot.variables import filled_with
from mailauth.errors import CannotObserve
from mailauth.evidence.userdb import Refused, UserdbStep
from mailauth.probes import accounts, merged
from mailauth.probes.scene import Scene
from mailauth.stores import ask_directory, passwd_file
from mailauth.stores.directed import Answer, Directed

_SUCCEED = {"return-ok": True, "continue-ok": True, "return-fail": False, "continue-fail": False}


def steps(scene: Scene, user: str) -> tuple[UserdbStep, ...]:
    """What each userdb says of a user whom they together do not know; no more behind one that is not seen."""
    found: list[UserdbStep] = []
    good, decides = False, -1
    for userdb in scene.config.userdbs:
        if found and userdb.skip == ("found" if good else "notfound"):
            continue
        step = _step(scene, userdb, user)
        found.append(step)
        if step.has is None:
            return tuple(found)
        good = _SUCCEED.get(step.value, good)
        if step.value.startswith("return") or step.value == "continue-fail":
            decides = len(found) - 1
        if step.value.startswith("return"):
            break
    if decides >= 0 and not good:
        found[decides] = replace(found[decides], decides=True)
    return tuple(found)


def set_otherwise(scene: Scene) -> tuple[str, ...]:
    """What is set of how the userdbs' answers count, and is not Dovecot's default."""
    return tuple(
        f"{userdb.label}: {name} = {value}"
        for userdb in scene.config.userdbs
        for name, value, default in (
            ("result_success", userdb.result_success, "return-ok"),
            ("result_failure", userdb.result_failure, "continue"),
            ("skip", userdb.skip, "never"),
        )
        if value != default
    )


def _step(scene: Scene, userdb: Userdb, user: str) -> UserdbStep:
    has: bool | None = None
    place, refused, told = "", None, ""
    if isinstance(userdb.source, FileSource):
        with suppress(CannotObserve, OSError):
            has, place, refused = _line(scene, userdb.source, user)
    if userdb.driver == "ldap":
        with suppress(CannotObserve):
            has, place, told = _entry(scene, userdb, user)
    setting = "result_success" if has else "result_failure"
    value = userdb.result_success if has else userdb.result_failure
    return UserdbStep(userdb.label, has, place, refused, setting, value, told=told)


def _entry(scene: Scene, userdb: Userdb, user: str) -> tuple[bool | None, str, str]:
    """Whether its directory has an entry of the user, its place, and what was asked in vain."""
    set_so = ldap_settings.read_userdb(scene.config, userdb, scene.dovecot)
    filled = filled_with(merged.variables_of(scene, user), scene.config.version)
    base, text = filled(set_so.base, escape), filled(set_so.filter, escape)
    ask_directory.prepare(set_so)
    identity, _ = accounts.as_dovecot(scene.dovecot, scene.config, "auth")
    answer = scene.dovecot.inside(
        lambda: ask_directory.ask(set_so, base, text),
        Answer,
        identity=identity,
        environment=dict(set_so.environment),
        seconds=ask_directory.PATIENCE,
    )
    said = answer.told
    if said.how is Directed.FOUND:
        return True, answer.name, ""
    if said.how not in (Directed.NOBODY, Directed.BASE):
        return None, "", ""
    hint = f"; {said.hint}" if said.hint else ""
    return (
        False,
        set_so.place,
        f"{userdb.label} asks for {said.place}: {said.how.value}{hint} ({set_so.place})",
    )


def _line(scene: Scene, source: FileSource, user: str) -> tuple[bool, str, Refused | None]:
    """Whether Dovecot takes a line of the user, where it is, and why it does not take it."""
    known = merged.variables_of(scene, user)
    path, name = passwd_file.place(source, filled_with(known, scene.config.version))
    place, why = "", None
    for number, uid, gid in passwd_file.ids_of(scene.dovecot.path(path), name):
        refused = _refused(scene, uid, gid)
        if refused is None:
            return True, f"{path}:{number}", None
        place, why = place or f"{path}:{number}", why or refused
        if gid is None:
            break  # it stands for the name, and later ones do not count
    return False, place, why


def shifted_home(scene: Scene, user: str) -> str:
    """The line of a user whose home stands in the field before it; "" for none."""
    for userdb in scene.config.userdbs:
        if isinstance(userdb.source, FileSource):
            with suppress(CannotObserve, OSError):
                known = merged.variables_of(scene, user)
                path, name = passwd_file.place(userdb.source, filled_with(known, scene.config.version))
                if number := passwd_file.shifted_home(scene.dovecot.path(path), name):
                    return f"{path}:{number}"
    return ""


def _refused(scene: Scene, uid: str | None, gid: str | None) -> Refused | None:
    """What Dovecot does not take: a name that its system does not have, root's number, too short a line."""
    for name, text, table in (("uid", uid, "passwd"), ("gid", gid, "group")):
        if text and not accounts.number(scene.dovecot, text, table):
            return Refused(name, text)
    return Refused("", "") if gid is None else None
