"""How many rows of which scheme, as bars.  Needs matplotlib: pip install 'mailauth[plot]'."""

from pathlib import Path

from mailauth.render.audit import LOCKED, NEVER, OPEN, REFUSED, SOUND, UNKNOWN, AuditReport
from mailauth.render.picture import axes_of

_COLOURS = {
    SOUND: "#238b45",
    LOCKED: "#969696",
    OPEN: "#67000d",
    REFUSED: "#fd8d3c",
    UNKNOWN: "#9e9ac8",
    NEVER: "#cb181d",
}
_MOST = 25


def picture(report: AuditReport, file: Path) -> None:
    """Draw to ``file``, in the format of its ending.  Raises UsageError, also without matplotlib."""
    bars: dict[tuple[str, str], int] = {}
    for store in report.stores:
        for one in store.classes:
            key = (one.hash.partition(" (")[0] or "nothing", one.fate)
            bars[key] = bars.get(key, 0) + one.rows
    ordered = sorted(bars.items(), key=lambda bar: -bar[1])[:_MOST][::-1]
    with axes_of(file, 9, 1.5 + 0.3 * len(ordered)) as axes:
        for place, ((_name, fate), rows) in enumerate(ordered):
            axes.barh(place, rows, color=_COLOURS[fate])
            axes.text(rows, place, f" {rows:,}", va="center", fontsize=8)
        # "$" would begin a formula
        names = [name.replace("$", r"\$") for (name, _), _ in ordered]
        axes.set_yticks(range(len(ordered)), names, fontsize=8)
        axes.set_xlabel("rows")
        axes.set_title(f"Stored hashes, judged as Dovecot {report.dovecot} does", fontsize=10)
        axes.margins(x=0.12)
        for fate, colour in _COLOURS.items():
            axes.barh(0, 0, color=colour, label=fate)
        axes.legend(fontsize=8, loc="lower right")
