"""What Dovecot makes of what an endpoint, or a JSON web token itself, says of a token.

Source: Dovecot 2.3.19.1 and 2.4.1 src/auth/db-oauth2.c (db_oauth2_process_fields() and what it calls) and
src/lib-oauth2/oauth2-request.c (oauth2_request_parse_json(), oauth2_request_continue()).
"""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from mailauth import digits
from mailauth.dovecot.json_objects import loaded
from mailauth.dovecot.oauth2 import OAuth2
from mailauth.errors import CannotObserve
from mailauth.records import dataclass

Fields = dict[str, str]
_OK, _REFUSED = 2, 4  # the hundreds of the HTTP status that Dovecot reads the answer of
_MOST = 2**32  # of expires_in: str_to_uint32()
_SHOWN = 200  # characters of an endpoint's own words


class TokenFault(Enum):
    """At what a token fails."""

    MECHANISM = "auth does not offer the mechanism"
    ENDPOINT = "the endpoint cannot be used"
    CLIENT = "the endpoint refuses Dovecot's question"
    INVALID = "the endpoint does not know the token"
    INACTIVE = "the token is not active"
    ATTRIBUTE = "the attribute with the user's name is missing"
    OTHER_USER = "the token is another user's"
    SCOPE = "the token has not the scope"
    EXPIRED = "the token has expired"
    EARLY = "the token is not valid yet"
    ISSUER = "the token's issuer is not allowed"
    AUDIENCE = "the token is not for Dovecot's client_id"
    FORM = "it is no token that Dovecot reads"
    KEY = "the key cannot be used"
    SIGNATURE = "the signature is wrong"


@dataclass(frozen=True, slots=True)
class TokenTold:
    """``fault``: None where the token is taken.  ``says`` has no secret.

    ``internal``: to Dovecot it is a failure of the server's.  ``ends``: no later passdb is asked.  ``sure``:
    nothing that auth keeps from before can make it another answer.
    """

    fault: TokenFault | None
    says: str
    internal: bool = False
    ends: bool = False
    sure: bool = True


@dataclass(frozen=True, slots=True)
class HttpSaid:
    """What an endpoint answered.  ``problem``: why it did not.  The body may hold anything."""

    status: int = 0
    body: bytes = b""
    problem: str = ""


def scalar(value: Any, name: str) -> str | None:
    """As text; None for a list or an object.  Raises CannotObserve for null."""
    if value is None:
        raise CannotObserve(f"its {name} is null, which Dovecot's versions take differently.")
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else None


def of_response(set_so: OAuth2, what: str, said: HttpSaid, hidden: bytes) -> TokenTold | Fields:
    """The fields that an endpoint returned, or why Dovecot takes none; ``hidden`` is not to be shown."""
    if said.problem:
        return _fails(TokenFault.ENDPOINT, f"{what}: {said.problem}", sure=False)
    if said.status // 100 not in (_OK, _REFUSED):
        more = ", and Dovecot follows no redirect" if said.status // 100 == 3 else ""
        return _fails(TokenFault.ENDPOINT, f"{what} answers with status {said.status}{more}")
    refuses = said.status // 100 == _REFUSED
    fault = TokenFault.CLIENT if refuses else TokenFault.ENDPOINT
    if not said.body.strip():
        return {}
    try:
        found = loaded(said.body)
    except ValueError:
        kind = "no JSON object" if said.body.lstrip()[:1] != b"{" else "JSON that is damaged"
        return _fails(fault, f"{what} answers with status {said.status} and {kind}")
    fields = {
        name: text
        for name, value in found.items()
        if value is not None and (text := scalar(value, name)) is not None
    }
    fields |= {name: "\0" for name, value in found.items() if value is None}
    if set_so.dialect == "2.4" and "error" in fields:
        words = fields.get("error_description", fields["error"])
        return _fails(fault, f"{what} answers with status {said.status}: {_shown(words, hidden)}")
    return _of_fields(what, fields) or fields


def _of_fields(what: str, fields: Fields) -> TokenTold | None:
    for name, value in fields.items():
        if value == "\0" and name.lower() in ("expires_in", "token_type"):
            raise CannotObserve(f"its {name} is null, which ends 2.3's auth process.")
        if name.lower() == "expires_in" and (digits.number(value) is None or int(value) >= _MOST):
            return _fails(TokenFault.ENDPOINT, f"{what} answers with an expires_in that is no number")
        if name.lower() == "token_type" and value.lower() != "bearer":
            return _fails(
                TokenFault.ENDPOINT,
                f"{what} answers with a token_type other than Bearer, which Dovecot refuses",
            )
    return None


def _fails(fault: TokenFault, says: str, *, sure: bool = True) -> TokenTold:
    return TokenTold(fault, says, internal=True, sure=sure)


def words_of(fields: Fields, hidden: bytes) -> str:
    """Those that an endpoint has for a refusal."""
    said = fields.get("error_description") or fields.get("error") or ""
    return f" ({_shown(said, hidden)})" if said else ""


def _shown(words: str, hidden: bytes) -> str:
    raw = words.encode("utf-8", "surrogatepass")  # JSON may have half of a character
    return "its words have the token in them" if hidden and hidden in raw else words[:_SHOWN]


def is_enabled(set_so: OAuth2, fields: Fields) -> TokenTold | None:
    """db_oauth2_user_is_enabled()."""
    name, wanted = set_so.active_attribute, set_so.active_value
    if not name or (not wanted and not set_so.strict):
        return None
    value = _field(fields, name)
    if value is None:
        if not set_so.strict:
            return None
        return TokenTold(TokenFault.INACTIVE, f"the answer has no {name}, which active_attribute names")
    if wanted and value != wanted:
        return TokenTold(
            TokenFault.INACTIVE,
            f"it says {name} = {value[:_SHOWN]}, and active_value is {wanted}: the token has expired, was"
            f" revoked, or was never issued there{_expired(fields)}",
        )
    return None


def _expired(fields: Fields) -> str:
    seconds = digits.number(fields.get("exp", ""))
    if seconds is None or seconds >= _MOST:
        return ""
    return f" (exp: {datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC)"


def process(
    set_so: OAuth2, fields: Fields, user: str, expanded: Callable[[dict[str, str] | None], str]
) -> TokenTold:
    """db_oauth2_process_fields().  ``user``: who logs in; ``expanded``: username_format with these values, or
    with the request's.  Raises CannotObserve where that cannot be worked out.
    """
    if told := is_enabled(set_so, fields):
        return told
    name = set_so.username_attribute
    value = _field(fields, name)
    if value is None:
        have = ", ".join(sorted(fields)) or "no field at all"
        return _fails(
            TokenFault.ATTRIBUTE,
            f"the answer has no {name}, which username_attribute names; it has {have[:_SHOWN]}",
        )
    first, _, rest = value.partition("@")
    theirs = expanded({"user": value, "username": first, "domain": rest})
    ours = expanded(None) if set_so.dialect == "2.3" else user
    if theirs != ours:
        return TokenTold(TokenFault.OTHER_USER, f"its {name} is {theirs[:_SHOWN]}, and {ours} is who logs in")
    return _in_scope(set_so, fields) or TokenTold(None, f"it is valid, and its {name} is {ours}")


def _in_scope(set_so: OAuth2, fields: Fields) -> TokenTold | None:
    """db_oauth2_token_in_scope().  One of several is enough to 2.3, and 2.4 wants all of them.

    Measured on 2.3.13, 2.3.19.1, 2.3.21.1, 2.4.1 and 2.4.5.
    """
    if not set_so.scope:
        return None
    value = _field(fields, "scope")
    if value is None:
        aud = _field(fields, "aud") or ""
        have = aud.split("\t") if set_so.strict else aud.split(" ")
    else:
        have = value.split(" ")
    found = set(set_so.scope).intersection(have)
    if len(found) == len(set(set_so.scope)) or (found and set_so.dialect == "2.3"):
        return None
    got = "no scope" if value is None else f"the scope {value[:_SHOWN]!r}"
    return TokenTold(TokenFault.SCOPE, f"it has {got}, and scope wants {' '.join(set_so.scope)!r}", ends=True)


def _field(fields: Fields, name: str) -> str | None:
    """Raises CannotObserve for null."""
    value = fields.get(name)
    if value == "\0":
        raise CannotObserve(f"its {name} is null, which Dovecot's versions take differently.")
    return value
