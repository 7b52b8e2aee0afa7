"""Before hashes are made on login: whether the passdbs can be written at all."""

from collections.abc import Iterator

from mailauth.dovecot.authconfig import AuthConfig, FileSource, Passdb, SqlSource
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.variables import OF_THE_CLIENT, used, written
from mailauth.errors import MailauthError, Refused, UsageError
from mailauth.migrate.where import Bind, of_directory, table_of
from mailauth.stores import query
from mailauth.stores.change import not_written
from mailauth.stores.swaps import Obstacle


def must_be_writable(
    dovecot: Installation, config: AuthConfig, length: int, bind: Bind | None = None
) -> list[str]:
    """What an administrator should know.  ``length``: characters of the new hashes.

    ``bind``: who writes to a directory; None: whom Dovecot asks as.

    Raises Refused, with all of it, where no passdb can be written, and UsageError.
    """
    if bind and not any(one.how for one in config.passdbs):
        raise UsageError(f"{config.file}: no passdb is a directory: leave out --bind-dn.")
    notes: list[str] = []
    stops: list[str] = []
    able = 0
    for passdb in config.passdbs:
        if passdb.deny or not (passdb.changeable or passdb.how):
            continue
        found = list(_of(dovecot, config, passdb, length, bind))
        stopped = [one.says for one in found if one.stops]
        able += not stopped
        stops += [f"{passdb.label}: {says}" for says in stopped]
        notes += [f"{passdb.label}: {one.says}" for one in found if not one.stops]
    if stops and not able:
        raise Refused(f"No user could be migrated. {'; '.join(stops)}. Nothing was changed.")
    return [f"{says}; its users are not migrated" for says in stops] + notes


def _of(
    dovecot: Installation, config: AuthConfig, passdb: Passdb, length: int, bind: Bind | None
) -> Iterator[Obstacle]:
    source = passdb.source
    assert source is None or isinstance(source, FileSource | SqlSource)
    if isinstance(source, SqlSource):
        dialect = config.version.dialect
        if query.without_scheme(source.query):
            yield Obstacle(
                "the query returns password_noscheme, and a new hash begins with {SCHEME}", stops=True
            )
            return
        select = query.read(source.query)
        if select is None or not query.simple(select):
            yield Obstacle(not_written(source, select).removesuffix("."), stops=True)
            return
        of_client = sorted(set(used(select.where, dialect)) & OF_THE_CLIENT)
        if of_client:
            names = ", ".join(written(name, dialect) for name in of_client)
            yield Obstacle(
                f"the password query decides by {names}, of which a report of a login says nothing"
            )
    try:
        asked = source or of_directory(dovecot, config, passdb, bind)
        table = table_of(dovecot, asked, reading=True)
    except MailauthError as why:
        yield Obstacle(str(why).rstrip("."), stops=True)
        return
    try:
        yield from table.obstacles(batches=False)
        if table.width is not None and length > table.width:
            yield Obstacle(
                f"{table.place} holds {table.width} characters, and a new hash has {length}: widen it first",
                stops=True,
            )
    except MailauthError as why:
        yield Obstacle(str(why).rstrip("."), stops=True)
    finally:
        table.close()
