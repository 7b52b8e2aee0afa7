"""The auth cache still accepts a password that is no longer stored.

What you see
    A password was changed, and the old one still logs in, for up to an hour.
Why
    With auth_cache_size Dovecot keeps the stored string for auth_cache_ttl.  While the given password
    matches it, nobody asks the passdb again, however often the user logs in.
How we know
    The password given matches nothing that is stored, a real login with it succeeded, and the user's
    passdb is one that the cache answers for.
    Source: Dovecot 2.3.19.1 src/auth/passdb-cache.c passdb_cache_verify_plain(); measured on 2.3.19.1 and
    2.4.1.
What to do
    doveadm auth cache flush USER, above all when the password was changed because others know it; have
    whatever sets passwords do that each time, or lower auth_cache_ttl.
"""

from mailauth.evidence import CacheAnswer, Logins, LookedUp, PasswordCheck
from mailauth.finding import Certainty, Problem, Severity, rule
from mailauth.rules import cache_case


@rule("AUTH005", "The auth cache still accepts an old password", Severity.RISK)
def cache_lets_old_password_in(
    lookups: LookedUp, check: PasswordCheck, logins: Logins, cache: CacheAnswer
) -> Problem | None:
    if lookups.unasked or not cache_case.lets_in(check, logins, cache):
        return None
    by_bind = cache_case.by_bind(lookups)
    wrong = "The directory refuses the password" if by_bind else "The password given matches nothing stored"
    return Problem(
        says=f"{wrong}, and a real login with it succeeded.",
        because=(lookups, check, logins, cache),
        certainty=Certainty.PROVEN,
        remedy=cache_case.flush(cache),
    )
