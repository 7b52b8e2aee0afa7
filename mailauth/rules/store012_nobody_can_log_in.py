"""Nobody can log in from this store: it has no row, or none of its rows has a password.

What you see
    Every login fails.  The log says "unknown user" for each of them, or "No password returned (and no
    nopassword)".
Why
    The table was emptied or restored without its rows, the query, the path or the filter names another place
    than that of the users, or the attribute or column that it names as the password is empty in every row:
    userPasswd for userPassword, say.  A directory answers a misspelled attribute without an error.
How we know
    All rows were counted, as Dovecot's own user reads them.  Of a directory this is said only where its
    filter shows all entries that a login can find.
What to do
    Let the passdb name the place and the attribute or column of the passwords; or restore the rows.

A new passwd-file without users, where no other passdb is, is a risk; an empty store beside another passdb
that has users is not reported.  Fields such as nopassword in the passdb or its query need no password.
"""

from mailauth.counted import counted
from mailauth.dovecot.authconfig import SqlSource
from mailauth.evidence import Configured, Surveyed, Surveys
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, Trait, rule

# With these a passdb verifies no password
_WITHOUT_PASSWORD = frozenset({"EXTERNAL", "ANONYMOUS", "GSSAPI", "GSS-SPNEGO", "OAUTHBEARER", "XOAUTH2"})


@rule(
    "STORE012",
    "Nobody can log in from this store",
    Severity.BLOCKS_LOGIN,
    bears=Bears.ROWS,
    watch="rows",
    traits=[Trait.SOUND_ROWS],
)
def nobody_can_log_in(configured: Configured, surveys: Surveys) -> Problem | None:
    alone = surveys.let_nobody_in
    found = [
        one
        for one in surveys.stores
        if one.lets_nobody_in and _for_passwords(configured, one) and (alone or _expected(configured, one))
    ]
    if not found:
        return None
    new = all(one.passdb.driver == "passwd-file" for one in found)  # a server that has no users yet
    told = " ".join(f"{one.passdb.label}, {one.survey.place}: {_says(one)}." for one in found)
    return Problem(
        says=f"{told} {'Nobody can log in.' if alone else 'Only other passdbs let users in.'}",
        because=(surveys, configured),
        certainty=Certainty.LIKELY,
        remedy=Remedy(summary=" ".join(dict.fromkeys(_advice(one) for one in found))),
        severity=None if alone and not new else Severity.RISK,
    )


def _for_passwords(configured: Configured, one: Surveyed) -> bool:
    named = configured.config.mechanisms or ("PLAIN",)
    return any(one.passdb.takes(each) for each in named if each not in _WITHOUT_PASSWORD)


def _expected(configured: Configured, one: Surveyed) -> bool:
    """Whether users are to log in by it beside other passdbs; some only add fields to what these answer."""
    earlier = [each for each in configured.config.passdbs if each.number < one.passdb.number]
    goes_on = any(each.result_success.startswith("continue") for each in earlier)
    return one.survey.rows > 0 and one.passdb.skip == "never" and not goes_on


def _says(one: Surveyed) -> str:
    if not one.survey.rows:
        return "it has no row"
    if one.survey.rows == 1:
        return "its only row has no password"
    return f"none of its {counted(one.survey.rows, 'row')} has a password"


def _advice(one: Surveyed) -> str:
    if one.passdb.driver == "passwd":
        return "The hashes are in /etc/shadow, which passdb passwd does not read: use passdb pam."
    source = one.passdb.source
    place = source.query_place or source.place if isinstance(source, SqlSource) else ""
    where = place or one.passdb.place_of("args", "passwd_file_path", "passdb_ldap_filter", "ldap_base")
    by = f"what {where} names" if where else "what the passdb names"
    if not one.survey.rows:
        return f"Compare {by} with the place where the users are; if it is right, add or restore the users."
    return f"Compare {by} as the password with what the entries have; if it is right, set the passwords."
