"""The password is right and its hash fits, but the login still fails.

What you see
    A real login fails although the stored hash matches and the verifying process has room for it.
Why
    Something else refuses: the entry has allow_nets, nologin or another field that restricts it, a
    plugin or a policy server says no, or it is a cause that mailauth does not look for yet.
How we know
    The hash was verified here with the room that the process has, and the login was made for real.
What to do
    Read what Dovecot logs about it, with auth_verbose = yes; doveadm log find shows where.
"""

from mailauth.evidence import (
    CacheAnswer,
    LoginReply,
    Logins,
    LookedUp,
    Mechanisms,
    PasswordCheck,
    Running,
    UserInLog,
)
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import LOG_ERRORS, LOG_FIND, remedy
from mailauth.rules import cache_case, database_case, log_case
from mailauth.rules.mechanism_case import served

_NAMED = (
    *("CONF010", "CONF012", "CONF015", "CONF017", "CONF018", "HASH034", "USERDB001", "USERDB002"),
    *("USERDB003", "USERDB004", "USERDB005", "USERDB006"),
    *database_case.CAUSES,
)


@rule(
    "AUTH001",
    "The password is right, the hash fits, but the login fails",
    Severity.BLOCKS_LOGIN,
    yields_to=_NAMED,
    bears=Bears.NOTHING,
)
def fails_all_the_same(
    lookups: LookedUp,
    check: PasswordCheck,
    logins: Logins,
    cache: CacheAnswer,
    mechanisms: Mechanisms | None,
    log: UserInLog | None,
    running: Running | None,
) -> Problem | None:
    failed = [reply for reply in logins.replies if not reply.ok]
    if not check.lets_in or not failed or cache_case.refuses(check, logins, cache):
        return None
    if _by_what_cannot_be_served(failed, mechanisms) or (running and running.changed):  # AUTH003, CONF016
        return None
    if database_case.fails_beside(lookups, logins):  # DB012
        return None
    logged = log_case.of_all(log)
    codes = sorted({reply.code for reply in failed if reply.code})
    fields = sorted({name for answer in lookups.answers for name in answer.fields})
    return Problem(
        says=(
            f"{' and '.join(reply.way for reply in failed)} refused a password that matches"
            + (f" (code: {', '.join(codes)})." if codes else ".")
            + (f" The entry also has: {', '.join(fields)}." if fields else "")
            + (f" {logged}" if logged else "")
        ),
        because=(lookups, check, logins, *((log,) if log and logged else ())),
        certainty=Certainty.PROVEN,
        remedy=remedy(
            summary="Read what Dovecot logs about it, with auth_verbose = yes.",
            commands=(LOG_FIND, LOG_ERRORS),
        ),
    )


def _by_what_cannot_be_served(failed: list[LoginReply], mechanisms: Mechanisms | None) -> bool:
    """Whether the stored string cannot serve the mechanism that each used: AUTH003 says so."""
    names = {reply.mechanism for reply in failed}
    return mechanisms is not None and all(name and not served(name, mechanisms.schemes) for name in names)
