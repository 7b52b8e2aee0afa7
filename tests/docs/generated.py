"""What in the documents is made by program: ``python -m tests.docs.generated`` writes it anew."""

import json
import re
import subprocess
import sys
from collections import defaultdict

from mailauth.render.json import schema, to_json
from mailauth.rules import RULES
from tests.cli.running import ROOT

README = ROOT / "README.md"
RULES_PAGE = ROOT / "docs" / "rules.md"
MATRIX = ROOT / "bench" / "results" / "confusion-matrix.json"
MATRIX_PAGE = ROOT / "docs" / "confusion-matrix.md"
SCHEMA = ROOT / "mailauth" / "schemas" / "diagnosis.json"


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
    rows = [f"| `{r.code}` | {r.title} | {r.severity.value} |" for r in RULES]
    return "\n".join(["| Code | What it says | Consequence |", "|---|---|---|", *rows, ""])


def rules_page() -> str:
    """Every rule's explanation, as its module's docstring has it."""
    parts = [
        "# What mailauth can find",
        "",
        "Made of the rules' own texts by `python -m tests.docs.generated`.",
        "",
    ]
    for rule in RULES:
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
        ]
    )


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
        (r"/\S*/mailauth-lab-[0-9a-f]+", "FOLDER"),
        (r"/proc/\d+", "/proc/PID"),
        (r"/\S*libsodium\S*", "LIBSODIUM"),
        (r"\d+(\.\d+)? MiB", "N MiB"),
        (r"2\.[34](\.\d+)*", "VERSION"),
        (r"\s+", " "),
    ):
        text = re.sub(pattern, instead, text)
    return text


def write() -> None:
    readme = with_block(README.read_text(), "rules", rules_table())
    README.write_text(with_block(readme, "demo", demo()))
    RULES_PAGE.write_text(rules_page())
    MATRIX_PAGE.write_text(matrix_page())
    SCHEMA.write_text(to_json(schema()) + "\n")


if __name__ == "__main__":
    write()
