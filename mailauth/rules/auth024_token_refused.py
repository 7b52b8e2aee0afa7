"""OAuth 2.0: the token that was given is not taken.

What you see
    A client that logs in by XOAUTH2 or OAUTHBEARER is refused; Dovecot logs "oauth2 failed: ...", at most.
Why
    auth does not offer the mechanism; the endpoint cannot be used, refuses Dovecot's client_id, or answers in
    a form that Dovecot does not take; its answer, or the JSON web token, lacks the attribute that
    username_attribute names, names another user, has not the scope, is not active or has expired; or the
    key that Dovecot has is not the one that signed it.
How we know
    The token was given (--mechanism XOAUTH2 and --password-fd).  The endpoint was asked once about it, as
    Dovecot asks: same URL, method, client and certificates, from where Dovecot lives and as its user.  With
    introspection_mode = local the token was verified here, with the key that Dovecot reads.
What to do
    Correct the setting that is named, or what the client asks the issuer for; get a new token for an old one.
"""

from mailauth.dovecot.tokens import TokenFault
from mailauth.evidence import PasswordCheck, Reached, ServersBehind, TokenAnswer
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule

_ADVICE = {
    TokenFault.MECHANISM: "Add the mechanism to auth_mechanisms, or have the client use another.",
    TokenFault.ENDPOINT: "See that the endpoint runs and answers, and that its URL and its CA are right.",
    TokenFault.CLIENT: "Correct client_id, client_secret and introspection_mode (auth: the token as Bearer;"
    " get: in the URL; post: in a form); since 2.3.21 client_id goes along with get only, so give it as"
    " https://CLIENT:SECRET@HOST/ in the URL where the server wants it.",
    TokenFault.INVALID: "Have the client get a new token from the issuer that this endpoint belongs to.",
    TokenFault.INACTIVE: "Have the client get a new token; if that fails as well, set active_attribute and"
    " active_value to what the endpoint answers.",
    TokenFault.ATTRIBUTE: "Set username_attribute to the name under which the endpoint returns the user, or"
    " have the issuer return it (a scope such as email may be missing).",
    TokenFault.OTHER_USER: "Log in as the user that the token is for; if that is the same person, set"
    " username_attribute or the format to the name that Dovecot uses.",
    TokenFault.SCOPE: "Have the client ask for the scope, or correct scope.",
    TokenFault.EXPIRED: "Have the client get a new token.",
    TokenFault.EARLY: "Set the clocks of this machine and of the issuer (NTP).",
    TokenFault.ISSUER: "Correct issuers, or have the client ask the right issuer.",
    TokenFault.AUDIENCE: "Correct client_id, or have the issuer put it into aud.",
    TokenFault.FORM: "Have the issuer give JSON web tokens of that form, or ask it by introspection_url.",
    TokenFault.KEY: "Put the issuer's key there, readable for auth: FOLDER/AZP/ALGORITHM/KEY.",
    TokenFault.SIGNATURE: "Put the issuer's present key there, and reload: auth keeps keys that it has read.",
}


@rule(
    "AUTH024", "The token is not taken", Severity.BLOCKS_LOGIN, yields_to=("AUTH003",), bears=Bears.DATABASE
)
def token_refused(
    answer: TokenAnswer, check: PasswordCheck | None, servers: ServersBehind | None
) -> Problem | None:
    told = answer.told
    if told.fault is None or (check and check.lets_in):
        return None
    if told.fault is TokenFault.ENDPOINT and servers and any(map(_of_oauth2, servers.found)):
        return None  # AUTH022 says that nothing is reached there
    return Problem(
        says=f"{answer.text}.",
        because=(answer,),
        certainty=Certainty.PROVEN if told.sure else Certainty.LIKELY,
        remedy=Remedy(summary=f"{_ADVICE[told.fault]} It is set in {answer.settings}."),
    )


def _of_oauth2(one: Reached) -> bool:
    return bool(one.problem) and one.what.endswith("_url")
