"""The progress of a migration on login, as text and as a picture."""

from collections.abc import Iterator
from pathlib import Path

from mailauth.migrate.rehash_progress import OnLoginProgress
from mailauth.render.picture import GOOD, LIMIT, SERIES, axes_of

_BAR = 50  # characters
_DAYS = 7  # that a picture has room for, at least
_LABELS = 15  # dates that can be read below one


def progress_text(found: OnLoginProgress) -> str:
    lines = list(_bar(found))
    for one in found.left:
        names = f"  e.g. {', '.join(one.users)}" if one.users else ""
        lines.append(f"  left   {one.rows:>9}  {one.shown}{f'  ({one.damage})' if one.damage else ''}{names}")
    lines += [f"  day    {day.date}  {day.migrated}" for day in found.days[-14:]]
    lines += [f"  count  {count:>9}  {name}" for name, count in found.totals.items()]
    lines += [f"  NOT READ  {reason}" for reason in found.not_read]
    if not found.counted:
        return "\n".join(lines) + "\n"
    if found.days_left is None:
        lines.append("No user was migrated lately, so the end cannot be estimated.")
    elif found.reached < found.users:
        lines.append(f"At {found.per_day:.1f} users a day the rest takes {found.days_left:.0f} days.")
    return "\n".join(lines) + "\n"


def _bar(found: OnLoginProgress) -> Iterator[str]:
    if not found.counted:
        yield "How many users are left is not known yet: status --rows reads all rows, and counts them."
        return
    share = found.reached / found.users if found.users else 1.0
    filled = round(share * _BAR)
    have = f"{found.reached} of {found.users} users have {found.goal}  ({share:.1%})"
    yield f"{have}; the rows were counted {found.counted} UTC"
    yield f"[{'#' * filled}{'.' * (_BAR - filled)}]"


def draw(found: OnLoginProgress, path: Path) -> None:
    """Users migrated, day by day.  Raises UsageError without matplotlib, or where it cannot be written."""
    done, total = 0, []
    for day in found.days:
        done += day.migrated
        total.append(done)
    dates = [day.date for day in found.days]
    with axes_of(path, 8, 4) as axes:
        each = [day.migrated for day in found.days]
        axes.bar(
            dates, each, width=0.6, color=SERIES[0], hatch="..", edgecolor="white", label="migrated that day"
        )
        marker = "o" if len(dates) <= _LABELS else ""
        axes.plot(dates, total, marker=marker, color=GOOD, label="migrated so far")
        if found.counted:
            axes.axhline(found.users, label=f"all {found.users:,} users", **LIMIT)
        # one day alone would be one bar as wide as the picture
        axes.set_xlim(-0.6, max(len(dates), _DAYS) - 0.4)
        axes.set_title(_title(found))
        axes.set_ylabel("users")
        axes.set_xlabel("day")
        axes.set_xticks(range(0, len(dates), -(-len(dates) // _LABELS) or 1))
        axes.tick_params(axis="x", rotation=45)
        axes.legend()


def _title(found: OnLoginProgress) -> str:
    if found.counted:
        return f"Users who have {found.goal}: {found.reached:,} of {found.users:,}"
    return f"Users who got {found.goal} when they logged in (--rows counts all users)"
