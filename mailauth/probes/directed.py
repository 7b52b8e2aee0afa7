"""Ask a passdb's directory about a name, once in a run, and make of the entry what Dovecot makes of it."""

from dataclasses import replace

from mailauth.dovecot import entryfields
from mailauth.dovecot.authconfig import Passdb
from mailauth.dovecot.ldap_settings import Directory, escape, read
from mailauth.dovecot.variables import Fill, filled_with
from mailauth.errors import CannotObserve, NoAnswerInTime
from mailauth.evidence.directory import OF_THE_CONNECTION
from mailauth.probes.accounts import as_dovecot
from mailauth.probes.scene import Scene
from mailauth.stores import ask_directory
from mailauth.stores.directed import Answer, Directed, Told
from mailauth.stores.libldap import REFERRED
from mailauth.stores.store import Failing, Failure, Outcome, Record

_UNKNOWN = (Directed.NOBODY, Directed.BASE)  # Dovecot takes both for "unknown user"


def asked(scene: Scene, passdb: Passdb, filled: Fill) -> tuple[Directory, Answer]:
    """What the directory says.  Raises CannotObserve where it cannot be asked."""
    set_so = read(scene.config, passdb, scene.dovecot)
    if "nopassword" in dict((*passdb.default_fields, *passdb.override_fields)):
        set_so = replace(set_so, attribute="")
    base, text = filled(set_so.base, escape), filled(set_so.filter, escape)
    key = (passdb.number, base, text)
    if key not in scene.directories:
        ask_directory.prepare(set_so)
        identity, _ = as_dovecot(scene.dovecot, scene.config, passdb.verified_by)
        try:
            scene.directories[key] = scene.dovecot.inside(
                lambda: ask_directory.ask(set_so, base, text),
                Answer,
                identity=identity,
                environment=dict(set_so.environment),
                seconds=ask_directory.PATIENCE,
            )
        except NoAnswerInTime as why:
            scene.directories[key] = Answer(Told(Directed.SLOW, set_so.uris, says=str(why)))
    return set_so, scene.directories[key]


def sure(scene: Scene, told: Told) -> bool:
    """What was seen is what Dovecot sees of it on a new connection.

    Another root has another libldap; 2.4 sets options of TLS where some do not count (measured, 2.4.1).
    """
    same_tls = scene.config.version.dialect == "2.3" and not scene.dovecot.pid
    return told.code not in REFERRED and (told.how is not Directed.TLS or same_tls)


def lookup(scene: Scene, passdb: Passdb, known: dict[str, str]) -> Record:
    """The user's entry as the passdb has it.  Raises CannotObserve, and ExpandError where Dovecot fails."""
    filled = filled_with(known, scene.config.version)
    set_so, answer = asked(scene, passdb, filled)
    told = answer.told
    if told.how in OF_THE_CONNECTION or not sure(scene, told):
        raise CannotObserve(f"the directory gives no answer, as LDAP001 says: {told.how.value}")
    if told.how in _UNKNOWN:
        return Record(Outcome.UNKNOWN_USER, told.place)
    if told.how not in (Directed.FOUND, Directed.TEMPLATE) or told.twice:
        return _failed(told.place, told)
    if set_so.bind:
        return _of_bind(scene, passdb, set_so, answer, known)
    if told.lacks:
        return _failed(answer.name, told)
    if scene.config.version.dialect == "2.3":
        return _of_23(set_so, answer, filled)
    return _of_24(set_so, answer, known, scene)


def _failed(place: str, told: Told) -> Record:
    """To Dovecot 2.3 an entry without a password is a mismatch, to 2.4 an internal failure."""
    failure = Failure(Failing.DIRECTORY, told.place, str(told.code or ""), told.says or told.how.value)
    return Record(Outcome.FAILED, place, failure=failure)


def _of_23(set_so: Directory, answer: Answer, filled: Fill) -> Record:
    entry = dict(answer.values)
    entryfields.attributes(set_so.fields)  # raises where it is not followed
    come = tuple(entryfields.come_23(set_so.fields, entry, lambda text: filled(text, str)))
    others = tuple(one for one in come if one[0] not in entryfields.PASSWORDS)
    place = next((i for i, one in enumerate(come) if one[0] in entryfields.PASSWORDS), -1)
    if place < 0:
        return Record(Outcome.NO_PASSWORD, answer.name, fields=_names(others), values=others)
    return Record(
        Outcome.FOUND,
        answer.name,
        _bytes(come[place][1]),
        fields=_names(others),
        noscheme=come[place][0] == "password_noscheme",
        values=others,
        ahead=place,
        several=_several(set_so, entry),
    )


def _of_24(set_so: Directory, answer: Answer, known: dict[str, str], scene: Scene) -> Record:
    entry = dict(answer.values)
    of_entry = entryfields.known_24(set_so.fields, entry, answer.name)
    values = tuple((name.removeprefix("ldap:"), value) for name, value in of_entry.items())
    made = next((one for one in set_so.fields if one.name in entryfields.PASSWORDS), None)
    names = tuple(one.name for one in set_so.fields if one.name not in entryfields.PASSWORDS)
    if made is None:
        return Record(Outcome.NO_PASSWORD, answer.name, fields=names, values=values)
    text = filled_with(known | of_entry, scene.config.version)(made.template or "", str)
    return Record(
        Outcome.FOUND,
        answer.name,
        _bytes(text),
        fields=names,
        noscheme=made.name == "password_noscheme",
        values=values,
        several=_several(set_so, entry),
    )


def _of_bind(
    scene: Scene, passdb: Passdb, set_so: Directory, answer: Answer, known: dict[str, str]
) -> Record:
    """Where a bind shows whether the password is right, which only the one who gave it may have made."""
    filled = filled_with(known, scene.config.version)
    of_template = answer.told.how is Directed.TEMPLATE
    if (scene.password is not None and not scene.binds) or (of_template and scene.password is None):
        raise CannotObserve(passdb.unread.problem)
    if of_template:
        name = filled(set_so.template, escape)
        return Record(Outcome.FOUND, f"{name}, made of the template without a search", bind_as=name)
    entry = dict(answer.values)
    if scene.config.version.dialect == "2.3":
        entryfields.attributes(set_so.fields)
        come = tuple(entryfields.come_23(set_so.fields, entry, lambda text: filled(text, str)))
        values = tuple(one for one in come if one[0] not in entryfields.PASSWORDS)
        names = _names(values)
    else:
        of_entry = entryfields.known_24(set_so.fields, entry, answer.name)
        values = tuple((name.removeprefix("ldap:"), value) for name, value in of_entry.items())
        names = tuple(one.name for one in set_so.fields if one.name not in entryfields.PASSWORDS)
    return Record(Outcome.FOUND, answer.name, fields=names, values=values, bind_as=answer.name)


def _names(values: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    return tuple(name for name, _ in values)


def _several(set_so: Directory, entry: entryfields.Values) -> str:
    """The password's attribute, where it has more values than the one that counts."""
    count = len(entry.get(set_so.attribute.lower(), ()))
    return f"{set_so.attribute} has {count} values, of which the first counts" if count > 1 else ""


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
