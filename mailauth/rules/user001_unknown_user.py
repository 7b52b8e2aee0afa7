"""No passdb knows the user.

What you see
    Every password fails.  The client gets the same answer as for a wrong password; the log says
    "unknown user", at default verbosity nothing.
Why
    The name that is looked up is not in any passdb: it was never added, or it is spelled otherwise; a query
    may ask for what it makes of the name (its hash, a part of it, other letters).  Where each domain has a
    passwd-file of its own, the domain has none, or the name has no domain.  Or the store has the name in
    another domain only: "Did you mean alice@example.org?".  In 2.4 two passdb blocks of one name are one
    passdb, which reads the file, or asks the query, of the later one only.
How we know
    Each passdb was asked, in Dovecot's order, with Dovecot's own query.
What to do
    Add the user, or look up the name that the store has.
"""

import re

from mailauth.dovecot.authconfig import SqlSource
from mailauth.dovecot.drivers import Question
from mailauth.dovecot.variables import OF_THE_NAME, used
from mailauth.evidence import (
    Configured,
    DirectoryAnswers,
    HidesRows,
    LookedUp,
    NearName,
    PassdbAnswer,
    Startup,
    UserName,
)
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.remedies import RELOAD, Setting, remedy
from mailauth.rules import passdb_case


@rule(
    "USER001",
    "No passdb knows the user",
    Severity.BLOCKS_LOGIN,
    yields_to=("CONF015", "DB016"),
    bears=Bears.UNKNOWN_USER,
    asks=Question.USER,
)
def unknown_user(
    name: UserName,
    lookups: LookedUp,
    directories: DirectoryAnswers | None,
    configured: Configured | None,
    startup: Startup | None,
) -> Problem | None:
    if name.refused or name.requested or not lookups.unknown or _said_elsewhere(lookups, directories):
        return None
    asked = f"{name.looked_up!r}"
    if name.looked_up != name.given:
        asked += f" (made of {name.given!r} by {_settings(configured, name)})"
    absent = [one for one in lookups.answers if one.absent]
    told = "; ".join(f"{one.passdb}: {one.absent} is not there" for one in absent)
    where = "the passdb that was asked" if len(lookups.answers) == 1 else "any of the passdbs that were asked"
    says = f"{asked} is not in {where}{f' ({told})' if told else ''}."
    made = [f"{one.passdb} was asked for {one.asked_for}" for one in lookups.answers if one.asked_for]
    if made:
        says += f" {'; '.join(made)}."
    summary, taken = "Add the user to the store, or use the name that the store has.", ""
    if absent and "@" not in name.looked_up and (needs := _of_domain(absent)):
        taken = name.given.partition("@")[2]
        says += f" The name has no domain{f' (of {taken!r} nothing is left)' if taken else ''}, and the path"
        says += f" needs one: {needs}."
        summary = "Log in as user@domain, or have Dovecot add a domain (auth_default_realm; 2.4:"
        summary += " auth_default_domain)."
    elif absent and len(absent) == len(lookups.answers):
        says += " A file that is not there is a domain that is not hosted here."
        summary = "Correct the domain in the name, or make the file of that domain."
    if nameless := _without_the_name(configured, lookups):
        says += f" {'; '.join(nameless)}."
        summary = "Correct the query: %u, or 2.4's %{user}, stands for the name that is looked up."
    if startup and (startup.one or startup.commented or startup.for_others):
        more, summary = _missing_passdb(startup)
        says += more
    if meant := _meant(lookups.other_domains):
        says += f" Did you mean {meant}?"
        summary = _as_meant(lookups.other_domains, name)
    hiding = [_hides(one) for one in lookups.hidden]
    if hiding:
        says = f"{says.removesuffix('.')}, as far as Dovecot's account sees: {'; '.join(hiding)}."
        summary = "Look as the table's owner or a superuser whether the row is there; what hides it shows"
        summary += f" {_shown(lookups.hidden[0])}. If it is, let this account see it; if not, add the user."
    return Problem(
        says=says,
        because=(name, lookups, *((startup,) if startup and startup.commented else ())),
        certainty=Certainty.LIKELY if hiding else Certainty.PROVEN,
        remedy=kept if taken and (kept := _with_its_domain(configured)) else Remedy(summary=summary),
    )


def _as_meant(others: tuple[NearName, ...], name: UserName) -> str:
    if any(one.name.strip().casefold() == name.looked_up.casefold() for one in others):
        return f"Store the user as {name.looked_up!r}, without other capitals and without blanks around it."
    return "Log in with the domain that the store has, or add the user to the store."


def _missing_passdb(startup: Startup) -> tuple[str, str]:
    """A passdb that the files have, and Dovecot does not: the sentence, and what to do."""
    if startup.one:
        summary = "Give each passdb block a name of its own, and its driver = ... inside; or add the user."
        return f" In the files, {passdb_case.of_one_name(startup)}.", summary
    if startup.for_others:
        told = "; ".join(
            f"protocol {protocol} {{ }} has a passdb ({driver}), {place}"
            for driver, protocol, place in startup.for_others
        )
        summary = (
            f"If the user is in that passdb, write it outside of protocol {startup.for_others[0][1]} {{ }},"
        )
        summary += " and reload; else add the user to the store, or use the name that the store has."
        return f" A login by another protocol does not ask these: {told}.", summary
    summary = f"If the user is in that passdb, take the # from {startup.commented[0].place}, and reload; else"
    summary += " add the user to the store, or use the name that the store has."
    told = passdb_case.not_included(startup)
    return f" These lines include a passdb, and are comments: {told}.", summary


def _settings(configured: Configured | None, name: UserName) -> str:
    changed = passdb_case.changed_by(configured, name) if configured else ()
    return " and ".join(changed) or "auth_username_format and similar settings"


def _with_its_domain(configured: Configured | None) -> Remedy | None:
    if configured is None:
        return None
    return remedy(
        summary="Have Dovecot leave the domain in the name.",
        config={
            "2.3": [Setting("auth_username_format", "%Lu")],
            "2.4": [Setting("auth_username_format", "%{user | lower}")],
        },
        file=configured.file,
        commands=(RELOAD,),
        careful="Every user is looked up so, also those whom Dovecot finds now.",
    )


def _said_elsewhere(lookups: LookedUp, directories: DirectoryAnswers | None) -> bool:
    """Whether another rule says more: USER004, USER007, USER014; of a directory LDAP003 and LDAP005."""
    if directories and any(one.alone for one in directories.answers):
        return True
    return bool(lookups.near or lookups.disabled or lookups.elsewhere or lookups.comparing or lookups.aliases)


def _meant(others: tuple[NearName, ...]) -> str:
    """The same name in the domains that the stores have, and which store."""
    stores: dict[str, list[str]] = {}
    for one in others:
        stores.setdefault(one.passdb, []).append(repr(one.name))
    return ", or ".join(f"{' or '.join(names)}, which {passdb} has" for passdb, names in stores.items())


def _without_the_name(configured: Configured | None, lookups: LookedUp) -> list[str]:
    """The queries that ask for everybody alike: a variable in them is another than was meant."""
    if configured is None:
        return []
    found = []
    dialect = configured.config.version.dialect
    asked = {one.number: one for one in lookups.answers}
    for passdb in configured.config.passdbs:
        query = passdb.source.query if isinstance(passdb.source, SqlSource) else ""
        answer = asked.get(passdb.number)
        if query and answer and not OF_THE_NAME & set(used(query, dialect)):
            place = answer.query or answer.source
            found.append(f"The password query of {passdb.label} ({place}) has no variable of the user's name")
    return found


def _hides(one: HidesRows) -> str:
    if one.security:
        says = f"row-level security is active on table {one.name} ({one.passdb})"
        return f"{says}, and hides each row that no policy permits"
    if one.name.endswith("()"):
        return f"{one.name} ({one.passdb}) is a function, whose own conditions can leave the row out"
    return f"{one.name} ({one.passdb}) is a view, whose own conditions can leave the row out"


def _shown(one: HidesRows) -> str:
    """The statement that shows what hides it."""
    if one.security:
        return f"psql's \\d {one.name.partition(' for ')[0]}"
    if one.name.endswith("()"):
        return f"psql's \\sf {one.name.removesuffix('()')}"
    if one.driver == "pgsql":
        return f"SELECT pg_get_viewdef('{one.name}')"
    return f"SHOW CREATE VIEW {one.name}" if one.driver == "mysql" else f".schema {one.name}"


_DOMAIN = re.compile(r"%[-.0-9]*[A-Z]*d(?![A-Za-z])|%[A-Z]*\{[^}]*\bdomain")


def _of_domain(absent: list[PassdbAnswer]) -> str:
    """The first path that has a variable of the domain."""
    return next((one.path for one in absent if _DOMAIN.search(one.path)), "")
