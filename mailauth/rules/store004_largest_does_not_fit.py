"""The largest hashes of the store do not fit into the process that verifies them.

What you see
    Some users cannot log in with the right password: those with the largest hashes, which may be only
    those whose password was set lately.  The log says "Password mismatch".
Why
    See MEM001.  A store has hashes of many years; one change of parameters (doveadm pw -r, another
    default of the web front end) makes all later ones larger than the limit allows.
How we know
    The parameters of every row, and size and limit of the processes that verify, from /proc.
What to do
    Raise vsz_limit of the service named, or make smaller hashes: mailauth memory recommend.
"""

from mailauth.counted import counted
from mailauth.dovecot.sizes import show_limit, show_size
from mailauth.evidence import Configured, StoreMemory
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.memory.fitting import PassdbFit, ServiceFit, limits_of
from mailauth.remedies import RELOAD, Setting, block, both, remedy


@rule(
    "STORE004",
    "The largest hashes of the store do not fit",
    Severity.BLOCKS_LOGIN,
    bears=Bears.ROWS,
    watch="headroom",
)
def largest_does_not_fit(configured: Configured, memory: StoreMemory) -> Problem | None:
    short = [(fit, one) for fit in memory.fits for one in fit.services if one.harms]
    if not short:
        return None
    limits = limits_of(one for _, one in short)
    text = [block("service", name, Setting("vsz_limit", f"{mib}M")) for name, mib in limits.items()]
    return Problem(
        says=" ".join(_short(fit, one) for fit, one in short),
        because=(memory, configured),
        certainty=Certainty.LIKELY,
        remedy=remedy(
            summary="Raise the limit of the service that verifies." if text else "Reload Dovecot.",
            config=both(*text),
            file=configured.file,
            commands=(RELOAD,),
        ),
    )


def _short(fit: PassdbFit, one: ServiceFit) -> str:
    largest = fit.census.largest if fit.census else None
    assert fit.census
    assert largest
    process = one.process
    return (
        f"{fit.passdb}: {one.rows_short:,} of {counted(fit.census.rows, 'row')} do not fit into"
        f" {process.service}; the largest, {largest.shown}, takes {show_size(largest.footprint.always)},"
        f" the idle process {show_size(process.idle)}, and it may grow to {show_limit(process.live)}."
    )
