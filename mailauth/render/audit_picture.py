"""How many rows of which scheme, as bars.  Needs matplotlib: pip install 'mailauth[plot]'."""

from pathlib import Path

from mailauth.render import picture as shared
from mailauth.render.audit import (
    LOCKED,
    NEVER,
    OPEN,
    REFUSED,
    SOUND,
    UNKNOWN,
    WEAK,
    AuditReport,
    ClassReport,
    drawn_as,
)
from mailauth.render.picture import axes_of

# The colour, and what tells it where it is printed in grey.
_LOOKS = {
    SOUND: (shared.GOOD, ""),
    WEAK: (shared.WEAK, ".."),
    LOCKED: (shared.QUIET, ""),
    REFUSED: (shared.WEAK, "xx"),
    UNKNOWN: (shared.UNKNOWN, "--"),
    NEVER: (shared.BAD, "//"),
    OPEN: (shared.OPEN, ""),
}
_MOST = 25


def draw(report: AuditReport, file: Path) -> None:
    """Draw to ``file``, in the format of its ending.  Raises UsageError, also without matplotlib."""
    bars: dict[tuple[str, str], int] = {}
    for store in report.stores:
        for one in store.classes:
            key = (_name(one), drawn_as(one))
            bars[key] = bars.get(key, 0) + one.rows
    ordered = sorted(bars.items(), key=lambda bar: -bar[1])[:_MOST][::-1]
    with axes_of(file, 9, 1.5 + 0.3 * len(ordered)) as axes:
        for place, ((_, fate), rows) in enumerate(ordered):
            colour, hatch = _LOOKS[fate]
            axes.barh(place, rows, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
            axes.text(rows, place, f" {rows:,}", va="center", fontsize=8)
        # "$" would begin a formula
        names = [name.replace("$", r"\$") for (name, _), _ in ordered]
        axes.set_yticks(range(len(ordered)), names, fontsize=8)
        axes.set_xlabel("rows in the store")
        axes.set_ylabel("stored hash")
        axes.set_title(f"Stored hashes, judged as Dovecot {report.dovecot} does", fontsize=10)
        axes.margins(x=0.12)
        for fate, (colour, hatch) in _LOOKS.items():
            if any(fate == drawn for (_, drawn), _ in ordered):
                axes.barh(0, 0, color=colour, hatch=hatch, edgecolor="white", label=fate)
        axes.xaxis.get_major_locator().set_params(integer=True)
        if ordered:
            axes.figure.legend(fontsize=8, loc="outside lower center", ncols=3)


def _name(one: ClassReport) -> str:
    """What stands beside the bar: of a string that shows nothing of itself, that and its length."""
    name = one.hash.partition(" (")[0]
    return f"no known form, {one.length} characters" if name.strip(".") == "" and name else name or "nothing"
