"""Passwd-files that Dovecot cannot read: which passdb lets the user in all the same.  Pure: no I/O.

To Dovecot such a file is an internal failure of its passdb, and result_internalfail lets it go on: src/auth/
auth-request.c of 2.3.19.1 and 2.4.1.
"""

from collections.abc import Mapping

from mailauth.evidence import AuthFiles, Evidence, Fact, LookedUp, PasswordCheck
from mailauth.hashes import Verdict

_BOTH = 2


def without_files(lookups: LookedUp, facts: Mapping[type[Evidence], Fact]) -> str:
    """Who lets the user in where only files of other passdbs cannot be read, as a sentence; "" for nobody."""
    files, check = facts.get(AuthFiles), facts.get(PasswordCheck)
    given = check if isinstance(check, PasswordCheck) else None
    way = given.end if given and given.lets_in else lookups.right
    if not isinstance(files, AuthFiles) or way is None or not way.lets_in:
        return ""
    closed = {one.path for one in files.files if one.missing or one.stopped_by}
    places = {one.number: one.place.rpartition(":")[0] or one.place for one in lookups.answers}
    names = {one.number: one.passdb for one in lookups.answers}
    whole = {one.place for one in lookups.answers if one.failure}
    if not closed or way.decided_by not in places or not closed <= whole | set(places.values()):
        return ""
    if places[way.decided_by] not in closed:
        return f"{names[way.decided_by]} still lets the user in."
    # The user is in a file that cannot be read, and perhaps in another.
    other = dict(lookups.without).get(way.decided_by)
    if other is None or not other.lets_in or places.get(other.decided_by, "") in closed | {""}:
        return ""
    if given is None:  # whose password it is is not known
        return f"That holds for this passdb alone: a password that {names[other.decided_by]} takes logs in."
    both = given.verdicts.count(Verdict.MATCH) >= _BOTH
    return f"{names[other.decided_by]} still lets the user in." if both else ""
