"""The store has the user under a name that is spelled otherwise.

What you see
    Every password fails for this user, and often for all whose name has a capital, or a domain.  The
    log says "unknown user".
Why
    Dovecot changes the name before the lookup: auth_username_format makes it lower case by default, and
    can take the domain off; auth_default_realm (2.4: auth_default_domain) adds one, and
    auth_username_translation puts other characters into it.  passwd-file, PostgreSQL and SQLite compare
    exactly; so the same letters in another form of Unicode (composed or not), or a domain in Unicode and in
    ASCII (xn--), are two names.  Or the file has two password queries: the last one counts.
How we know
    No passdb knows the name that Dovecot looks up, and one was asked, by the same query or in the same
    file, and knows one that differs in case, domain, or blanks around it only.
What to do
    Store the name as it is looked up, or have Dovecot look up the name that the store has.
"""

from contextlib import suppress

from mailauth.dovecot.username import normalise
from mailauth.dovecot.version import Dialect
from mailauth.errors import CannotObserve
from mailauth.evidence import Configured, LookedUp, NearName, UserName
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.remedies import RELOAD, Part, Setting, remedy
from mailauth.rules import passdb_case


@rule(
    "USER004",
    "The store has the user under another spelling of the name",
    Severity.BLOCKS_LOGIN,
    bears=Bears.ENTRY,
)
def other_spelling(configured: Configured, name: UserName, lookups: LookedUp) -> Problem | None:
    if name.refused or name.requested or not lookups.unknown or not lookups.near:
        return None
    near = lookups.near[0]
    if near.misread:
        return None
    if near.overruled:
        return Problem(
            says=f"{near.passdb}: the query at {near.place} finds {name.looked_up!r}, and {near.overruled}"
            " sets the query again: only the last one counts, and that finds nobody.",
            because=(name, lookups, configured),
            certainty=Certainty.PROVEN,
            remedy=Remedy(summary="Keep the right query, and remove the other one; then reload."),
        )
    changed = passdb_case.changed_by(configured, name)
    made = f", made of {name.given!r}" if name.given != name.looked_up else ""
    made += f" by {' and '.join(changed)}" if made and changed else ""
    made += "".join(f" ({one.passdb} asked for {one.asked_for})" for one in lookups.answers if one.asked_for)
    if near.wanted:
        made += f" ({near.passdb} asks for {near.wanted!r}, by its own format of the name)"
    has = "it with blanks or an end of line around it" if near.blanks else repr(near.name)
    has += f", the same name {near.form}" if near.form else ""
    others = _domains(lookups, name, near)
    if near.in_a_domain:
        has = "it in a domain, and the name that is looked up has none"
        has += f": did you mean {' or '.join(map(repr, others))}" if others else ""
    elif len(others) > 1:
        has = f"it in several domains: {', '.join(map(repr, others))}"
    return Problem(
        says=f"Dovecot looks up {name.looked_up!r}{made}; {near.passdb} ({near.place}) has {has}.",
        because=(name, lookups, configured),
        certainty=Certainty.PROVEN,
        remedy=_of_the_lookup(lookups, name, near)
        or (_with_a_domain() if len(others) > 1 else _remedy(configured, name, near)),
    )


def _domains(lookups: LookedUp, name: UserName, near: NearName) -> list[str]:
    """The names in domains that this store has, where one without a domain is looked up."""
    if "@" in name.looked_up or not (near.in_a_domain or "@" in near.name):
        return []
    return [one.name for one in lookups.other_domains if one.passdb == near.passdb]


def _with_a_domain() -> Remedy:
    return Remedy(
        summary="Log in as user@domain, or have Dovecot add a domain (auth_default_realm; 2.4:"
        " auth_default_domain)."
    )


def _of_the_lookup(lookups: LookedUp, name: UserName, near: NearName) -> Remedy | None:
    """Where the lookup itself makes another name of it, or needs a part that the name does not show."""
    for one in lookups.answers:
        if one.passdb == near.passdb and one.asked_for:
            texts = " and ".join(text for text, _ in one.altered)
            place = one.query or one.passdb
            return Remedy(summary=f"Store the user as asked for, or correct {texts} in {place}.")
    user, _, domain = name.looked_up.partition("@")
    if domain and near.name == user and any("%" in one.path for one in lookups.answers):
        return Remedy(
            summary=f"Call the line {name.looked_up!r}, or have this passdb look up the part before the @:"
            " username_format=%n in its args (2.4: auth_username_format = %{user | username} in its block)."
        )
    return None


def _realm(domain: str) -> dict[Dialect, list[Part]]:
    return {
        "2.3": [Setting("auth_default_realm", domain)],
        "2.4": [Setting("auth_default_domain", domain)],
    }


def _remedy(configured: Configured, name: UserName, near: NearName) -> Remedy:
    if near.wanted:
        return Remedy(
            summary=f"Call the line {near.wanted!r}, or correct the passdb's own format of the name:"
            " username_format in its args (2.4: auth_username_format in its block)."
        )
    if near.in_a_domain:
        return _with_a_domain()
    if near.blanks:
        return Remedy(summary=f"Store the user as {name.looked_up!r}: remove the blanks (SQL: TRIM).")
    if near.form:
        return Remedy(
            summary=f"Log in with the name {near.form}, or store the user as the client sends it: Dovecot"
            " compares the bytes of names, and changes none of this."
        )
    careful = "Every user is looked up so, also those whom Dovecot finds now."
    _, at, domain = near.name.partition("@")
    if near.name == name.given:
        changed = passdb_case.changed_by(configured, name)
        if char := _refused_then(configured, name, changed):
            return Remedy(
                summary=f"Store the user as {name.looked_up!r}; or empty auth_username_translation, and add"
                f" {char!r} to auth_username_chars, which does not allow it: then the name stays as given."
            )
        return remedy(
            summary=_UNCHANGED.get(changed, "Have Dovecot look the name up as it is given."),
            config={"2.3": _unset(changed, "2.3"), "2.4": _unset(changed, "2.4")},
            file=configured.file,
            commands=(RELOAD,),
            careful=careful,
        )
    added = bool(configured.config.default_realm) and "@" not in name.given
    if at and near.name in {
        f"{one}@{domain}" for one in (name.looked_up, name.given if added else "") if one and "@" not in one
    }:
        return remedy(
            summary=f"Log in as {near.name}, or have Dovecot add this domain.",
            config=_realm(domain),
            file=configured.file,
            commands=(RELOAD,),
            careful=careful,
        )
    login = f", or log in as {near.name!r}" if _looked_up_so(configured, near.name) else ""
    return Remedy(summary=f"Store the user as {name.looked_up!r}{login}.")


_NONE: dict[Dialect, dict[str, str]] = {  # where no value at all is not the way to leave the name alone
    "2.3": {"auth_username_format": "%u"},
    "2.4": {"auth_username_format": "%{user}"},
}


def _unset(settings: tuple[str, ...], dialect: Dialect) -> list[Part]:
    return [Setting(one, _NONE[dialect].get(one, "")) for one in settings]


_UNCHANGED: dict[tuple[str, ...], str] = {
    ("auth_default_realm",): "Have Dovecot add no domain.",
    ("auth_default_domain",): "Have Dovecot add no domain.",
    ("auth_username_translation",): "Have Dovecot leave the characters of the name as they are.",
}


def _refused_then(configured: Configured, name: UserName, changed: tuple[str, ...]) -> str:
    """The character of the name that is refused once auth_username_translation does not replace it."""
    if "auth_username_translation" not in changed:
        return ""
    allowed = configured.config.username_chars
    return next((char for char in name.given if allowed and char not in allowed), "")


def _looked_up_so(configured: Configured, name: str) -> bool:
    """Whether who types this name is looked up by it: the format may make it lower case."""
    with suppress(CannotObserve):
        return normalise(name, configured.config, "imap").looked_up == name
    return False
