"""The name that Dovecot binds as is no distinguished name to this server.

What you see
    The login fails with a temporary error, whatever the password is; the log says "Invalid DN syntax".
Why
    The template (auth_bind_userdn, in 2.4 passdb_ldap_bind_userdn) makes a name that the server does not take
    for one: a comma or the attribute's name is missing, or it is made for Active Directory, which also takes
    USER@DOMAIN and DOMAIN\\USER, and the server is another.
How we know
    One bind with this name and the password that was given: the server answers invalidDNSyntax (RFC 4511
    appendix A.1), which it says before it looks at a password.
What to do
    Write the template as the entries are named, such as uid=%u,ou=people,dc=example,dc=org.
"""

from mailauth.evidence import PasswordCheck, UserBind
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.stores.directed import Bound


@rule(
    "LDAP010",
    "The name that Dovecot binds as is no distinguished name",
    Severity.BLOCKS_LOGIN,
    bears=Bears.ANSWER,
)
def bound_as_no_name(bind: UserBind, check: PasswordCheck) -> Problem | None:
    if bind.told.how is not Bound.NO_NAME or check.lets_in:
        return None
    return Problem(
        says=f"{bind.text}.",
        because=(bind, check) if check.several else (bind,),
        certainty=Certainty.PROVEN,
        remedy=Remedy(
            summary="Correct the template that the name is made of (auth_bind_userdn; in 2.4"
            " passdb_ldap_bind_userdn): ATTRIBUTE=USER, a comma, and the name of the entry above."
        ),
    )
