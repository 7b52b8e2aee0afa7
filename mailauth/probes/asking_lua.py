"""Run a passdb's Lua script on demand, and say what Dovecot makes of what it returns.

In a child without privileges (children.confined), by the library that Dovecot has.  What the script asks of
Dovecot about the password or a template, it is told, and run again; what it asks of anything else is refused,
and then its answer stays open: it would be another in Dovecot.

Source: src/auth/db-lua.c and passdb-lua.c of Dovecot 2.3.19.1 and 2.4.1.
"""

from dataclasses import replace

from mailauth import hashes
from mailauth.dovecot import children, inroot, liblua, luacalling, luascript
from mailauth.dovecot.authconfig import Passdb
from mailauth.dovecot.luacalling import Call, LuaEnd, Returned
from mailauth.dovecot.luaharness import RESULTS
from mailauth.dovecot.luascript import LuaType
from mailauth.dovecot.variables import expand
from mailauth.errors import CannotObserve
from mailauth.evidence import NotApplicable
from mailauth.evidence.lua import LuaAnswer, LuaAnswers, taken
from mailauth.hashes import Password, Verdict
from mailauth.oserrors import unseen
from mailauth.probes import lua_files
from mailauth.probes.scene import Scene
from mailauth.stores.store import Failing, Failure, Outcome, Record

_CPU, _SECONDS, _MEMORY = 5, 10.0, 128 * 1024 * 1024
_MOST_QUESTIONS = 8  # that one script may have of Dovecot
_NO_MEMORY = "not enough memory"  # Lua's own words for ours, which is less than Dovecot's
_SAID = {Verdict.MATCH: b"1", Verdict.MISMATCH: b"0"}
_NAMES = {number: name for name, number in RESULTS.items() if name.startswith("PASSDB")}
_OK, _NEXT = "PASSDB_RESULT_OK", "PASSDB_RESULT_NEXT"
_OUTCOMES = {
    "PASSDB_RESULT_USER_UNKNOWN": Outcome.UNKNOWN_USER,
    "PASSDB_RESULT_USER_DISABLED": Outcome.DENIED,
    "PASSDB_RESULT_PASS_EXPIRED": Outcome.DENIED,
    "PASSDB_RESULT_PASSWORD_MISMATCH": Outcome.REFUSED,
}
# Variables that a request has; where one is not known here, a script that asks for it stays open.
# auth_request_var_expand_static_tab, src/auth/auth-request-var-expand.c.
_BOTH = (
    *("user", "home", "password", "secured", "cert", "login_user", "session", "domain_first", "domain_last"),
    *("master_user", "session_pid", "auth_user", "local_name", "client_id", "local_ip", "remote_ip"),
    *("local_port", "remote_port", "real_local_ip", "real_remote_ip", "real_local_port", "real_remote_port"),
    *("mechanism", "original_user"),
)
_VARIABLES = {
    "2.3": (
        *(*_BOTH, "username", "domain", "service", "lip", "rip", "pid", "mech", "lport", "rport"),
        *("login_username", "login_domain", "real_lip", "real_rip", "real_lport", "real_rport"),
        *("orig_user", "orig_username", "orig_domain", "auth_username", "auth_domain"),
        *("original_username", "original_domain"),
    ),
    "2.4": (*_BOTH, "protocol", "client_pid", "id", "ssl_ja3_hash", "owner_user"),
}
# Of those, what is nil where there is nothing; seen on 2.3.19.1 and 2.4.1.
_NIL = {
    "2.3": (
        *("home", "domain", "domain_first", "domain_last", "login_user", "login_username", "login_domain"),
        *("master_user", "session_pid", "orig_domain", "original_domain", "auth_domain"),
    ),
    "2.4": ("home", "domain_first", "domain_last", "login_user", "master_user"),
}


def observe_lua_answers(scene: Scene) -> LuaAnswers | NotApplicable:
    if not scene.scripts:
        return NotApplicable(LuaAnswers, "no Lua script was to be run")
    return LuaAnswers("the Lua scripts, run here", tuple(scene.scripts.values()))


def lookup(scene: Scene, passdb: Passdb, known: dict[str, str]) -> Record:
    """The user's entry as the script has it.  Raises CannotObserve where its answer stays open."""
    returned = _run(scene, passdb, known)
    file = lua_files.set_to(scene, passdb)[0]
    record, said = _record(scene, passdb, f"{file}, run here", returned, known["user"])
    scene.scripts[passdb.number, known["user"]] = LuaAnswer(
        passdb.label,
        file,
        known["user"],
        passdb.number,
        said,
        takes=bool(record.bind_as) and returned.result == RESULTS[_OK],
        refuses=record.outcome is not Outcome.FOUND or bool(record.bind_as),
        unknown=record.outcome is Outcome.UNKNOWN_USER,
        fails=record.outcome is Outcome.FAILED,
    )
    return record


def _run(scene: Scene, passdb: Passdb, known: dict[str, str]) -> Returned:
    file, wrong = lua_files.set_to(scene, passdb)
    if wrong or not file:
        raise CannotObserve(f"{passdb.label}: auth does not load its script, as LUA001 says.")
    try:
        source = inroot.content(scene.dovecot.path(file), luascript.MOST)
    except OSError as why:
        raise unseen(file, why, "the Lua script cannot be read") from None
    if source.startswith(b"\x1bLua"):
        raise CannotObserve(f"{file}: it is compiled, and mailauth runs no machine code of others.")
    if liblua.load() is None:
        raise CannotObserve(f"{file}: running it needs Lua's library, {liblua.NAMES[0]}, which is not here.")
    password = scene.password.text if scene.password is not None else None
    given, unset = _variables(scene, known, first=passdb.number == 1)
    answers: dict[tuple[bytes, bytes, bytes], bytes] = {}
    for _ in range(_MOST_QUESTIONS):
        what = Call(source, file, password, given, unset, answers)
        returned = _confined(what, file)
        if returned.asks is None:
            _complete(scene, returned, file)
            return returned
        kind, one, other = returned.asks
        key = tuple(_raw(each) for each in (kind, one, other))
        answers[key[0], key[1], key[2]] = _answer(scene, kind, one, other, known)
    raise CannotObserve(f"{file}: it has more than {_MOST_QUESTIONS} questions of Dovecot for one login.")


def _confined(what: Call, file: str) -> Returned:
    try:
        found: Returned = children.confined(
            lambda: luacalling.call(what), Returned, cpu=_CPU, seconds=_SECONDS, memory=_MEMORY
        )
    except CannotObserve:
        raise CannotObserve(
            f"{file}: it did not end within {_CPU} s of CPU, {_SECONDS:.0f} s and"
            f" {_MEMORY // 1024**2} MiB, where mailauth runs it without any rights."
        ) from None
    return found


def _complete(scene: Scene, returned: Returned, file: str) -> None:
    """Raises CannotObserve where something was missing here that Dovecot may have."""
    missing = [one for one in returned.refused if not _missing_there(scene, one)]
    if missing:
        what = ", ".join(dict.fromkeys(one.removeprefix("\0") for one in missing))
        raise CannotObserve(
            f"{file}, run without any rights, asked for what it was not given ({what}); so what it answers"
            " Dovecot stays open."
        )
    if _NO_MEMORY in returned.words:
        raise CannotObserve(f"{file}: it takes more than the {_MEMORY // 1024**2} MiB that it is given here.")
    if returned.ended is LuaEnd.WANTS_PASSWORD:
        raise CannotObserve(
            f"{file} has auth_password_verify, which is called with a password: add -p, --password-fd or"
            " --password-stdin.",
            needs_option=True,
        )
    if returned.ended in (LuaEnd.UNABLE, LuaEnd.LOAD, LuaEnd.LACKS):
        code = "LUA002" if returned.ended is LuaEnd.LACKS else "LUA001"
        raise CannotObserve(f"{file}: {returned.ended.value}, which {code} is about.")


def _missing_there(scene: Scene, asked: str) -> bool:
    """A module that Dovecot's own Lua does not find either."""
    if not asked.startswith("\0module "):
        return False
    name = asked.removeprefix("\0module ").replace(".", "/")
    return not scene.dovecot.pid and not any(
        scene.dovecot.has(path.replace("?", name)) for path in liblua.folders()
    )


def _answer(scene: Scene, kind: str, one: str, other: str, known: dict[str, str]) -> bytes:
    """What Dovecot answers the script's question.  Raises CannotObserve."""
    if kind == "expand":
        return _raw(expand(one, known, scene.config.version.dialect, version=scene.config.version))
    judgement = hashes.verify(_raw(one), Password(_raw(other)), user=known["user"], default_scheme="PLAIN")
    if judgement.verdict not in _SAID:
        raise CannotObserve(f"its request:password_verify() stays open: {judgement.reason}")
    return _SAID[judgement.verdict]


def _variables(scene: Scene, known: dict[str, str], *, first: bool) -> tuple[dict[str, str], tuple[str, ...]]:
    given: dict[str, str] = {}
    unset: list[str] = ["first passdb"] if first else []
    dialect = scene.config.version.dialect
    for name in _VARIABLES[dialect]:
        try:
            value = expand(f"%{{{name}}}", known, dialect, version=scene.config.version)
        except CannotObserve:  # nobody said what it is
            unset.append(name)
            continue
        if value:
            given[name] = value
        elif name not in _NIL[dialect]:
            unset.append(name)
    return given, tuple(unset)


def _record(scene: Scene, passdb: Passdb, place: str, returned: Returned, user: str) -> tuple[Record, str]:
    """The record for the way through the passdbs, and what is said of it."""
    called = f"{returned.function}({user})"
    if returned.ended is not LuaEnd.CALLED:
        why = _shown(scene, returned.words) or returned.other
        says = f"{called}: {returned.ended.value}{f': {why}' if why else ''}"
        return _failed(place, says), says
    name = _NAMES.get(returned.result, "")
    dialect = scene.config.version.dialect
    kind = returned.other or returned.kind.value
    says = f"{called} returned {name or returned.result} with a {kind}"
    if returned.other or returned.kind not in taken(dialect, ok=name == _OK):
        return _failed(place, f"{says}, which Dovecot {dialect} does not take"), f"{says}, which is refused"
    if not name:
        raise CannotObserve(f"{place}: {says}, a number that Dovecot gives no meaning.")
    verifies = returned.function == luascript.VERIFY
    fields = _fields(returned, name, dialect)
    if name == _OK or (name == _NEXT and not verifies):
        of_words = ", ".join(one for one, _ in fields if one)
        says += f" ({f'with the fields {of_words}' if of_words else 'without fields'})"
    elif name == "PASSDB_RESULT_INTERNAL_FAILURE" and returned.values:  # Dovecot logs that text, and no other
        says += f': "{_shown(scene, returned.values[0])}"'
    if name == _NEXT:
        return _entry(place, ((_NO_AUTHENTICATE, ""), *fields)), says
    if name == _OK and not verifies:
        return _of_lookup(passdb, place, fields, returned.kind is LuaType.STRING), says
    if verifies and name in (_OK, "PASSDB_RESULT_PASSWORD_MISMATCH"):
        return replace(_entry(place, fields), bind_as=f"{user} (lua)"), says
    if name in _OUTCOMES:
        return Record(_OUTCOMES[name], place), says
    return _failed(place, says), says


_NO_AUTHENTICATE = "noauthenticate"


def _fields(returned: Returned, name: str, dialect: str) -> tuple[tuple[str, str], ...]:
    """What comes of the user: a table's, or, in 2.3, words of a string."""
    if returned.kind is LuaType.TABLE and name == _OK:
        return tuple(zip(returned.values[::2], returned.values[1::2], strict=True))
    if returned.kind is LuaType.STRING and dialect == "2.3" and name in (_OK, _NEXT):
        pairs = (word.partition("=") for word in returned.values[0].split(" ") if word)
        return tuple((one, value) for one, _, value in pairs)
    return ()


def _of_lookup(passdb: Passdb, place: str, fields: tuple[tuple[str, str], ...], of_string: bool) -> Record:
    stored = next((value for one, value in reversed(fields) if one == "password"), "")
    others = tuple(one for one in fields if one[0] != "password")
    entry = _entry(place, others)
    if not stored and not any(one == "nopassword" for one, _ in others):
        return replace(entry, outcome=Outcome.NO_PASSWORD)
    if of_string and passdb.scheme_set and stored[:1] != "{" and not stored.startswith("$1$"):
        stored = "{PLAIN}" + stored  # its own default, whatever args says: auth_lua_call_lookup_finish()
    return replace(entry, stored=_raw(stored))


def _entry(place: str, values: tuple[tuple[str, str], ...]) -> Record:
    return Record(Outcome.FOUND, place, fields=tuple(name for name, _ in values), values=values)


def _failed(place: str, says: str) -> Record:
    return Record(Outcome.FAILED, place, failure=Failure(Failing.SCRIPT, place, "", says))


def _shown(scene: Scene, words: str) -> str:
    """Words of the script's own, without what may quote the password."""
    quoted = scene.password is not None and scene.password.text and scene.password.text in _raw(words)
    return "its words have the password in them" if quoted else words[:500]


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
