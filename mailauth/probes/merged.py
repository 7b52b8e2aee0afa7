"""The userdb fields of a login, as far as Dovecot takes them from elsewhere than a userdb's lookup.

What the passdbs bring along (userdb_uid, ...) is there before the userdbs are asked, and what these return is
put over it.  doveadm user asks the userdbs alone; so does LMTP.

Source: auth_request_set_field() and auth_request_userdb_callback(), src/auth/auth-request.c;
src/auth/userdb-{prefetch,static}.c of Dovecot 2.3.19.1 and 2.4.1.
"""

from collections.abc import Iterator

from mailauth.dovecot.authconfig import FileSource, Passdb
from mailauth.dovecot.variables import expand, values
from mailauth.errors import CannotObserve
from mailauth.evidence import End, Said
from mailauth.probes.scene import Scene
from mailauth.stores.store import Record

_PREFIX = "userdb_"
WANTED = frozenset({"uid", "gid", "home", "mail", "mail_path", "mail_driver"})
_IF_UNSET = (":protected", ":default")  # 2.3 and 2.4

Fields = dict[str, str]


def of_passdbs(scene: Scene, end: End) -> Fields | None:
    """What the passdbs that let the user in bring along, without userdb_; None where they bring nothing.

    Raises CannotObserve for what cannot be worked out.
    """
    assert scene.road
    found: Fields = {}
    any_at_all = False
    for step in end.steps:
        if step.said not in (Said.OK, Said.NEXT):
            continue
        entries = [one for (number, _, _), one in scene.road.entries.items() if number == step.number]
        for name, value in _all(scene, end.user, entries[-1].passdb, entries[-1].record) if entries else ():
            any_at_all = True
            _put(found, name, value)
    return found if any_at_all else None


def _all(scene: Scene, user: str, passdb: Passdb, record: Record) -> Iterator[tuple[str, str]]:
    """The userdb_ fields of one passdb, in the order in which they are set."""
    known = variables_of(scene, user)
    dialect = scene.config.version.dialect
    is_file = isinstance(passdb.source, FileSource)
    store = "passwd_file" if is_file else "ldap" if passdb.driver == "ldap" else "sql"
    come = [(name, value, is_file) for name, value in record.values]
    before = [(name, value, True) for name, value in passdb.set_before(dialect)]
    after = [(name, value, True) for name, value in passdb.override_fields]
    known |= {f"{store}:{name}": value for name, value in record.values}
    for name, value, template in (*before, *(come if passdb.import_all else ()), *after):
        if name.startswith(_PREFIX):
            short = name.removeprefix(_PREFIX)
            if short == "userdb_import":
                raise CannotObserve("the passdb returns userdb_userdb_import, which mailauth does not read.")
            wanted = template and short.partition(":")[0] in WANTED
            yield short, expand(value, known, dialect) if wanted else value


def of_static(scene: Scene, user: str, brought: Fields | None) -> Fields:
    """What a static userdb returns to a login: it asks nobody.  Raises CannotObserve."""
    found: Fields = dict(brought or {})
    known = variables_of(scene, user)
    for userdb in scene.config.userdbs:
        for name, value in userdb.sets:
            if name.partition(":")[0] in WANTED:
                _put(found, name, expand(value, known, scene.config.version.dialect))
    return found


def _put(found: Fields, name: str, value: str) -> None:
    for suffix in _IF_UNSET:
        if name.endswith(suffix):
            found.setdefault(name.removesuffix(suffix), value)
            return
    if name.endswith(":remove"):
        found.pop(name.removesuffix(":remove"), None)
    else:
        found[name] = value


def variables_of(scene: Scene, user: str) -> dict[str, str]:
    """The variables of a userdb's lookup."""
    assert scene.names
    return values(
        user,
        original=scene.names.given,
        service=scene.service,
        dialect=scene.config.version.dialect,
        address=scene.address,
    )


def mail_place(scene: Scene, user: str, fields: Fields) -> str:
    """The mail's place for these fields; "" where that cannot be worked out.

    The setting's variables are put in, and those of a field are not: mail = %h/Maildir is a folder of that
    name (measured, 2.3.19.1).
    """
    name = "mail_location" if scene.config.version.dialect == "2.3" else "mail_path"
    own = fields.get("mail") or fields.get("mail_path")
    known = variables_of(scene, user) | {"home": fields.get("home", "")}
    try:
        return own or expand(scene.config.tree.get(name), known, scene.config.version.dialect)
    except CannotObserve:
        return ""
