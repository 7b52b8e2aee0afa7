"""What Dovecot makes of a user name before it looks anyone up.

Source: Dovecot 2.3.19.1 and 2.4.1, src/auth/auth-request-fields.c (auth_request_fix_username).
"""

from dataclasses import replace

from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.variables import ExpandError, expand, values
from mailauth.records import dataclass


@dataclass(frozen=True, slots=True)
class UserNames:
    """The name as given, the name that is looked up, and the character that Dovecot refuses, if any.

    ``requested``: with a master user, the user whose mail is asked for; then ``looked_up`` is the master's.
    """

    given: str
    looked_up: str
    refused: str
    requested: str = ""


def normalise(given: str, config: AuthConfig, service: str) -> UserNames:
    """Default realm, translation, allowed characters, auth_username_format: in Dovecot's order.

    Raises CannotObserve when auth_username_format uses what mailauth does not expand.
    """
    requested, master = "", given
    if config.master_separator and config.master_separator in given:
        requested, _, master = given.partition(config.master_separator)
    user, refused = _fixed(master, config, service, original=master)
    if requested == user:
        requested = ""  # one who asks for his own mail: a user like any other
    if requested:
        requested, also_refused = _fixed(requested, config, service, original=master)
        refused = refused or also_refused
    return UserNames(given, user, refused, requested)


def changed_by(given: str, config: AuthConfig, service: str) -> tuple[str, ...]:
    """The settings without any one of which another name than now would be looked up.

    Raises CannotObserve as normalise() does.
    """
    realm = "auth_default_realm" if config.version.dialect == "2.3" else "auth_default_domain"
    without = {
        realm: replace(config, default_realm=""),
        "auth_username_translation": replace(config, username_translation=""),
        "auth_username_format": replace(config, username_format=""),
    }
    now = normalise(given, config, service).looked_up
    return tuple(one for one, other in without.items() if normalise(given, other, service).looked_up != now)


def to_type(logged: str, config: AuthConfig, service: str) -> str:
    """A name that a client may have sent where Dovecot logs this one; "" where none is plain.

    Dovecot logs what it makes of a name, and would make another one of that once more.  Raises CannotObserve
    as normalise() does.
    """
    pairs = config.username_translation
    back = {ord(pairs[i + 1]): pairs[i] for i in range(0, len(pairs) - 1, 2)}
    local = logged.partition("@")[0]
    for given in dict.fromkeys((logged, logged.translate(back), local, local.translate(back))):
        names = normalise(given, config, service)
        if names.looked_up == logged and not names.refused and not names.requested:
            return given
    return ""


def _fixed(name: str, config: AuthConfig, service: str, *, original: str) -> tuple[str, str]:
    """What Dovecot makes of a name, and the first character that it refuses."""
    user = f"{name}@{config.default_realm}" if config.default_realm and "@" not in name else name
    pairs = config.username_translation
    table = {ord(pairs[i]): pairs[i + 1] for i in range(0, len(pairs) - 1, 2)}
    user = user.translate(table)
    allowed = config.username_chars
    refused = next((char for char in user if allowed and char not in allowed), "")
    if config.username_format:
        dialect = config.version.dialect
        known = values(user, original=original, service=service, dialect=dialect)
        try:
            user = expand(config.username_format, known, dialect, version=config.version)
        except ExpandError as why:
            if dialect == "2.4":  # the name is empty then, and refused
                raise
            user = why.text
    return user, refused
