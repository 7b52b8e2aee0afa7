"""Exchange the stored string of one entry, and be sure of it beforehand: for one user's login.

Of a table's entries the first one shows what a server makes of new strings; here each user is the first.
So a server that makes no trial of a change is left alone.
"""

import os

from mailauth.errors import Refused
from mailauth.records import dataclass
from mailauth.stores import directory_writes, dry_run, password_policy
from mailauth.stores.directory_table import NO_TRIAL, DirectorySource, linked
from mailauth.stores.directory_writes import Writing
from mailauth.stores.swaps import Row, Swap


@dataclass(frozen=True, slots=True)
class Exchanged:
    """``changed``: the entry, or its string, is another by now; ``why``: it does not take the new one."""

    changed: bool = False
    why: str = ""


def exchange(source: DirectorySource, name: str, old: bytes, new: bytes) -> Exchanged:
    """``name``: the entry's.  Written means read back.

    To be called where Dovecot lives, in its environment, and in a process made for it.
    Raises CannotObserve, and Refused with nothing changed.
    """
    attribute, place = source.attribute, source.directory.uris
    os.chdir("/")  # libldap reads an ldaprc where we stand
    with linked(source.directory) as link:
        if not dry_run.possible(link):
            raise Refused(f"{place}: {NO_TRIAL}.")
        policy, asserts = password_policy.there(link), directory_writes.asserts(link)
        work = Writing(link, attribute, trial=True, policy=policy, asserts=asserts)
        done = work.all([Swap(Row((name,), "", old), new)])
    if done.written:
        return Exchanged()
    return Exchanged(changed=bool(done.changed), why="; ".join(why for _, why in done.left))
