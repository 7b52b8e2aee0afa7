"""The auth cache cannot verify its hits for lack of memory.

What you see
    Logins work.  Each one asks the database, as if there were no cache.
Why
    A hit of the auth cache is verified in the auth process.  There the hash does not fit, Dovecot takes
    that for a wrong password, and so as not to refuse a password that was changed lately it looks the
    user up again: in auth-worker, where the hash fits.  Since 2.4.5 the same happens the other way round,
    where a worker verifies the hits (auth_cache_verify_password_with_worker) and auth looks up.
    Source: auth_request_verify_plain_callback(), Dovecot 2.3.19.1 and 2.4.1 src/auth/auth-request.c;
    2.4.5 src/auth/passdb-cache.c; measured.
How we know
    The stored hash is verified in a child that has exactly as much address space left as the process that
    verifies hits, and does not fit; with the room of the one that looks up it does.
What to do
    Raise vsz_limit of the service named; or let the workers verify hits, too:
    auth_cache_verify_password_with_worker = yes; or do without the cache.
"""

from mailauth.dovecot.sizes import show_limit, show_size
from mailauth.evidence import Configured, StoredHash, Trials, Verifiers
from mailauth.finding import Problem, Severity, rule
from mailauth.hashes import Verdict
from mailauth.rules import memory_case


@rule("MEM005", "The auth cache has no memory to verify its hits", Severity.NOTE)
def cache_of_no_use(
    configured: Configured, stored: StoredHash, verifiers: Verifiers, trials: Trials
) -> Problem | None:
    hit = trials.hit
    if hit is None or not trials.falls_back or hit.later is not Verdict.OUT_OF_MEMORY:
        return None
    if memory_case.short_of_memory(trials, stored.memory):
        return None  # no login works, so nothing is cached
    return Problem(
        says=(
            f"The hash takes {show_size(stored.memory.total)}; {hit.process.service}, which verifies the"
            f" hits of the auth cache, is"
            f" {show_size(hit.process.size)} and may grow to {show_limit(hit.process.limit)}. Each login is"
            " looked up again, and the cache does not help this user."
        ),
        because=(stored, configured, verifiers, trials),
        certainty=memory_case.certainty([hit]),
        remedy=memory_case.raise_limits([hit.process], stored.memory, configured.file),
    )
