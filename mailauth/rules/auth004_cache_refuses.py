"""The auth cache has an old answer, and refuses the right password.

What you see
    A password was set or a user was made, and the login fails; some minutes or an hour later it works
    by itself, or after a restart.  The log says "Password mismatch" or "unknown user".
Why
    With auth_cache_size Dovecot keeps what a passdb said for auth_cache_ttl, and that there is no such
    user for auth_cache_negative_ttl (an hour each).  A password that does not match is looked up again
    only if the last login had succeeded; whoever tries the new password once too early is refused until
    the entry is old.  With auth_cache_verify_password_with_worker nothing is looked up again at all, before
    2.4.5.
How we know
    The stored hash matches the password and fits, a real login was refused without another reason, and
    the user's passdb is one that the cache answers for.  Dovecot's own lookup (doveadm auth lookup), which
    the cache answers, then says that there is no such user: proven.  Else nothing shows the entry from
    outside, and it is likely.  Where a directory verifies by a bind, one bind shows that the password is
    right, and the cache has the last one that the directory took.
    Source: Dovecot 2.3.19.1 src/auth/passdb-cache.c passdb_cache_verify_plain(); measured on 2.3.19.1 and
    2.4.1.
What to do
    doveadm auth cache flush USER; have whatever sets passwords do that each time, or lower the TTLs.
"""

from mailauth.evidence import CacheAnswer, Logins, LookedUp, PasswordCheck
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.rules import cache_case


@rule(
    "AUTH004",
    "The auth cache has an old answer and refuses the right password",
    Severity.BLOCKS_LOGIN,
    bears=Bears.NOTHING,
)
def cache_refuses(
    lookups: LookedUp, check: PasswordCheck, logins: Logins, cache: CacheAnswer
) -> Problem | None:
    if not cache_case.refuses(check, logins, cache):
        return None
    right = (
        "The directory takes the password"
        if cache_case.by_bind(lookups)
        else "The stored hash matches and fits"
    )
    says = f"{right}, the login was refused, and the auth cache answers for the passdb"
    if cache.knows is False:
        says = f"The store has {cache.user!r}; the auth cache says that it has not"
    return Problem(
        says=says + ".",
        because=(lookups, check, logins, cache),
        certainty=Certainty.PROVEN if cache.knows is False else Certainty.LIKELY,
        remedy=cache_case.flush(cache),
    )
