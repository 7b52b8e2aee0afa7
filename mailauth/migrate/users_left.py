"""Every user of the passdbs, and whether the next login makes the row's hash again."""

from mailauth.dovecot.site import read_config
from mailauth.errors import MailauthError
from mailauth.hashes import Flaw
from mailauth.hashes.nature import parsed_by
from mailauth.migrate.alike import Decider
from mailauth.migrate.apply import pages
from mailauth.migrate.decide import Wishes
from mailauth.migrate.goal import Goal, reached
from mailauth.migrate.onlogin import OnLogin, dovecot_of
from mailauth.migrate.users_out import Each
from mailauth.migrate.where import Where, of_passdb, opened_whole
from mailauth.stores.swaps import Row

_PAGE = 25_000
THERE, WAITS, BROKEN, NONE = "has the new scheme", "left", "broken", "no password"


def told(settings: OnLogin, each: Each) -> list[str]:
    """Call ``each`` for every row.  Which passdbs cannot be listed, and why.  Raises UsageError."""
    dovecot = dovecot_of(settings)
    config, problems = read_config(dovecot), []
    for passdb in config.passdbs:
        if passdb.deny or not passdb.changeable:
            continue
        try:
            bind = settings.bind if passdb.how else None
            _rows(of_passdb(dovecot, config, passdb.number, None, bind=bind), settings.goal, each)
        except MailauthError as why:
            problems.append(f"{passdb.label}: {why}")
    return problems


def _rows(where: Where, goal: Goal, each: Each) -> None:
    table = opened_whole(where, reading=True)
    try:
        decider = Decider(Wishes((), goal, where.reader))
        for rows in pages(table, None, _PAGE):
            for row in rows:
                each(row.user, *_of(row, decider, goal))
    finally:
        table.close()


def _of(row: Row, decider: Decider, goal: Goal) -> tuple[str, str, str, str]:
    if row.stored is None:
        return NONE, "", "", ""
    found = decider.decide(row.stored)
    if found.broken:
        return BROKEN, found.before, "", found.broken
    parsed = parsed_by(decider.wishes.reader, row.stored)
    there = not isinstance(parsed, Flaw) and reached(parsed, goal)
    return (THERE if there else WAITS), found.before, "", ""
