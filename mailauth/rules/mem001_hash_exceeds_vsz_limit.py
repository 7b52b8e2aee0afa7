"""The hash needs more memory than the verifying process may use.

What you see
    The right password fails.  The log says "Password mismatch", at default verbosity nothing.
    doveadm pw -t says "verified", because it runs outside the limit.
Why
    Dovecot limits the address space of each process (vsz_limit; default_vsz_limit is 256M).  Argon2
    asks for all its memory at once and does not get it; libsodium then returns -1, as it does for a
    wrong password, and Dovecot takes any -1 for a wrong password.
    The limit that counts is that of the process which verifies.  For passwd-file, pgsql, ldap and
    static that is auth; for mysql, sqlite, pam, passwd, shadow, dict and lua it is auth-worker.  2.4's
    passdb_use_worker=yes moves a driver to auth-worker; 2.3's blocking=no keeps passwd, shadow and lua in
    auth, 2.4's passdb_use_worker=no passwd, pam and lua.  The manual's "raise service auth" is right for
    half of them.  With auth_cache_verify_password_with_worker=yes a cached password is verified
    by auth-worker, and then both limits can count; from 2.4.5 on, what does not fit there is looked up again.
    The idle process counts too: under 256M, a hash of 256 MiB never fits.
How we know
    The stored hash is verified by the libsodium that Dovecot uses, in a child that has exactly as
    much address space left as the verifying process has; the size and the limit of that process are
    read from /proc while it runs.
What to do
    Raise vsz_limit of the service named, then doveadm reload.  No limit at all is vsz_limit = 0 on
    Dovecot 2.3 and vsz_limit = unlimited on 2.4; neither accepts the other's value.
    Or store a hash that needs less: mailauth hash new.
"""

from mailauth.dovecot.drivers import Question
from mailauth.dovecot.sizes import show_limit, show_size
from mailauth.evidence import Configured, StoredHash, Trial, Trials, Verifiers
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.hashes import Verdict
from mailauth.memory import fit
from mailauth.rules import memory_case


@rule(
    "MEM001",
    "The hash needs more memory than the verifying process may use",
    Severity.BLOCKS_LOGIN,
    bears=Bears.ENTRY,
    asks=Question.MEMORY,
)
def hash_exceeds_vsz_limit(
    configured: Configured, stored: StoredHash, verifiers: Verifiers, trials: Trials
) -> Problem | None:
    short = memory_case.short_of_memory(trials, stored.memory)
    short = [trial for trial in short if not memory_case.reload_suffices(trial.process, stored.memory)]
    if not short:
        return None
    return Problem(
        says=" ".join(
            (
                f"The hash takes {show_size(stored.memory.total)};",
                "; ".join(_process(trial) for trial in short) + ".",
                _pattern(trials, short, stored),
                _wrong_service(verifiers, short),
            )
        ).strip(),
        because=(stored, configured, verifiers, trials),
        certainty=memory_case.certainty(short),
        remedy=memory_case.raise_limits(
            [trial.process for trial in [*short, *_cache_too(trials)]], stored.memory, configured.file
        ),
    )


def _cache_too(trials: Trials) -> list[Trial]:
    """Who verifies the hits, where they are looked up again: not what fails, but it must have room, too."""
    hit = trials.hit
    return [hit] if hit and trials.falls_back and hit.later is Verdict.OUT_OF_MEMORY else []


def _process(trial: Trial) -> str:
    process = trial.process
    return (
        f"the {process.service} process that verifies it {'is' if process.pid else 'will be about'}"
        f" {show_size(process.size)}"
        f" and may grow to {show_limit(process.limit)}"
    )


def _pattern(trials: Trials, short: list[Trial], stored: StoredHash) -> str:
    """Which logins fail: not always all of them."""
    hit_short = trials.hit is not None and trials.hit.later is Verdict.OUT_OF_MEMORY
    if trials.hit is not None and len(short) == 1 and not (short[0] is trials.miss and hit_short):
        if short[0] is trials.hit:
            return "The first login works; those that the auth cache answers fail."
        service = trials.hit.process.service
        if trials.hit.later is Verdict.OUT_OF_MEMORY:
            return f"Every login fails: {service}, which verifies what the auth cache answers, is short, too."
        return f"Logins fail until the user is in the auth cache; then {service} verifies, and they work."
    process = short[0].process
    if short[0].later is not short[0].first or memory_case.has_verified(process, stored.memory):
        if memory_case.has_verified(process, stored.memory):
            return (
                "It is short of less than the process's heap has grown by: this process has verified such"
                " a hash once. The first login of each new process works, and the later ones fail."
            )
        return "The first login of each new process fails."
    needed = fit.need_first(stored.memory)
    if process.limit is not None and process.size + needed - process.limit <= fit.slack(stored.memory):
        return (
            f"It is short of {show_size(process.size + stored.memory.blocks - process.limit)} only: the first"
            " login of a new process may work; the later ones fail."
        )
    return "Every login fails."


def _wrong_service(verifiers: Verifiers, short: list[Trial]) -> str:
    other = verifiers.other
    if other is None or short[0].process.configured is None:
        return ""
    if other.vsz_limit is not None and other.vsz_limit <= short[0].process.configured:
        return ""
    return (
        f"service {other.name} has {show_limit(other.vsz_limit)} ({other.place}), but that is not the one"
        f" that counts: with the driver {verifiers.driver}, {short[0].process.service} verifies."
    )
