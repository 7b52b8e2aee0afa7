"""A server that auth asks fails: LDAP, a database, an IMAP server, a policy server.

What you see
    Logins hang, or fail with "Temporary authentication failure" ([UNAVAILABLE]), whatever the password is.
    Where it is logged without a pause, LOG006 says so instead.
Why
    Dovecot's own connection to that server breaks, or the server refuses Dovecot's own bind.
How we know
    Dovecot logged it of the server, not of a user, since it last started or was reloaded.
What to do
    See that the server runs, and that Dovecot reaches it as it is set: address, port, TLS, account
    (LDAP: bind name) and password.
"""

import re
from datetime import datetime, timedelta

from mailauth.counted import times
from mailauth.dovecot.messages import LogKind
from mailauth.dovecot.ours import reports_to_on_login
from mailauth.evidence import Configured, DirectoryAnswers, LogTrouble, LogWindow, LookedUp
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule
from mailauth.rules import database_case, flood_case

_LATELY = timedelta(minutes=10)
_DATABASE = re.compile(r"(?:sqlpool|pgsql|mysql|sqlite)\b")  # asked just now, and it answered
_DIRECTORY = re.compile(r"ldap\(")  # likewise; LDAP001 says where it does not answer
_POLICY = re.compile(r"Policy server |Error reading policy server")
_NAMED = (*database_case.CAUSES, "DB005", "DB012", "AUTH014")


@rule("AUTH017", "A server that auth asks fails", Severity.RISK, yields_to=_NAMED, watch="workers")
def server_behind_fails(
    log: LogWindow,
    lookups: LookedUp | None,
    directories: DirectoryAnswers | None,
    configured: Configured | None,
) -> Problem | None:
    now, floods = datetime.now().astimezone(), flood_case.flooding(log)
    answers = lookups is not None and lookups.answers and not any(one.failure for one in lookups.answers)
    found = [
        one
        for one in (*log.all(LogKind.BACKEND), *filter(_of_policy, log.all(LogKind.TROUBLE)))
        if one not in floods
        and not (_DIRECTORY.match(one.text) and directories)
        and (one.last is None or now - one.last < _LATELY)
        and not (answers and _DATABASE.match(one.text))
    ]
    if not found:
        return None
    if configured and reports_to_on_login(configured.config.tree) and all(map(_of_policy, found)):
        return _on_login(log, found)
    return Problem(
        says=" ".join(_says(one, log) for one in found[:3]),
        because=(log,),
        certainty=Certainty.PROVEN,
        remedy=Remedy(
            summary=(
                "See that this server runs, that Dovecot reaches it as it is set (address, port, TLS),"
                " and that the account (LDAP: the bind name) and the password that Dovecot has are right."
            ),
        ),
    )


def _of_policy(one: LogTrouble) -> bool:
    return _POLICY.match(one.text) is not None


def _on_login(log: LogWindow, found: list[LogTrouble]) -> Problem:
    """Our own service: Dovecot goes on without it, and nobody gets a new hash."""
    return Problem(
        says="mailauth's own on-login is enabled, and its service does not answer: users log in, each after a"
        f" wait, and get no new hash. {' '.join(_says(one, log) for one in found[:1])}",
        because=(log,),
        certainty=Certainty.PROVEN,
        remedy=Remedy(
            summary="Start it (mailauth migrate on-login serve, or the unit that mailauth migrate on-login"
            " unit prints), or take it out: mailauth migrate on-login disable --apply."
        ),
    )


def _says(one: LogTrouble, log: LogWindow) -> str:
    meaning = f" ({one.says})" if one.says else ""
    return f"Dovecot says, {times(one.count)} since {log.begins}: {one.text}{meaning}."
