"""auth_cache_size is more than the auth process may take.

What you see
    Logins work for hours or days.  Then auth dies with "Out of memory", the logins of that moment are cut
    off, its cache is lost, and it starts with an empty one.  At its start it logs
    "auth_cache_size (100M) is higher than process VSZ limit (60M)", though only where the
    cache alone exceeds it.
Why
    The cache is kept in the auth process, and vsz_limit counts it, the program and its libraries.  Nothing
    makes the cache smaller when memory runs out: the process ends (measured on 2.3.19.1 and 2.4.1).
    Source: passdb_cache_init(), src/auth/passdb-cache.c of both.
How we know
    doveconf shows both sizes; what the program and its libraries take is read from /proc.
What to do
    Raise vsz_limit of service auth, or lower auth_cache_size.
"""

from mailauth.dovecot.sizes import show_limit, show_size
from mailauth.evidence import Configured, Host
from mailauth.finding import Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, Setting, block, both, remedy

_MiB = 1024 * 1024
_STEP = 64 * _MiB


@rule("MEM008", "auth_cache_size exceeds the vsz_limit of auth", Severity.RISK)
def cache_exceeds_limit(configured: Configured, host: Host) -> Problem | None:
    cache, auth = configured.config.cache_size, configured.services["auth"]
    base = host.auth_base or 0
    if not cache or auth.vsz_limit is None or cache + base <= auth.vsz_limit:
        return None
    enough = -(-(cache + base + _STEP) // _STEP) * _STEP // _MiB
    return Problem(
        says=(
            f"auth_cache_size is {show_size(cache)}, and auth, which keeps it, may grow to"
            f" {show_limit(auth.vsz_limit)} ({auth.place})"
            + (f", of which the program takes {show_size(base)}" if base else "")
            + ": when the cache is full, auth dies and loses it."
        ),
        because=(configured, host),
        certainty=Certainty.LIKELY,
        remedy=remedy(
            summary="Give auth a vsz_limit in which its cache fits.",
            config=both(block("service", "auth", Setting("vsz_limit", f"{enough}M"))),
            file=configured.file,
            commands=(RELOAD,),
            careful="Hashes that auth verifies itself need their memory on top.",
        ),
    )
