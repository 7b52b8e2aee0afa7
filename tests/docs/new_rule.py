"""``bin/new-rule CODE NAME``: a rule's file, its line in the table and its proof, as skeletons.

They fail until each mark is gone: the proof, and tests/docs/test_new_rule.py.
"""

import re
import sys
from pathlib import Path

from mailauth.lab import builds
from mailauth.rules import RULES
from tests.docs.groups import GROUPS, group_of

ROOT = Path(__file__).parent.parent.parent
MARK = "FILL " + "IN"  # in two, so that this file has none itself

RULE = '''"""{mark}: one sentence, what is wrong.

What you see
    {mark}: what the client and the log say.
Why
    {mark}: the mechanism; cite Dovecot's tag and file, or an RFC.
How we know
    {mark}: which evidence, and how it was got.
What to do
    {mark}: the remedy.
"""

from mailauth.evidence import Configured
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule

# {mark}: the severity; a rule that BLOCKS_LOGIN says with bears= what that rests on (finding.Bears).


@rule("{code}", "{mark}: the title", Severity.RISK)
def {name}(configured: Configured) -> Problem | None:
    if "{mark}" not in configured.source:  # {mark}: the condition, and the evidence that it needs
        return None
    return Problem(
        says="{mark}: what is wrong, with this case's values.",
        because=(configured,),
        certainty=Certainty.PROVEN,
        remedy=Remedy(summary="{mark}: what to do."),  # {mark}: settings and commands are remedies.remedy()
    )
'''

PROOF = '''"""{code} on a real Dovecot: it works, is broken, is found, is mended, and works again."""

from collections.abc import Callable

from tests.proofs.story import Fault, MiB, Proof, argon2id

GOOD = argon2id(memory=1 * MiB)


def test_{lower}(proof: Callable[..., Proof], dovecot_version: str) -> None:
    told = proof(dovecot_version, "passwd-file", {{"alice": GOOD}})
    fault = Fault(settings="", name="{mark}: what is broken")  # {mark}: the settings, or do=
    told.story(fault, {{"{code}"}}, answers=[False])  # {mark}: whether a login works while it is broken
'''


def main(words: list[str]) -> int:
    if len(words) != 2:
        print("usage: bin/new-rule CODE NAME, such as bin/new-rule AUTH999 session_ends", file=sys.stderr)  # noqa: T201
        return 2
    code, name = words
    if wrong := refused(code, name):
        print(f"bin/new-rule: {wrong}", file=sys.stderr)  # noqa: T201
        return 2
    for path in make(code, name, ROOT):
        print(path.relative_to(ROOT))  # noqa: T201
    own = builds.installed()
    here = f" and {own.version}" if own else ""
    print(f"Replace each {MARK!r}. The loop, on this machine's own Dovecot:")  # noqa: T201
    print(f"    .venv/bin/python -m pytest -n 4 tests/proofs -k '{code.lower()}{here}'")  # noqa: T201
    print("Then what CONTRIBUTING.md lists below it.")  # noqa: T201
    return 0


def refused(code: str, name: str) -> str:
    """Why this code or name cannot be taken, or ""."""
    groups = [group for group, _ in GROUPS]
    if not re.fullmatch(r"[A-Z]+[0-9]{3}", code) or group_of(code) not in groups:
        return f"{code}: a code is a group ({', '.join(groups)}) and three digits."
    if not re.fullmatch(r"[a-z][a-z0-9_]+", name):
        return f"{name}: name it as a function of its own, such as session_ends."
    last = max(rule.code for rule in RULES if group_of(rule.code) == group_of(code))
    return "" if code > last else f"{code}: a code stays for ever; the next of its group comes after {last}."


def make(code: str, name: str, root: Path) -> list[Path]:
    """Write the three; where they are."""
    group = [rule for rule in RULES if group_of(rule.code) == group_of(code)]
    module = f"{code.lower()}_{name}"
    files = {
        root / "mailauth" / "rules" / f"{module}.py": RULE,
        root / "tests" / "proofs" / f"test_{module}.py": PROOF,
    }
    for path, text in files.items():
        path.write_text(text.format(mark=MARK, code=code, name=name, lower=code.lower()))
    table = _table(root)
    listed = [rule.check.__module__.rpartition(".")[2] for rule in group]
    table.write_text(_listed(table.read_text(), module, listed))
    return [*files, table]


def _table(root: Path) -> Path:
    return root / "mailauth" / "rules" / "__init__.py"


def _listed(text: str, module: str, group: list[str]) -> str:
    """The table with the rule after the last of its group."""
    lines = text.splitlines()
    last = max(number for number, one in enumerate(lines) if one.strip(' ,"') in group)
    lines.insert(last + 1, f'    "{module}",')
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
