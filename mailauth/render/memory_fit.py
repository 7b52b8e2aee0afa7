"""``memory fit`` as text.  Returns strings; prints nothing."""

from collections.abc import Iterator

from mailauth.counted import counted
from mailauth.dovecot.sizes import show_limit, show_size
from mailauth.memory.fitting import Bite, Fits, PassdbFit, ServiceFit
from mailauth.memory.records import FitReport
from mailauth.render.memory import columns

_MOST_SETS = 8


def fit_text(report: FitReport) -> str:
    head = f"Dovecot {report.dovecot}, {report.file}" if report.dovecot else "No Dovecot was looked at."
    parts = [head, *("\n".join(_passdb(one, report)) for one in report.passdbs)]
    if not report.passdbs:
        parts.append("There is no passdb.")
    return "\n\n".join(parts) + "\n"


def _passdb(one: PassdbFit, report: FitReport) -> Iterator[str]:
    census = one.census
    if census is None:
        yield f"{one.passdb}: UNDECIDED: {one.problem}"
        return
    yield f"{one.passdb}: {counted(census.rows, 'row')} in {census.place}"
    rows = [
        (f"  {each.shown}", counted(each.rows, "row"), show_size(each.footprint.first))
        for each in census.sets[:_MOST_SETS]
    ]
    if rows:
        yield from columns(("  the largest hashes", "", "takes"), rows)
    else:
        yield "  no hash there takes memory worth mentioning."
    if census.unreadable:
        rows_lost = counted(census.unreadable, "row")
        yield f"  {rows_lost} can never match, whatever the memory: mailauth hash show -."
    if one.problem:
        yield f"  UNDECIDED: {one.problem}"
    for service in one.services:
        yield from _service(service)
    if any(each.harms for each in one.services):
        yield from _fix(one, report)
    if one.beyond:
        yield "  besides vsz_limit"
    for bite in one.beyond:
        yield from _bite(bite)


def _service(one: ServiceFit) -> Iterator[str]:
    process = one.process
    when = "on a hit of the auth cache, " if one.on_cache_hit else ""
    who = f"process {process.pid}" if process.pid else "none runs"
    yield (
        f"  {when}verified by {process.service} ({who}): {show_size(process.idle)} idle, may grow to"
        f" {show_limit(process.live)} ({process.place}); at most {process.most} at once"
    )
    if one.spare is None:
        yield "    FITS: there is no vsz_limit."
    elif one.fits is Fits.YES:
        yield f"    FITS, with {show_size(one.spare)} to spare; less than that and later logins may fail."
    elif one.fits is Fits.TIGHT:
        yield (
            f"    TIGHT: {show_size(-one.spare)} short of what is surely enough for every login;"
            f" {counted(one.rows_short, 'row')} concerned."
        )
    else:
        yield (
            f"    DOES NOT FIT: {show_size(-one.spare)} short;"
            f" {counted(one.rows_short, 'row')} cannot log in, with the right password."
        )
    if one.falls_back and one.fits is not Fits.YES:
        yield "    logins work: Dovecot looks the user up again."
    if process.live != process.configured:
        yield (
            f"    configured is {show_limit(process.configured)}, not in force before a reload;"
            f" then it {one.after_reload.value}."
        )
    yield (
        f"    smallest vsz_limit: {_pasted(one.least_first)} for the first login of a process,"
        f" {_pasted(one.least_always)} for every one"
    )


def _pasted(size: int) -> str:
    """As a vsz_limit is written: whole MiB, rounded up."""
    return f"{-(-size // (1024 * 1024))}M"


def _fix(one: PassdbFit, report: FitReport) -> Iterator[str]:
    if one.stanza:
        where = report.file or "the configuration"
        yield f"  fix: at the end of {where}    (Dovecot 2.3 and 2.4 alike)"
        yield from (f"    {line}" for line in one.stanza.splitlines())
        yield f"  then: {_reload(report)}"
    else:
        yield f"  fix: {_reload(report)}"


def _reload(report: FitReport) -> str:
    return report.reload or "reload Dovecot"


def _bite(one: Bite) -> Iterator[str]:
    ceiling = one.ceiling
    says = {
        "no": f"holds {show_size(one.peak)} at peak",
        "at peak": f"TOO LITTLE: all at once take {show_size(one.peak)}",
        "always": f"TOO LITTLE: one login takes {show_size(one.one)}",
    }[one.bites]
    yield f"    {ceiling.what}: {show_size(max(ceiling.free, 0))} free of {show_size(ceiling.limit)}; {says}"
    yield f"      {ceiling.source}"
