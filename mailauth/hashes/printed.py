"""Judgements, explanations and conversions as JSON (mailauth/schemas/hash-*.json) and as lines of text."""

from typing import TYPE_CHECKING, Any

from mailauth.hashes.explain import Explanation
from mailauth.hashes.foreign_found import Found
from mailauth.hashes.hash import Flaw, Judgement

if TYPE_CHECKING:
    from mailauth.hashes.passport import Passport  # which hash show has no use for

_SILENT = "Dovecot logs only: Password mismatch"


def text(raw: bytes) -> str:
    """As a JSON string; what is not UTF-8 as hex digits after "hex:", as the batch takes it."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return f"hex:{raw.hex()}"


def of_judgement(judgement: Judgement, shown: str) -> dict[str, Any]:
    return {"verdict": judgement.verdict.value, "reason": judgement.reason, "shown": shown}


def of_found(found: Found) -> dict[str, Any]:
    dovecot = None if found.dovecot is None else text(found.dovecot)
    return {"dovecot": dovecot, "reason": found.reason, "source": found.source}


def of_passport(found: "Passport") -> dict[str, Any]:
    stored = None if found.stored is None else text(found.stored)
    return {"reason": found.reason, "source": found.source, "stored": stored, "target": found.target}


def of_flaw(flaw: Flaw | None) -> dict[str, Any] | None:
    if flaw is None:
        return None
    return {"verdict": flaw.verdict.value, "reason": flaw.reason, "position": flaw.position}


def of_explanation(it: Explanation) -> dict[str, Any]:
    return {
        "headline": it.headline,
        "shown": it.shown,
        "length": it.length,
        "scheme": it.scheme or None,
        "about": it.about,
        "params": dict(it.params),
        "flaw": of_flaw(it.flaw),
        "dovecot": {one.dovecot: of_flaw(one.flaw) for one in it.taken},
        "memory": it.memory.total,
        "seconds": round(it.seconds, 6),
        "strength": None
        if it.strength is None
        else {"level": it.strength.level.value, "says": it.strength.says},
        "alarms": list(it.alarms),
        "notes": list(it.notes),
        "default_schemes": {one.scheme: of_flaw(one.flaw) for one in it.defaults},
        "mended": None
        if it.mended is None
        else {"stored": text(it.mended.stored), "steps": list(it.mended.steps)},
    }


def rows(it: Explanation) -> list[tuple[str, str, str]]:
    """Label, text and mood ("", "good", "bad") of each line that ``hash show`` prints."""
    lines = [("it is", it.headline, ""), ("string", f"{it.shown}   ({it.length} characters)", "")]
    if it.about:
        lines.append(("scheme", f"{it.scheme}: {it.about}", ""))
    if it.params:
        lines.append(("parameters", ", ".join(f"{name}={value}" for name, value in it.params), ""))
    if it.scheme:
        memory = f"{it.memory.total / 2**20:.1f} MiB" if it.memory.total else "hardly any memory"
        lines.append(("takes", f"{memory}, about {_duration(it.seconds)} of one core", ""))
    if it.strength:
        mood = "good" if it.strength.level.value == "good" else "bad"
        lines.append(("strength", f"{it.strength.level.value}: {it.strength.says}", mood))
    for one in it.taken:
        if one.flaw is None:
            lines.append((f"Dovecot {one.dovecot}", "takes it", "good"))
        else:
            lines.append((f"Dovecot {one.dovecot}", flaw_text(one.flaw), "bad"))
    lines.extend(("ALARM", alarm, "bad") for alarm in it.alarms)
    lines.extend(("note", note, "") for note in it.notes)
    for default in it.defaults:
        what = default.shown if default.flaw is None else flaw_text(default.flaw)
        lines.append((f"as {default.scheme}", what, ""))
    if it.mended:
        lines.append(("mended", text(it.mended.stored), "good"))
        lines.extend(("", step, "") for step in it.mended.steps)
    return lines


def flaw_text(flaw: Flaw) -> str:
    place = "" if flaw.position is None else f" (at character {flaw.position + 1})"
    silent = f"; {_SILENT}" if flaw.verdict.value == "mismatch" else ""
    return f"{flaw.verdict.value}: {flaw.reason}{place}{silent}"


def _duration(seconds: float) -> str:
    if seconds < 0.001:
        return "nothing"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 600 else f"{seconds / 3600:.1f} h"
