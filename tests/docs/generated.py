"""What in the documents is made by program: ``python -m tests.docs.generated`` writes it again.

To make it twice changes nothing: no PID, temporary path or measured size of one run stands in it, unless what
the demo says has changed otherwise.
"""

import json
import re
import subprocess
import sys
from collections import defaultdict

from mailauth.evidence import Evidence
from mailauth.finding import Rule
from mailauth.rules import RULES
from tests.cli.running import ROOT
from tests.docs import log_filters, schemas
from tests.docs.groups import GROUPS, group_of

CONTRIBUTING = ROOT / "CONTRIBUTING.md"
README = ROOT / "README.md"
COMMANDS_PAGE = ROOT / "docs" / "commands.md"
RULES_PAGE = ROOT / "docs" / "rules.md"
MATRIX = ROOT / "bench" / "results" / "confusion-matrix.json"
MATRIX_PAGE = ROOT / "docs" / "confusion-matrix.md"
FIELD_PAGE = ROOT / "docs" / "field-cases.md"


def block(text: str, name: str) -> str:
    """What stands between ``<!-- name -->`` and ``<!-- /name -->``."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", text, re.DOTALL)
    assert found, f"no block {name!r}"
    return found[1]


def with_block(text: str, name: str, inner: str) -> str:
    before, rest = text.split(f"<!-- {name} -->\n", 1)
    _, after = rest.split(f"<!-- /{name} -->", 1)
    return f"{before}<!-- {name} -->\n{inner}<!-- /{name} -->{after}"


def rules_table() -> str:
    """One line a group: the codes and what they are about."""
    rows = []
    for group, about in GROUPS:
        codes = [rule.code for rule in RULES if group_of(rule.code) == group]
        span = f"`{min(codes)}` to `{max(codes)}`" if len(codes) > 1 else f"`{codes[0]}`"
        rows.append(f"| {span} | {len(codes)} | {about} |")
    return "\n".join(["| Codes | Rules | About |", "|---|---|---|", *rows, f"| all | {len(RULES)} | |", ""])


def rules_page() -> str:
    """Every rule's explanation, as its module's docstring has it."""
    parts = [
        "# What mailauth can find",
        "",
        "Made of the rules' own texts by `python -m tests.docs.generated`.",
        "What each was tried on, and exactly what was found: [confusion-matrix.md](confusion-matrix.md).",
        "",
        *rules_table().splitlines(),
        "",
        "| Code | What it says | Consequence |",
        "|---|---|---|",
        *(f"| [{r.code}](#{_anchor(r)}) | {r.title} | {r.severity.value} |" for r in _sorted()),
        "",
    ]
    for rule in _sorted():
        parts += [
            f"## {rule.code}: {rule.title}",
            "",
            f"Severity: {rule.severity.value}.",
            "",
            "```",
            rule.explanation,
            "```",
            "",
        ]
    return "\n".join(parts)


def _sorted() -> list[Rule]:
    order = [group for group, _ in GROUPS]
    return sorted(RULES, key=lambda rule: (order.index(group_of(rule.code)), rule.code))


def _anchor(rule: Rule) -> str:
    """As GitHub makes it of the heading."""
    text = re.sub(r"[^\w\- ]", "", f"{rule.code}: {rule.title}".lower())
    return text.replace(" ", "-")


def matrix_page() -> str:
    """Every fault that was injected, and what mailauth called it, on each Dovecot and store."""
    result = json.loads(MATRIX.read_text())
    cells: dict[tuple[str, tuple[str, ...]], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in result["rows"]:
        cells[row["fault"], tuple(row["found"])][row["dovecot"]].add(row["store"])
    versions = sorted({row["dovecot"] for row in result["rows"]})
    lines = [
        f"| {fault} | {', '.join(found) or 'nothing'} | "
        + " | ".join(", ".join(sorted(by.get(version, ()))) or "-" for version in versions)
        + " |"
        for (fault, found), by in sorted(cells.items())
    ]
    healthy = sum(not row["found"] for row in result["rows"])
    return "\n".join(
        [
            "# The confusion matrix",
            "",
            "Each line is a fault that was put into a real Dovecot, and exactly what `mailauth diagnose`",
            "found then: all of it, and nothing else.  The columns name the stores in which it was tried on",
            "that version; - is a version that the fault cannot occur in, or in which it was not tried.",
            "Healthy systems, with odd but working hashes and settings, stand here too.",
            "",
            f"{len(result['rows']) - healthy} broken and {healthy} healthy systems, {result['date']}.",
            "",
            "Measured by `python bench/matrix.py --write`.",
            "Made of `bench/results/confusion-matrix.json` by `python -m tests.docs.generated`.",
            "",
            "| What was injected | What was found | " + " | ".join(versions) + " |",
            "|---|---|" + "---|" * len(versions),
            *lines,
            "",
            *block(FIELD_PAGE.read_text(), "undecided").splitlines(),
            "",
            "The cases of the field, and the test of each: [field-cases.md](field-cases.md).",
            "",
        ]
    )


def evidence_table() -> str:
    """Each kind of evidence that a rule reads: what it holds, its file, and the rules to look at."""
    readers: dict[type[Evidence], list[str]] = defaultdict(list)
    for rule in RULES:
        for kind in (*rule.needs, *rule.also):
            readers[kind].append(rule.code)
    rows = [
        f"| `{kind.__name__}` | {_first_sentence(kind)} | `{_file(kind)}` | {_some(codes)} |"
        for kind, codes in sorted(readers.items(), key=lambda item: item[0].__name__)
    ]
    return "\n".join(["| Evidence | What it says | Where | Read by |", "|---|---|---|---|", *rows, ""])


def _first_sentence(kind: type[Evidence]) -> str:
    text = " ".join((kind.__doc__ or "").split())
    return (
        re.split(r"(?<=[.:;?])\s(?![^()]*\))", text)[0].rstrip(".:;").replace("``", "`").replace("|", "\\|")
    )


def _file(kind: type[Evidence]) -> str:
    return f"{kind.__module__.replace('.', '/')}.py"


def _some(codes: list[str]) -> str:
    named = ", ".join(sorted(codes)[:3])
    return f"{named} and {len(codes) - 3} more" if len(codes) > 3 else named


def demo() -> str:
    """The demo's true output."""
    done = subprocess.run(
        [sys.executable, "-m", "mailauth", "demo"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return f"```text\n$ bin/demo\n{done.stdout}```\n"


def normal(text: str) -> str:
    """Without what differs from run to run and from machine to machine: PIDs, folders, sizes, versions."""
    for pattern, instead in (
        (r"the log: .*", "the log"),  # the two dialects' logs differ in form
        (r"/\S*/mailauth-lab(-[0-9a-f]+)?", "FOLDER"),
        (r"/proc/(\d+|PID)", "/proc/PID"),
        (r"/\S*libsodium\S*", "LIBSODIUM"),
        (r"\d+(\.\d+)? MiB", "N MiB"),
        (r"2\.[34](\.\d+)*", "VERSION"),
        (r"\s+", " "),
    ):
        text = re.sub(pattern, instead, text)
    return text


def settled(text: str) -> str:
    """Without what belongs to one run: PIDs and the lab's folder."""
    for pattern, instead in (
        (r"/\S*?/mailauth-lab-[0-9a-f]+", "/tmp/mailauth-lab"),  # noqa: S108 - the name of a folder, in a text
        (r"/proc/\d+", "/proc/PID"),
        (r"\bpid=\d+,uid=\d+", "pid=PID,uid=UID"),
        (r"auth(-worker)?\(\d+\)", r"auth\1(PID)"),
    ):
        text = re.sub(pattern, instead, text)
    return text


def as_before(before: str, now: str) -> str:
    """``now``, with each line that differs in sizes and versions only as it was: a rule changes two."""
    old, new = before.splitlines(keepends=True), now.splitlines(keepends=True)
    if len(old) != len(new):
        return before if normal(before) == normal(now) else now
    return "".join(was if normal(was) == normal(one) else one for was, one in zip(old, new, strict=True))


def write() -> None:
    readme = README.read_text()
    made = as_before(block(readme, "demo"), settled(demo()))
    README.write_text(with_block(readme, "demo", made))
    CONTRIBUTING.write_text(with_block(CONTRIBUTING.read_text(), "evidence", evidence_table()))
    RULES_PAGE.write_text(rules_page())
    MATRIX_PAGE.write_text(matrix_page())
    schemas.write()
    log_filters.write()


if __name__ == "__main__":
    write()
