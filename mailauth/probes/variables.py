"""Find the templates of lookups that have variables of the other dialect, and the lines they stand on."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mailauth.dovecot import conf, conffiles
from mailauth.dovecot.authconfig import AuthConfig, FileSource, Passdb, SqlSource, Userdb
from mailauth.dovecot.templates import misread, rewritten
from mailauth.dovecot.variables import OF_THE_CLIENT, ExpandError, expand, values
from mailauth.errors import CannotObserve
from mailauth.evidence import MisreadVariable, UnknownVariable, Variables
from mailauth.probes.scene import Scene

_FORMAT = "auth_username_format"


def templates(config: AuthConfig) -> Iterator[tuple[str, str]]:
    """What Dovecot puts variables into when it looks a user up: who asks, and the text."""
    yield _FORMAT, config.username_format
    for passdb in config.passdbs:
        for text in _texts(passdb):
            yield passdb.label, text
    for userdb in config.userdbs:
        for text in (*_texts(userdb), *userdb.fields):
            yield userdb.label, text


def _texts(database: Passdb | Userdb) -> Iterator[str]:
    source = database.source
    if isinstance(source, SqlSource):
        yield source.query
    elif isinstance(source, FileSource):
        yield source.path
        # 2.4 gives each passwd-file the global format
        if source.username_format != "%u":
            yield source.username_format


def misread_by(config: AuthConfig) -> tuple[MisreadVariable, ...]:
    """The templates that this Dovecot misreads, without the places where they stand."""
    dialect = config.version.dialect
    found = {}
    for where, text in templates(config):
        if (names := misread(text, dialect)) and text not in found:
            found[text] = MisreadVariable(where, names, old=text)
    return tuple(found.values())


def observe_variables(scene: Scene) -> Variables:
    """Each misread template with the line that has it; no line where the files cannot be read."""
    config = scene.config
    found, unknown = misread_by(config), unknown_to(config)
    if not found and not unknown:
        return Variables("doveconf -a", ())
    settings = tuple(_settings(scene))
    return Variables(
        "doveconf -a",
        tuple(_placed(one, settings, scene) for one in found),
        tuple(
            replace(one, place=next((s.place for s in reversed(settings) if text in s.value), ""))
            for text, one in unknown.items()
        ),
    )


def unknown_to(config: AuthConfig) -> dict[str, UnknownVariable]:
    """By its text, each template that this Dovecot cannot expand for anybody.

    Those with variables of the other dialect are ``misread_by``'s.
    """
    dialect = config.version.dialect
    anybody = values("u@d", original="u@d", service="imap", dialect=dialect)
    known = anybody | dict.fromkeys((*OF_THE_CLIENT, *_GIVEN), "1") | {"env:": "", "home": ""}
    found: dict[str, UnknownVariable] = {}
    for where, text in templates(config):
        if misread(text, dialect):
            continue
        try:
            expand(text, known, dialect, version=config.version)
        except ExpandError as why:
            if why.always:
                found[text] = UnknownVariable(where, why.says, name=why.unknown)
        except CannotObserve:
            continue
    return found


# What a lookup is given beside; the fields that drivers hand on are known only then
_GIVEN = (
    "password",
    "id",
    "hostname",
    "uid",
    "gid",
    "sql:",
    "passwd_file:",
    "ldap:",
    "lua:",
    "passwd:",
    "pam:",
)


def _settings(scene: Scene) -> Iterator[conf.Setting]:
    """Every setting of the files: the configuration's, and 2.3's SQL files'."""
    config = scene.config
    files = [config.file]
    files += [one.source.place for one in config.passdbs if isinstance(one.source, SqlSource)]
    files += [one.source.place for one in config.userdbs if isinstance(one.source, SqlSource)]
    for file in dict.fromkeys(name for name in files if name.startswith("/")):
        try:
            tree = conffiles.read(Path(file), scene.dovecot.path, ext=file != config.file)
        except CannotObserve:
            continue
        for block in tree.walk():
            yield from block.settings


def _placed(one: MisreadVariable, settings: tuple[conf.Setting, ...], scene: Scene) -> MisreadVariable:
    """``one`` with its line; the last line that has the text is the one that counts."""
    text, dialect = one.old, scene.config.version.dialect
    place = next((s for s in reversed(settings) if text and text in s.value), None)
    if place is None:
        return MisreadVariable(one.where, one.variables)
    try:
        lines = scene.dovecot.read(place.file).split("\n")
        old = lines[place.line - 1].strip()
    except (OSError, IndexError):
        return MisreadVariable(one.where, one.variables)
    if place.last > place.line:  # more than one line
        return MisreadVariable(one.where, one.variables, place.file, place.line)
    return MisreadVariable(one.where, one.variables, place.file, place.line, old, rewritten(old, dialect))


def cannot_look_up(config: AuthConfig) -> str:
    """Why Dovecot itself cannot make the lookup, as a sentence; "" where it can, or one passdb can."""
    misread = {one.where for one in misread_by(config)}
    asked = [one.label for one in config.passdbs if not one.master]
    if _FORMAT in misread or (asked and misread.issuperset(asked)):
        return "the lookup has variables that this Dovecot does not take for any"
    return ""
