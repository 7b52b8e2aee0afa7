"""PostgreSQL takes the word user in the query for its role, not for a column.

What you see
    Nobody can log in, and the log says "unknown user" of everybody; or all log in as one user, whose name
    is that of the database's account.
Why
    user is a reserved word of PostgreSQL's, and means the account that is connected, as CURRENT_USER does.
    A column of that name is meant only in quotes ("user"), or behind its table's name (users.user).
    MariaDB and SQLite take the bare word for the column.
    Source: https://www.postgresql.org/docs/17/functions-info.html, and its appendix of key words.
How we know
    The query, as it is configured, has the bare word outside of quotes, and the driver is pgsql.
What to do
    Write "user" for the column, or give the column another name.
"""

from collections.abc import Iterator

from mailauth.dovecot.authconfig import Passdb, SqlSource, Userdb
from mailauth.evidence import Configured
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.stores.query import bare_user


@rule(
    "DB016",
    "PostgreSQL takes the word user in the query for its own role",
    Severity.BLOCKS_LOGIN,
    bears=Bears.DATABASE,
    watch="server",
)
def role_for_a_column(configured: Configured) -> Problem | None:
    found = list(_queries(configured))
    if not found:
        return None
    compared = any(in_condition for _, _, in_condition in found)
    says = "; ".join(
        f"{label}, {place}: the query {_compares(in_condition)}" for label, place, in_condition in found
    )
    where = ", ".join(dict.fromkeys(place for _, place, _ in found))
    return Problem(
        says=f'{says}. The column is meant by "user", in double quotes.',
        because=(configured,),
        certainty=Certainty.PROVEN,
        remedy=Remedy(summary=f'Put double quotes around the column in the query ({where}): "user".'),
        severity=None if compared else Severity.RISK,
    )


def _compares(in_condition: bool) -> str:
    if in_condition:
        return "compares with the name of the database account that Dovecot uses, not with a column"
    return "selects the name of the database account that Dovecot uses: every login goes on under that name"


def _queries(configured: Configured) -> Iterator[tuple[str, str, bool]]:
    """Who asks, where the query is set, and whether its condition has the word."""
    config = configured.config
    askers: tuple[Passdb | Userdb, ...] = (*config.passdbs, *config.userdbs)
    for asker in askers:
        source = asker.source
        if isinstance(source, SqlSource) and source.driver == "pgsql":
            selected, compared = bare_user(source.query)
            if selected or compared:
                yield asker.label, source.query_place or source.place, compared
