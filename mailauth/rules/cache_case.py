"""What the rules about the auth cache share: whether it is the cache that answers."""

from mailauth.evidence import CacheAnswer, Logins, LookedUp, PasswordCheck
from mailauth.finding import Remedy
from mailauth.hashes import Verdict
from mailauth.remedies import remedy
from mailauth.stores.store import Outcome


def refuses(check: PasswordCheck, logins: Logins, cache: CacheAnswer) -> bool:
    """The right password was refused, without a word of another cause, where a cache answers."""
    if not (check.lets_in and cache.caches) or cache.restricts:
        return False
    return all(not reply.ok and not reply.code for reply in logins.replies)


def lets_in(check: PasswordCheck, logins: Logins, cache: CacheAnswer) -> bool:
    """A password that matches nothing that is stored was accepted where a cache answers."""
    wrong = bool(check.verdicts) and all(verdict is Verdict.MISMATCH for verdict in check.verdicts)
    return wrong and cache.caches and any(reply.ok for reply in logins.replies)


def by_bind(lookups: LookedUp) -> bool:
    """Whether nobody but a directory, by a bind, said whether the password is right."""
    found = [one for one in lookups.answers if one.outcome is Outcome.FOUND]
    return bool(found) and all(one.verified_there for one in found)


def flush(cache: CacheAnswer) -> Remedy:
    return remedy(
        summary="Flush the user's cache entry; have the program that sets passwords do so each time.",
        commands=(("doveadm", "auth", "cache", "flush", "--", cache.user),),
        careful=(
            "Where the query has %n or %{user | username} alone, doveadm does not find the entry by the"
            " full name: doveadm auth cache flush, without a name, flushes all entries."
        ),
    )
