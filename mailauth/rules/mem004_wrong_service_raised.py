"""The raised vsz_limit belongs to a service that does not verify.

What you see
    Nothing yet: this hash fits under the default.  The next one, with more memory, will not, although
    vsz_limit was raised for it.
Why
    Which process verifies depends on the driver: auth for passwd-file, pgsql, ldap and static;
    auth-worker for mysql, sqlite, pam and lua.  The manual names service auth alone.
How we know
    doveconf shows a higher limit for the service that does not verify this passdb's hashes, and the
    default one for the service that does.
What to do
    Give the service that verifies the same limit, then doveadm reload.
"""

from mailauth.dovecot.sizes import show_limit
from mailauth.dovecot.version import Dialect
from mailauth.evidence import Configured, StoredHash, Trials, Verifiers
from mailauth.finding import Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, Part, Setting, block, remedy
from mailauth.rules import memory_case

_MiB = 1024 * 1024


@rule("MEM004", "The raised limit belongs to a service that does not verify", Severity.NOTE)
def wrong_service_raised(
    configured: Configured, stored: StoredHash, verifiers: Verifiers, trials: Trials
) -> Problem | None:
    other, counts = verifiers.other, configured.services[verifiers.miss.service]
    if other is None or not other.own or counts.own or counts.vsz_limit is None:
        return None
    if other.vsz_limit is not None and other.vsz_limit <= counts.vsz_limit:
        return None
    if other.name == "auth" and configured.config.cache_size:
        return None  # the auth cache needs it
    if memory_case.short_of_memory(trials, stored.memory) or memory_case.thin(trials, stored.memory):
        return None  # other rules say so, and raise the right one
    text: dict[Dialect, list[Part]] = {
        "2.3": _stanza(counts.name, other.vsz_limit, "0"),
        "2.4": _stanza(counts.name, other.vsz_limit, "unlimited"),
    }
    return Problem(
        says=(
            f"vsz_limit of service {other.name} is raised to {show_limit(other.vsz_limit)} ({other.place}),"
            f" but with the driver {verifiers.driver} it is {counts.name} that verifies, and it still has"
            f" {show_limit(counts.vsz_limit)}, the default. This hash still fits."
        ),
        because=(configured, stored, verifiers),
        certainty=Certainty.PROVEN,
        remedy=remedy(
            summary=f"Give {counts.name} the limit that was meant for it.",
            config=text,
            file=configured.file,
            commands=(RELOAD,),
        ),
    )


def _stanza(service: str, limit: int | None, none: str) -> list[Part]:
    size = none if limit is None else f"{-(-limit // _MiB)}M"
    return [block("service", service, Setting("vsz_limit", size))]
