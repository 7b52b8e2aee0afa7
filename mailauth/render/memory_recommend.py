"""``memory recommend`` as text.  Returns strings; prints nothing."""

from collections.abc import Iterator

from mailauth.dovecot.sizes import show_limit, show_size
from mailauth.memory.recommend import Advice, AdviceRow, RunningPassdb
from mailauth.memory.records import Load, RecommendReport
from mailauth.render.huge_pages import huge_pages_line, trial_lines
from mailauth.render.memory import columns, ms, spread_text
from mailauth.visible import visible


def recommend_text(report: RecommendReport) -> str:
    return "\n".join(_lines(report)) + "\n"


def _lines(report: RecommendReport) -> Iterator[str]:
    advice = report.advice
    wish = advice.wish
    if report.server:
        yield from _server(report.server)
    elif report.assumed:
        yield f"No Dovecot was looked at: {visible(report.assumed).removesuffix('.')}."
        yield "What follows is for a passdb of the driver passwd-file; --driver names another."
    limit = "which may be chosen" if wish.may_raise else show_limit(wish.vsz_limit)
    yield (
        f"{wish.driver}: {advice.service} verifies, {wish.parallel} at the same time; vsz_limit {limit};"
        f" {show_size(wish.memory)} for all; peak {wish.peak:g} logins/s; at most {ms(wish.latency)} each."
    )
    yield ""
    if advice.chosen is None:
        yield "NO ROW FITS.  The table says why; give more memory, time or vsz_limit, or take bcrypt."
    else:
        yield from _chosen(advice, advice.chosen, report.server)
    yield ""
    head = ("", "strength", "MiB", "median ms", "p95 ms", "logins/s", "peak", "")
    yield from columns(head, [_row(row, advice) for row in advice.rows], (0, -1))
    yield ""
    yield "  strength: memory that a guess must move, against the least that is recommended (1.0)."
    yield "  ms and logins/s: measured here and now, with whatever else this machine did; see p95."
    if report.trial:
        yield ""
        yield from trial_lines(report.trial)
    elif report.huge_pages:
        yield ""
        yield huge_pages_line(report.huge_pages)
    if report.proof:
        yield ""
        yield from _proof(report.proof)


def _server(server: RunningPassdb) -> Iterator[str]:
    """What was read of the Dovecot that runs."""
    size = "idle" if server.pid else "none runs; expected"
    which = f"process {server.pid}, " if server.pid else ""
    yield (
        f"Dovecot {server.dovecot} ({visible(server.file)}): {server.passdb} is verified by {server.service}"
        f" ({which}{size} {show_size(server.idle)}), vsz_limit {show_limit(server.limit)}"
        f"{f' ({visible(server.place)})' if server.place else ''}."
    )
    users = "number of users not known" if server.users is None else f"{server.users} users"
    yield f"{users}; {show_size(server.free)} free there; {server.cores} cores."
    if server.others:
        yield f"Not asked about: {', '.join(server.others)}; --driver asks for another driver."


def _chosen(advice: Advice, row: AdviceRow, server: RunningPassdb | None) -> Iterator[str]:
    yield f"ARGON2ID  {row.name}"
    yield f"  mailauth hash new -s ARGON2ID --memory {row.m} --time {row.t} --lanes 1"
    for dialect, text in advice.config.items():
        if text and (server is None or server.dialect == dialect):
            yield f"  Dovecot {dialect}"
            yield from (f"    {line}" for line in text.splitlines())
    yield f"  at peak: {show_size(row.peak_memory)} of memory, {advice.busy:.0%} of what can be verified"
    if row.speed:
        yield f"  a verification: {spread_text(row.speed.time)}, {row.speed.parallel} at once"
    if advice.everyone:
        yield f"  after an outage, all {advice.wish.users} users have logged in after {advice.everyone:.0f} s"


def _row(row: AdviceRow, advice: Advice) -> tuple[str, ...]:
    speed = row.speed
    return (
        f"{'>' if row == advice.chosen else ' '} {row.name}",
        f"{row.strength:.1f}",
        f"{row.m / 1024:g}",
        f"{speed.time.median * 1000:.0f}" if speed else "",
        f"{speed.time.p95 * 1000:.0f}" if speed else "",
        f"{row.per_second:.1f}" if speed else "",
        show_size(row.peak_memory),
        f" {row.refused or row.whose}",
    )


def _proof(proof: Load) -> Iterator[str]:
    verdict = "all worked" if proof.worked == proof.asked else f"{proof.asked - proof.worked} FAILED"
    yield (
        f"in a lab (Dovecot {proof.dovecot}), {proof.clients} clients at once: {proof.asked} logins,"
        f" {verdict}; {proof.per_second:.1f} a second; {spread_text(proof.latency)}"
    )
