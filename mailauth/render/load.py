"""A load as text and as a JSON schema."""

from mailauth.counted import counted
from mailauth.load.result import Counts, Knee, Latency, LoadResult, LoadStep, Sample
from mailauth.render.load_attack import attack_lines
from mailauth.render.load_words import REASONS, ms, rate_text, reasons_text
from mailauth.schema import schema_of

_MiB = 1024 * 1024
_STEPS = 40


def load_text(result: LoadResult) -> str:
    lines = [f"{result.way}: {result.target}", f"  {_asked(result)}"]
    if result.knee:
        lines += ["", *_knee(result.knee)]
    if result.attack:
        lines += ["", *attack_lines(result.attack)]
    lines += ["", *_counts(result.counts)]
    lines += _rows(
        ("answered", f"{rate_text(result.answered)}" if not result.knee and not result.attack else ""),
        ("latency", _latency(result) if result.latency.count else "no right password was answered"),
        ("wrong ones", _spread(result.latency_wrong) if result.latency_wrong.count else ""),
        ("generator", _generator(result)),
        ("Dovecot", _dovecot(result)),
        ("ended", "" if result.attack and result.attack.found else result.ended),
    )
    lines += [f"  note: {note}" for note in result.notes]
    return "\n".join(lines) + "\n"


def sample_line(what: str, sample: Sample, counts: Counts) -> str:
    """One second as one line, for what is no terminal."""
    spread = f"p50 {ms(sample.p50)} p95 {ms(sample.p95)} p99 {ms(sample.p99)}"
    parts = [
        f"{sample.at:6.1f} s  {what}: {rate_text(sample.answered)} answered",
        *([spread] if sample.p99 else []),
        f"{sample.in_flight} in flight",
    ]
    if sample.workers:
        parts.append(f"{sample.workers} workers {_size(sample.rss)}")
    if sample.queued:
        parts.append(f"{sample.queued} queue warnings")
    if reasons := reasons_text(counts):
        parts.append(reasons)
    return ", ".join(parts)


def schema() -> dict[str, object]:
    """The JSON schema of a load's result."""
    return schema_of(LoadResult)


def _asked(result: LoadResult) -> str:
    how = {
        "rate": f"{rate_text(result.rate or 0)}",
        "ramp": f"{rate_text(result.rate or 0)} to {rate_text(result.rate_to or 0)}",
        "max": f"as many as {result.in_flight} in flight allow",
        "knee": "looking for the knee",
        "attack": f"an attack beside {rate_text(result.rate or 0)} of right logins",
    }[result.mode]
    told = [f"{how} for {result.seconds:.1f} s"]
    if result.warm_up:
        warm = result.warm_up_counts
        bad = f", {warm.bad} went wrong: {reasons_text(warm)}" if warm.bad else ""
        told.append(f"after {result.warm_up:g} s of warm-up ({warm.sent} sent{bad})")
    told.append(counted(result.users, "user"))
    if result.wrong:
        told.append(f"{result.wrong:.0%} with a wrong password")
    return ", ".join(told)


def _counts(counts: Counts) -> list[str]:
    rows = [
        ("sent", str(counts.sent)),
        ("ok", str(counts.ok)),
        ("refused", f"{counts.refused}  (wrong passwords, as they should be)" if counts.refused else ""),
        ("failed", _parts(counts.failed)),
        ("lost", _parts(counts.lost)),
        ("unsent", f"{counts.unsent}  (due, and there was no room)" if counts.unsent else ""),
    ]
    return _rows(*rows)


def _parts(reasons: dict[str, int]) -> str:
    whole = sum(reasons.values())
    ordered = sorted(reasons.items(), key=lambda one: -one[1])[:REASONS]
    told = ", ".join(f"{count} {reason}" for reason, count in ordered)
    return f"{whole}  ({told})" if whole else "0"


def _knee(knee: Knee) -> list[str]:
    limit = ms(knee.limit)
    if not knee.steps:
        return ["  NO KNEE: stopped before the first rate was measured."]
    if knee.rate:
        above = f"; {rate_text(knee.above)} does not hold" if knee.above else "; nothing higher was tried"
        lines = [f"  KNEE  {rate_text(knee.rate)} with p95 within {limit} and nothing failed{above}."]
        if knee.generator > 0.7:
            lines.append(
                f"  The generator took {knee.generator:.0%} of a core: this may be its limit, not Dovecot's."
            )
    else:
        lines = [f"  NO KNEE: not even {rate_text(min(s.rate for s in knee.steps))} held p95 within {limit}."]
    lines.append(f"  {'rate':>9}  {'answered':>9}  {'p50':>8}  {'p95':>8}  {'p99':>8}")
    lines += [_step(step) for step in knee.steps[-_STEPS:]]
    return lines


def _step(step: LoadStep) -> str:
    one = step.latency
    spread = f"{ms(one.p50):>8}  {ms(one.p95):>8}  {ms(one.p99):>8}"
    verdict = "holds" if step.held else step.why
    return f"  {rate_text(step.rate):>9}  {rate_text(step.answered):>9}  {spread}  {verdict}"


def _latency(result: LoadResult) -> str:
    since = "from when it was sent" if result.mode == "max" else "from when it was due"
    return f"{_spread(result.latency)}  ({since})"


def _spread(one: Latency) -> str:
    return f"p50 {ms(one.p50)}  p95 {ms(one.p95)}  p99 {ms(one.p99)}  max {ms(one.most)}"


def _generator(result: LoadResult) -> str:
    told = f"{result.generator:.0%} of one core of {result.cores}"
    return f"{told}; sent late by p50 {ms(result.lag.p50)}, p99 {ms(result.lag.p99)}"


def _dovecot(result: LoadResult) -> str:
    if result.workers_most is None:
        return "its processes are not seen from here"
    told = "no auth-worker ran: auth itself verifies"
    if result.workers_most:
        told = f"{result.workers_most} auth-workers at most, {_size(result.rss_most)} resident together"
    queue = "its log is not read" if result.queued is None else f"{result.queued} queue warnings in its log"
    return f"{told}; {queue}"


def _rows(*rows: tuple[str, str]) -> list[str]:
    return [f"  {name:<10} {value}" for name, value in rows if value]


def _size(size: int | None) -> str:
    return f"{(size or 0) / _MiB:.0f} MiB"
