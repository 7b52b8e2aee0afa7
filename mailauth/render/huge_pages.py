"""Transparent huge pages as text: the setting in one line, and what a trial saw.  Returns strings."""

from collections.abc import Iterator

from mailauth.dovecot.sizes import show_size
from mailauth.memory.huge_pages import HugePages, HugeSide, HugeTrial
from mailauth.render.memory import ms

COMMAND = "mailauth memory recommend --try-huge-pages"


def huge_pages_line(pages: HugePages) -> str:
    """The setting, and the command that measures what another would gain."""
    if pages.given:
        return "Transparent huge pages are always: Argon2 has them."
    return (
        f"Transparent huge pages are {pages.setting}, and libsodium does not ask for them; to measure what"
        f" Argon2 logins would gain with always, run as root: {COMMAND}"
    )


def trial_lines(trial: HugeTrial) -> Iterator[str]:
    """What was measured, what it costs as far as that was seen, and how to keep it."""
    was, now = trial.as_is, trial.always
    yield (
        f"transparent huge pages: {trial.hash}, {trial.parallel} at once; {was.setting} and always in turn,"
        f" {len(trial.ratios)} times"
    )
    times = f"at least {ms(was.time.least)} with {was.setting}, {ms(now.time.least)} with always"
    spread = f"{min(trial.ratios):.2f} to {max(trial.ratios):.2f}"
    if trial.agree:
        yield f"  time of a verification: {times}; always takes {trial.ratio:.2f} of the time ({spread})"
    else:
        yield f"  time of a verification: {times}; no gain that all turns agree on ({spread} of the time)"
    yield f"  address space: {_room(was, now)}"
    yield (
        f"  resident, of the process that measured: {show_size(was.resident_before)} before and"
        f" {show_size(was.resident)} at most with {was.setting},"
        f" {show_size(now.resident_before)} and {show_size(now.resident)} with always"
    )
    yield (
        f"  while it was always, this machine's processes got {trial.given:,} huge pages, and"
        f" {trial.not_given:,} times none was free"
    )
    if not trial.put_back:
        yield f"  THE SETTING WAS NOT PUT BACK; it was {was.setting}."
    elif trial.agree:
        yield "  The setting counts for all processes of this machine; what others take was not measured."
        yield "  To keep it, add transparent_hugepage=always to the kernel's command line."


def _room(was: HugeSide, now: HugeSide) -> str:
    if (was.address_space, was.bisected) == (now.address_space, now.bisected):
        return f"{show_size(was.address_space)} for a verification with both: vsz_limit need not change"
    more = max(now.bisected or 0, now.address_space) - max(was.bisected or 0, was.address_space)
    word = "more" if more > 0 else "less"
    return f"{show_size(abs(more))} {word} with always: vsz_limit must have room for it"
