"""Hostile evidence for the rules: what a proof saw, with every name and text in it made hostile in turn.

A rule may then find something else, or nothing.  Its remedy may never have one line, brace or word more than
the one of the honest evidence, nor a character that is not seen.
"""

import re
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.misfit import Misfit
from mailauth.dovecot.version import DIALECTS
from mailauth.evidence import Evidence
from mailauth.finding import Diagnosis, Finding, Remedy
from mailauth.visible import is_visible

HOSTILE = (
    "\nservice evil {\n  executable = /tmp/evil\n  user = root\n}\n",
    "} service evil { executable = /tmp/evil }",
    " /etc\t-R \"'; touch /tmp/evil; `touch /tmp/evil` $(touch /tmp/evil) #",
    "\r\n\0\x1b]0;evil\a\x9b31m\u202e\u2028\ud800",
    "x" * 1024 * 1024,
)
LEADING = ("-R /etc", "--reference=/etc/shadow", "$pass", "<evil", "../../etc")
# A setting, with variables where a rule itself writes them; the head of a block; its end.
_LINE = re.compile(r"( *)([a-z_]+ =( [\w.*:,/+!|;~^=&@ -]*| \S*%[\w{}| /%]+)?|[a-z_]+ [\w./-]+ \{|\})")
_CONFIGURATION = (AuthConfig, Misfit)
_MOST = 40  # values of one finding's evidence that are made hostile
_EACH = 3
_HELD: Counter[object] = Counter()  # of each shape, in this process


def hold(diagnosis: Diagnosis) -> None:
    """Every finding's rule again, with hostile evidence: for the first few remedies of each shape."""
    for finding in diagnosis.findings:
        remedy = finding.problem.remedy
        commands = tuple(command[0] for command in remedy.commands)
        shape = (finding.rule.code, tuple(remedy.config), commands, bool(remedy.edits), remedy.store)
        _HELD[shape] += 1
        if _HELD[shape] <= _EACH:
            _hold(finding, diagnosis)


def _hold(finding: Finding, diagnosis: Diagnosis) -> None:
    rule = finding.rule
    seen = list(finding.problem.because) + [one for one in diagnosis.evidence if isinstance(one, Evidence)]
    facts = {
        kind: next((one for one in seen if isinstance(one, kind)), None) for kind in (*rule.needs, *rule.also)
    }
    values = list(dict.fromkeys(text for fact in facts.values() for text in texts(fact)))
    for text in values[:_MOST]:
        for evil in (*(text + one for one in HOSTILE), *LEADING):
            hostile = {kind: changed(fact, text, evil) for kind, fact in facts.items()}
            try:
                problem = rule.check(
                    *(hostile[kind] for kind in rule.needs), *(hostile[kind] for kind in rule.also)
                )
            except (ValueError, KeyError, StopIteration, AssertionError):
                continue  # no probe makes such a fact
            if problem is not None:
                check(problem.remedy, evil)


def check(remedy: Remedy, evil: str) -> None:
    """Each line is one setting, one head or one brace; no word is an option; or words only."""
    for dialect in DIALECTS:
        for line in remedy.config.get(dialect, "").split("\n"):
            assert is_visible(line), (line, evil[:80])
            assert not line or _LINE.fullmatch(line), (line, evil[:80])
            assert "evil" not in line, (line, evil[:80])
            assert len(line) < 400, (line[:80], evil[:80])
    for command in remedy.commands:
        assert all(map(is_visible, command)), (command, evil[:80])
        assert tuple(shlex.split(shlex.join(command))) == command
        if evil in command:
            assert "--" in command[: command.index(evil)], command
    for edit in remedy.edits:
        # A value of the administrator's may be odd, since it was; it is no line more.
        assert "evil" not in edit.new or edit.new.count("\n") == edit.old.count("\n"), (edit, evil[:80])


def texts(value: object) -> Iterator[str]:
    """The texts in a fact, but for the configuration and its lines in other words: the administrator's."""
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, tuple | list | frozenset | set):
        for one in value:
            yield from texts(one)
    elif is_dataclass(value) and not isinstance(value, _CONFIGURATION):
        for each in fields(value):
            yield from texts(getattr(value, each.name))


def changed(value: Any, old: str, new: str) -> Any:
    """The same with one text instead of another, wherever it stands."""
    if isinstance(value, str):
        return new if value == old else value
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(changed(one, old, new) for one in value)
    if isinstance(value, list | frozenset):
        return type(value)(changed(one, old, new) for one in value)
    if is_dataclass(value) and not isinstance(value, (*_CONFIGURATION, type)):
        given = {each.name: getattr(value, each.name) for each in fields(value) if each.init}
        made = {name: changed(one, old, new) for name, one in given.items()}
        return replace(value, **made) if any(made[name] is not given[name] for name in made) else value
    return value
