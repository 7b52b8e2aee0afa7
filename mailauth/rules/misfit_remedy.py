"""What CONF001, CONF002 and CONF008 share: lines of the other dialect, and the edits that mend them."""

from collections.abc import Sequence

from mailauth import remedies
from mailauth.dovecot.misfit import Misfit
from mailauth.finding import Edit, Remedy

_SHOWN = 8


def is_limit(one: Misfit) -> bool:
    """A vsz_limit in the other dialect's word."""
    return one.name in ("vsz_limit", "default_vsz_limit")


def told(found: Sequence[Misfit], shown_at_most: int = _SHOWN) -> str:
    """The lines, in words."""
    shown = [_line(one) for one in found[:shown_at_most]]
    more = f"; and {len(found) - shown_at_most} more" if len(found) > shown_at_most else ""
    return "; ".join(shown) + more + "."


def _line(one: Misfit) -> str:
    if one.missing:
        before = f" before line {one.line}" if one.line else ""
        return f"{one.file} has no {one.name}{before}: {one.means}"
    return f"{one.file}:{one.line} has {one.name}: {one.means}"


def remedy(summary: str, found: Sequence[Misfit], more: Sequence[Edit] = ()) -> Remedy:
    """Edits from the last line of a file to its first, so that a longer one moves none that follows."""
    mended = [one for one in found if one.old and one.new is not None]
    edits = [Edit(one.file, one.line, one.old, one.new or "") for one in mended]
    edits += [Edit(one.file, number, old, "") for one in mended for number, old in one.more]
    edits = sorted([*edits, *more], key=lambda edit: (edit.file, edit.line), reverse=True)
    by_hand = [one for one in found if not one.old or one.new is None]
    hand = " By hand: " + told(by_hand, len(by_hand)) if by_hand else ""
    return remedies.remedy(
        summary=summary + hand,
        edits=tuple(edits),
        careful="doveconf -n shows the next line that Dovecot refuses; restart when it is silent.",
    )
