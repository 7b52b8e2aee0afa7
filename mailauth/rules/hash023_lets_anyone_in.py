"""Whoever knows the name can log in, or nearly so.

What you see
    Any password logs in, or any with the same beginning.  Nobody complains.
Why
    The field nopassword tells Dovecot not to compare, whatever its value is: on 2.4 beside any password
    (a hash next to it is not looked at), on 2.3 beside none, or where Dovecot reads it first (passdb
    static, a column before the password, default_fields). {PLAIN-TRUNC}0- compares no characters;
    {PBKDF2} with 0 rounds and zeros computes nothing. A passdb's result_failure or result_internalfail of
    return-ok or continue-ok makes a login of what that passdb refuses. All of it measured on 2.3.19.1
    and 2.4.1.
How we know
    The entry's fields and the stored string, as Dovecot takes them; the passdbs, followed with a password
    that none of them takes.
What to do
    Remove the field or the setting, or set a password. If a proxy has verified the password before,
    the field is intended: then make sure that nobody else can reach this Dovecot.
"""

from mailauth.dovecot.authconfig import StaticSource
from mailauth.evidence import Configured, LookedUp, OpenDoors, Said
from mailauth.evidence.stored import Opens
from mailauth.finding import Bears, Certainty, Problem, Severity, StoreChange, rule
from mailauth.remedies import HASH_NEW, RELOAD, remedy
from mailauth.rules import passdb_case

_SENDING = ("PLAIN", "LOGIN")
# With these another server verifies, or not everybody gets in.
_OTHERWISE = frozenset(
    {"proxy", "proxy_maybe", "nologin", "allow_nets", "allow_real_nets", "fail", "noauthenticate", "user"}
)
_AWAY = "Take nopassword out of the entry, the query or the passdb's block."


@rule(
    "HASH023",
    "Any password logs in, or more than one",
    Severity.RISK,
    yields_to=("PAM003",),
    bears=Bears.ENTRY,
)
def lets_anyone_in(
    configured: Configured, doors: OpenDoors | None, lookups: LookedUp | None
) -> Problem | None:
    wrong = lookups.wrong if lookups else None
    # An earlier passdb may have to take the password before the field counts.
    shut = wrong is not None and not wrong.lets_in and not wrong.unseen
    open_doors = doors.which(Opens.ANY, Opens.MANY) if doors else ()
    found = tuple(door for door in open_doors if not (door.field and shut))
    if not doors or not found:
        if lookups and lookups.wrong:
            return _made_a_success(lookups, configured)
        return None if lookups is None or doors else _of_all_users(configured)
    field = any(door.field for door in found)
    return Problem(
        says="; ".join(f"{door.opens.value.capitalize()} logs in: {door.why}" for door in found) + ".",
        because=(doors,),
        certainty=Certainty.LIKELY,
        remedy=remedy(
            summary=_AWAY if field else "Set the password again.",
            commands=() if field else (HASH_NEW,),
            careful="Somebody may have logged in so: doveadm log find shows where the logins are.",
            store=None if field else StoreChange.NEW_PASSWORD,
        ),
    )


def _of_all_users(configured: Configured) -> Problem | None:
    """Whoever the user is: the first passdb is a static one that takes any password."""
    passdb = next((one for one in configured.config.passdbs if not one.deny and not one.master), None)
    if passdb is None or not isinstance(passdb.source, StaticSource) or passdb.source.password is not None:
        return None
    fields = {name for name, _ in (*passdb.source.fields, *passdb.default_fields, *passdb.override_fields)}
    asked = passdb.skip == "never" and not passdb.username_filter and passdb.result_success == "return-ok"
    offered = configured.config.mechanisms or ("PLAIN",)
    sent = any(one in offered and passdb.takes(one) for one in _SENDING)
    if "nopassword" not in fields or fields & _OTHERWISE or not asked or not sent:
        return None
    return Problem(
        says=f"Any password logs in, whoever the user is: the block of {passdb.label} sets nopassword.",
        because=(configured,),
        certainty=Certainty.LIKELY,
        remedy=remedy(
            summary=_AWAY,
            commands=(),
            careful="Somebody may have logged in so: doveadm log find shows where the logins are.",
        ),
    )


def _made_a_success(lookups: LookedUp, configured: Configured) -> Problem | None:
    """A passdb that refuses, and whose block makes that a success."""
    end = lookups.wrong
    if end is None or not end.lets_in:
        return None
    by = next((one for one in end.steps if one.number == end.decided_by and one.said is not Said.OK), None)
    passdb = next((one for one in configured.config.passdbs if by and one.number == by.number), None)
    if by is None or passdb is None or not (made := passdb_case.setting(passdb, by)):
        return None
    return Problem(
        says=f"Any password logs in: {by.passdb} says {by.said.value}, and {made} makes that a success.",
        because=(lookups, configured),
        certainty=Certainty.LIKELY,
        remedy=remedy(
            summary=f"Remove {made}, or write continue or return-fail there.",
            commands=(RELOAD,),
            careful="Somebody may have logged in so: doveadm log find shows where the logins are.",
        ),
    )
