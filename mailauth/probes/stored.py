"""What is stored for the user: as scheme and parameters, never as it is."""

from contextlib import suppress
from dataclasses import replace

from mailauth import digits, hashes
from mailauth.dovecot.authconfig import OF_THE_SYSTEM, FileSource, Passdb, SqlSource
from mailauth.dovecot.variables import used
from mailauth.errors import CannotObserve
from mailauth.evidence import (
    Made,
    NotApplicable,
    OpenDoors,
    StoredColumn,
    StoredHash,
    StoredText,
    TodaysStrength,
)
from mailauth.evidence.stored import Door, Opens
from mailauth.hashes import Flaw, Hash, Password, Verdict, bare
from mailauth.hashes.damaged import Damage, Kind
from mailauth.hashes.notation import one_case
from mailauth.hashes.schemes import AS_TEXT, is_digest
from mailauth.hashes.strength import Level
from mailauth.probes import made
from mailauth.probes.crypt_library import lacks
from mailauth.probes.lookup import ask_sql, fill_for, parsed
from mailauth.probes.readers import reader_of
from mailauth.probes.scene import Case, Scene
from mailauth.probes.walk import WalkEntry
from mailauth.stores import passwd_file, query, schema
from mailauth.stores.databases import DATABASES
from mailauth.stores.store import Outcome, Record

_CHEAP = 0.01  # seconds: what is verified only to see whether the empty password matches
_FEW = 8  # characters of PLAIN-TRUNC that are too few


def observe_stored(case: Case, scene: Scene) -> StoredHash:
    source = f"{case.passdb.label}, {case.record.place}"
    length = len(case.record.stored)
    damage = _damage(case, scene)
    of = _made(case, scene, damaged=damage is not None)
    if isinstance(case.hash, Flaw):
        flaw = case.hash
        shown = hashes.shown(case.record.stored, default_scheme=case.passdb.default_scheme)
        named = shown[1:].partition("}")[0] if shown.startswith("{") else case.passdb.default_scheme
        memory = hashes.Memory()
        return StoredHash(
            *(source, shown, named, length, memory, flaw.reason, flaw.verdict, damage),
            passdb=case.passdb.number,
            made=of,
            of_system=case.passdb.driver in OF_THE_SYSTEM,
            only_blanks=_only_blanks(case, scene, damage),
            goes_on=_goes_on(case, scene) if damage and damage.kind is Kind.CUT else 0,
            behind=case.record.behind,
        )
    parsed = case.hash
    memory = hashes.hash_memory(parsed)
    seconds = parsed.scheme.seconds(parsed.params)
    return StoredHash(
        *(source, parsed.shown, parsed.scheme.name, length, memory, "", None, damage, seconds),
        passdb=case.passdb.number,
        made=of,
        of_system=case.passdb.driver in OF_THE_SYSTEM,
        only_blanks=_only_blanks(case, scene, damage),
    )


_OF_BLANKS = frozenset({Kind.BLANKS, Kind.PADDED, Kind.WRAPPED})


def _only_blanks(case: Case, scene: Scene, damage: Damage | None) -> bool:
    if damage is None or damage.kind not in _OF_BLANKS:
        return False
    record = replace(case.record, stored=case.record.stored.translate(None, b" \t\r\n"))
    one = replace(case, record=record, hash=parsed(record, case.passdb, scene.config))
    return isinstance(one.hash, Hash) and _damage(one, scene) is None


def _made(case: Case, scene: Scene, *, damaged: bool) -> Made | None:
    """What the damaged string is made of; of a text also, whether another column was meant."""
    source = case.passdb.source
    user = scene.looked_up
    as_text = isinstance(case.hash, Hash) and case.hash.scheme.stores_password
    if not isinstance(source, SqlSource) or not (damaged or as_text):
        return None
    fill = fill_for(scene, case.passdb, case.record)

    def ask(text: str) -> Record:
        return ask_sql(scene, case.passdb, source, lambda escape: fill(text, escape))

    def sound(record: Record) -> bool:
        found = _damage(replace(case, record=record, hash=parsed(record, case.passdb, scene.config)), scene)
        return found is None or found.kind is Kind.NO_PREFIX

    if text := made.constant(source, case.record.stored, ask, sound):
        return text
    other = made.column_of_something_else(source, case.record.stored, user)
    if other is None:
        return made.of(case.passdb, ask, sound) if damaged else None
    with suppress(CannotObserve):
        listed = ask_sql(
            scene, case.passdb, source, lambda escape: DATABASES[source.driver].schema.columns(other, escape)
        )
        return made.instead(source, listed, ask, sound)
    return None


def _goes_on(case: Case, scene: Scene) -> int:
    """The line after the user's, where a hash that was cut off goes on."""
    path, _, last = case.record.place.rpartition(":")
    number = digits.number(last)
    if not isinstance(case.passdb.source, FileSource) or number is None:
        return 0
    with suppress(OSError, CannotObserve):
        whole = passwd_file.goes_on(scene.dovecot.path(path), number, case.record.stored)
        record = replace(case.record, stored=whole)
        one = replace(case, record=record, hash=parsed(record, case.passdb, scene.config))
        return number + 1 if whole and _damage(one, scene) is None else 0
    return 0


def _damage(case: Case, scene: Scene) -> Damage | None:
    parsed = case.hash
    if isinstance(parsed, Hash) and (why := lacks(scene.dovecot, parsed)):
        return Damage(Kind.LIBC, why, mendable=False)
    if isinstance(parsed, Hash) and _plainly_sound(parsed, case, scene):
        return None
    from mailauth.hashes.nature import judged  # noqa: PLC0415 - 20 ms that a sound string need not

    user = scene.looked_up
    reader = reader_of(scene.config, case.passdb, noscheme=case.record.noscheme, user=user)
    return judged(case.record.stored, reader, scene.password).damage


def _plainly_sound(parsed: Hash, case: Case, scene: Scene) -> bool:
    """Nothing that the judge would say more of."""
    scheme = parsed.scheme
    of_any_length = scheme.library == "libsodium" or "salt" in scheme.options
    if scheme.stores_password or of_any_length or case.record.noscheme:
        return False
    if scene.password is not None and is_digest(parsed):
        return False  # the password may prove that the digest is another one
    return not one_case(parsed.payload)


_CUT = frozenset({Kind.CUT, Kind.ARGON2_SHORT})


def observe_column(scene: Scene) -> StoredColumn | NotApplicable:
    """What the schema says of the column, where the string was cut off, or may have lost its zeros."""
    (case,) = scene.cases
    if not _of_digits(case) and ((damage := _damage(case, scene)) is None or damage.kind not in _CUT):
        return NotApplicable(StoredColumn, "the stored string was not cut off")
    source = case.passdb.source
    if not isinstance(source, SqlSource):
        return StoredColumn(case.record.place, None, "", "", "", None)
    select = query.read(source.query)
    place = schema.column_of(select) if select else None
    if place is None:
        why = "which column the password comes from is not plain from the query"
        return StoredColumn(source.place, source.driver, "", "", "", None, why)
    asked = DATABASES[source.driver].schema
    try:
        record = ask_sql(scene, case.passdb, source, lambda escape: asked.declared(place, escape))
    except CannotObserve as problem:
        return StoredColumn(source.place, source.driver, place.table, place.column, "", None, str(problem))
    if record.outcome is not Outcome.FOUND:
        why = record.failure.says if record.failure else "the schema does not name the column"
        return StoredColumn(source.place, source.driver, place.table, place.column, "", None, why)
    declared = record.stored.decode("utf-8", "replace")
    return StoredColumn(
        f"the schema of {record.place}",
        source.driver,
        place.table,
        place.column,
        declared,
        schema.width(declared),
        widen=asked.widen(place),
        numeric=schema.numeric(declared),
    )


def _of_digits(case: Case) -> bool:
    """What is stored is a password that may have been another before a column of numbers took it."""
    plain = isinstance(case.hash, Hash) and case.hash.scheme.itself
    return plain and digits.are(case.record.stored.removeprefix(b"-"))


def observe_text(scene: Scene) -> StoredText:
    """Raises CannotObserve where what counts as the password itself may be a digest: a password tells."""
    (case,) = scene.cases
    source = f"{case.passdb.label}, {case.record.place}"
    if isinstance(case.hash, Flaw) or not case.hash.scheme.itself:
        return StoredText(source, "")
    if _damage(case, scene) is not None:
        return StoredText(source, "a hash that is taken for a password")
    text = bytes(case.hash.payload)
    if scene.password is not None or text != case.record.stored or not bare.like_a_digest(text):
        return StoredText(source, "the password itself")
    what = next((one.what for one in bare.likely(text)), "a digest that was cut off")
    how = "hex digits" if bare.hexed(text) else "base64"
    raise CannotObserve(
        f"{source}: the stored string counts as the password itself, and has the form of {what} in"
        f" {how}. If it is that, no password logs in, and its own text does. With the user's password (-p)"
        " this is decided."
    )


def observe_doors(scene: Scene) -> OpenDoors | NotApplicable:
    """What lets the user in besides the password."""
    if scene.road is None or not scene.road.entries:
        return NotApplicable(OpenDoors, "no entry was read")
    doors = [
        Door(Opens.ANY, entry.passdb.label, entry.record.place, _where_from(entry), field=True)
        for entry in scene.road.entries.values()
        if "nopassword" in entry.values and not entry.passdb.deny and not entry.passdb.master
        if not _compares(entry.passdb, scene) and not _passed_on(entry)
    ]
    for case in scene.cases:
        doors += [
            Door(opens, case.passdb.label, case.record.place, why) for opens, why in _opens(case, scene)
        ]
    return OpenDoors("the stored strings, as Dovecot takes them", tuple(doors))


def _where_from(entry: WalkEntry) -> str:
    """Who says nopassword."""
    passdb = entry.passdb
    if any(name == "nopassword" for name, _ in entry.record.values) and passdb.driver != "static":
        return f"{entry.record.place} has the field nopassword"
    return f"the block of {passdb.label} sets nopassword"


def _passed_on(entry: WalkEntry) -> bool:
    """Another server compares the password that the client sent.

    A proxy sends it on, unless the field pass has another one.  Source: src/login-common/client-common-auth.c
    of Dovecot 2.3.19.1, src/lib-auth-client/auth-proxy.c of 2.4.1.
    """
    return "proxy" in entry.values and "pass" not in entry.values


def _compares(passdb: Passdb, scene: Scene) -> bool:
    """The database compares the password: there is a row for the right one only."""
    source = passdb.source
    return isinstance(source, SqlSource) and "password" in used(source.query, scene.config.version.dialect)


def _opens(case: Case, scene: Scene) -> list[tuple[Opens, str]]:
    parsed = case.hash
    if isinstance(parsed, Flaw):
        return []
    name, as_text = parsed.scheme.name, parsed.scheme.stores_password
    if parsed.scheme.partly and (length := parsed.reads) is not None:
        if not length:
            return [(Opens.ANY, "PLAIN-TRUNC compares the first 0 characters")]
        if length < _FEW:
            return [(Opens.MANY, f"PLAIN-TRUNC compares the first {length} characters")]
    if parsed.scheme.seconds(parsed.params) < _CHEAP and not parsed.scheme.memory(parsed.payload).total:
        found = [
            _matches(parsed, text, scene.looked_up) for text in (b"", b"mailauth: no password of anyone")
        ]
        if all(found):
            return [(Opens.ANY, "it is compared with nothing that depends on the password")]
        if found[0]:
            what = "an empty password is stored" if as_text else "it is the hash of the empty password"
            return [(Opens.EMPTY, what)]
    damage = _damage(case, scene)
    if damage is not None and as_text and damage.scheme not in AS_TEXT:
        return [(Opens.ITSELF, f"a hash that is taken for {name}")]
    return []


def _matches(parsed: Hash, text: bytes, user: str) -> bool:
    return hashes.verify_hash(parsed, Password(text), user=user).verdict is Verdict.MATCH


def observe_strength(scene: Scene) -> TodaysStrength | NotApplicable:
    """How the hash stands against today's recommendations, if that was asked."""
    (case,) = scene.cases
    if not scene.audit:
        return NotApplicable(TodaysStrength, "asked by an audit only")
    if isinstance(case.hash, Flaw):
        return NotApplicable(TodaysStrength, "no password can match the stored string")
    found = case.hash.strength
    source = f"{case.passdb.label}, {case.record.place}"
    return TodaysStrength(source, found.level.value, found.says, found.level is Level.GOOD)
