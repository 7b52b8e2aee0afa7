"""One judgement over all copied vectors in one store: each command says the same of every stored string.

1,500 rows in SQLite, and 200 in a passwd-file, under the default scheme of each dialect.  ``audit``,
``checkup``, ``check rows``, ``migrate plan`` and ``hash show`` judge every row; ``diagnose``, which asks for
one user at a time, one row of each kind: of each fate, with each thing that the plan would do.  Left out are
the vectors that are no text (``hash_hex``).
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mailauth.diagnose_all import Checkup, look_at_all
from mailauth.diagnosing import Target, look
from mailauth.dovecot.doveadm import at_pid
from mailauth.evidence import StoredHash, Surveys
from mailauth.hashes.damaged import Fate, fate
from mailauth.lab import Lab
from tests.cli.running import mailauth
from tests.proofs.test_one_judge import vectors

MOST = 1000  # names that a survey lists of each kind
BROKEN = {Fate.OPEN, Fate.REFUSED, Fate.UNKNOWN, Fate.NEVER}
# What the plan does with the rows of a fate: a password that is no hash to this Dovecot is left to a person.
DOES = {
    Fate.SOUND: {"as is", "left", "rehash"},
    Fate.LOCKED: {"as is"},
    Fate.OPEN: {"broken"},
    Fate.REFUSED: {"broken"},
    Fate.UNKNOWN: {"broken"},
    Fate.NEVER: {"broken", "left"},
}
Judged = dict[str, tuple[Fate, str]]  # by user: the fate, and why


@pytest.mark.parametrize(("store", "step"), [("sqlite", 1), ("passwd-file", 7)])
def test_every_row_is_judged_alike(
    lab: Callable[..., Lab], dovecot_version: str, tmp_path: Path, store: str, step: int
) -> None:
    """``step``: of a file's strings each seventh, which has no colon; the marks of its own lines count."""
    ends = "\n" if store == "sqlite" else "\n:"
    texts = [one for one in dict.fromkeys(vectors()) if not set(ends) & set(one)][::step]
    users = {f"v{number:04}": one for number, one in enumerate(texts)}
    with lab(dovecot_version, store, users) as one:
        which = ("--pid", str(one.master_pid))
        default, judged = _audited(which)
        assert judged.keys() == users.keys()
        assert _surveyed(one) == {user: seen for user, (seen, _) in judged.items()}
        assert _checked(which, tmp_path) == Counter(seen.value for seen, _ in judged.values())
        planned = _planned(which, tmp_path / "users.json")
        shown = _shown(texts, str(one.version), default)
        differ = []
        for user, (seen, why) in judged.items():
            plan, said = planned[user], shown[users[user]]
            if not (_plan_agrees(seen, why, *plan) and _headline_agrees(seen, why, said)):
                differ.append(f"{users[user]!r}: audit {seen.value}, {why}; plan {plan}; hash show {said}")
        assert differ == [], "\n".join(differ)
        _diagnosed(
            one, {(seen, planned[user][0]): (user, seen) for user, (seen, _) in judged.items()}.values()
        )


def _audited(which: tuple[str, ...]) -> tuple[str, Judged]:
    """The default scheme, and what audit says of each row."""
    done = mailauth("audit", *which, "--json", "--names", str(MOST))
    [store] = json.loads(done.stdout)["stores"]
    rows = [(user, Fate(each["fate"]), each["why"]) for each in store["classes"] for user in each["users"]]
    assert len(rows) == store["rows"], "each row is in one class"
    return store["default_scheme"], {user: (seen, why) for user, seen, why in rows}


def _surveyed(one: Lab) -> dict[str, Fate]:
    looked = look_at_all(Checkup(at_pid(one.master_pid, None), names=MOST))
    surveys = next(fact for fact in looked.diagnosis.evidence if isinstance(fact, Surveys))
    return {user: each.fate for each in surveys.stores[0].survey.classes for user in each.users}


def _checked(which: tuple[str, ...], state: Path) -> Counter[str]:
    done = mailauth("check", "rows", *which, "--state", str(state), "--timeout", "60s", "--json")
    metrics: list[dict[str, Any]] = json.loads(done.stdout)["outcomes"][0]["metrics"]
    found = {one["labels"]["fate"]: int(one["value"]) for one in metrics if one["name"] == "rows"}
    return Counter({name.replace("_", " "): rows for name, rows in found.items()})


def _planned(which: tuple[str, ...], file: Path) -> dict[str, tuple[str, str]]:
    """What would become of each row, and why."""
    mailauth("migrate", "plan", *which, "--rehash", "ARGON2ID", "--users-out", str(file))
    return {one["user"]: (one["what"], one["why"]) for one in json.loads(file.read_text())}


def _shown(texts: list[str], version: str, default: str) -> dict[str, str]:
    lines = "".join(f"{json.dumps({'stored': one})}\n" for one in texts)
    done = mailauth("hash", "show", "--batch", "-", "--for", version, "--default-scheme", default, feed=lines)
    said: Iterator[str] = (json.loads(one)["headline"] for one in done.stdout.splitlines())
    return dict(zip(texts, said, strict=True))


def _plan_agrees(seen: Fate, why: str, what: str, because: str) -> bool:
    return what in DOES[seen] and (what != "broken" or because == why)


def _headline_agrees(seen: Fate, why: str, said: str) -> bool:
    """The first line of hash show: the same reason, or that nothing is wrong."""
    if seen is Fate.SOUND:
        return not any(word in said for word in (" refused ", "never", "cut off", "another program's name"))
    more = why.partition(": ")[0] in said if "too many: " in why else why in said
    nothing = (
        seen is Fate.OPEN and why.startswith("nothing ") and said.startswith("nothing: the empty password")
    )
    return more or nothing or (seen is Fate.REFUSED and "refused as weak" in said)


def _diagnosed(one: Lab, some: Any) -> None:
    dovecot = at_pid(one.master_pid, None)
    for user, seen in some:
        evidence = look(Target(user, dovecot)).diagnosis.evidence
        stored = next(fact for fact in evidence if isinstance(fact, StoredHash))
        assert fate(stored.damage) is seen, user
