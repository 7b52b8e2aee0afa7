"""The sources of the documentation site: docs/ as it is, a page for each finding, and llms.txt.

    python -m tests.docs.site FOLDER

bin/docs makes the site of them.  A link to what is no page (a file of the source) becomes its words.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from mailauth.dovecot.messages import Message
from mailauth.finding import Rule
from mailauth.meaning import stand_for
from mailauth.meaning.looking_up import every_row
from mailauth.rules import RULES
from tests.docs.groups import GROUPS, group_of

ROOT = Path(__file__).parent.parent.parent
_PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
_LINES = 12  # of the log, on a finding's page
_FIRST = 3  # of them, before all else: a search for them finds the page
_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]\n]*)\]\((?P<to>[^)\s]+)\)")
_HEADING = re.compile(r"^(#{1,6}) (.+)$", re.MULTILINE)
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def write(folder: Path) -> None:
    """The whole tree, made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for name in _PAGES:
        page = folder / ("index.md" if name == "README.md" else name.lower())
        page.write_text((ROOT / name).read_text().replace("](docs/", "]("))
    (folder / "rules.md").unlink()
    (folder / "findings").mkdir()
    for rule in RULES:
        (folder / "findings" / f"{rule.code}.md").write_text(finding(rule))
    (folder / "findings" / "index.md").write_text(findings())
    for page in folder.rglob("*.md"):
        page.write_text(_settled(page.read_text(), page, folder))
    (folder / "llms.txt").write_text(llms(folder))


def finding(rule: Rule) -> str:
    """A rule's own text, and the lines of Dovecot's log that can stand for it."""
    # What a search for the words of any failed login is to begin with.
    first = ["---", "search:", "  boost: 20", "---", ""] if rule.code in stand_for.REFUSED[:2] else []
    parts = [*first, f"# {rule.code}: {rule.title}", "", f"Consequence: {rule.severity.value}.", ""]
    rows = [row for row in every_row() if rule in stand_for.of_message(row)]
    if rows:
        parts += [f"Words of the log: {', '.join(f'`{_shown(row)}`' for row in rows[:_FIRST])}.", ""]
    for line in rule.explanation.splitlines():
        heading = bool(line) and not line.startswith(" ") and rule.explanation.find(f"\n{line}\n    ") >= 0
        parts += ["", f"## {line}", ""] if heading else [_plain(line.strip())]
    if rows:
        parts += ["", "## In Dovecot's log", "", "Lines with these words can stand for it, among others:", ""]
        parts += [f"- `{_shown(row)}`{f': {_plain(row.says)}' if row.says else ''}" for row in rows[:_LINES]]
        if rows[_LINES:]:
            parts.append(f"- and {len(rows) - _LINES} more; `mailauth explain 'LINE'` knows all")
    parts += ["", "## On the command line", "", "```", f"mailauth explain {rule.code}", "```", ""]
    return "\n".join(parts)


def findings() -> str:
    """All of them, by their groups."""
    parts = ["# What mailauth can find", ""]
    for group, about in GROUPS:
        parts += [f"## {group}: {about}", "", "| Code | What it says | Consequence |", "|---|---|---|"]
        rules = sorted((one for one in RULES if group_of(one.code) == group), key=lambda one: one.code)
        parts += [
            f"| [{one.code}]({one.code}.md) | {_plain(one.title)} | {one.severity.value} |" for one in rules
        ]
        parts.append("")
    return "\n".join(parts)


def llms(folder: Path) -> str:
    """Each page with its title, as https://llmstxt.org asks."""
    head = [
        "# mailauth",
        "",
        "> Finds out why a Dovecot login fails: `sudo mailauth diagnose USER`, or `sudo mailauth log`.",
        "",
    ]
    pages = sorted(page.relative_to(folder) for page in folder.rglob("*.md"))
    for name, inside in (("Documentation", False), ("Findings", True)):
        head += [f"## {name}", ""]
        for page in pages:
            if (page.parts[0] == "findings") is inside:
                title = _HEADING.search((folder / page).read_text())
                head.append(f"- [{title[2] if title else page.stem}]({page.with_suffix('.html').as_posix()})")
        head.append("")
    return "\n".join(head)


def _shown(row: Message) -> str:
    return re.sub("%!?", "...", row.words).replace("`", "'").strip()


def _plain(text: str) -> str:
    """Not taken for Markdown."""
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", text)


def _settled(text: str, page: Path, folder: Path) -> str:
    """Links to rules.md go to the finding, and those to files that the site has not become their words."""

    def put(found: re.Match[str]) -> str:
        words, to = found["text"], found["to"]
        path, _, anchor = to.partition("#")
        if "://" in to or to.startswith(("#", "mailto:")):
            return found[0]
        if Path(path).name == "rules.md":
            code = re.search(r"[A-Z]+[0-9]{3}", words)
            known = code is not None and any(rule.code == code[0] for rule in RULES)
            target = folder / "findings" / (f"{code[0]}.md" if known and code else "index.md")
            return f"[{words}]({_to(page, target)})"
        target = (page.parent / path).resolve()
        if target.is_dir():
            target = target / "README.md"
        for name in _PAGES[1:]:
            if target.name == name:
                target = folder / name.lower()
        if not target.is_file() or not target.is_relative_to(folder.resolve()):
            return words
        return f"[{words}]({_to(page, target)}{f'#{anchor}' if anchor else ''})"

    return _LINK.sub(put, text)


def _to(page: Path, target: Path) -> str:
    return os.path.relpath(target.resolve(), page.parent.resolve())


def dead(folder: Path) -> Iterator[str]:
    """Each link of the tree that leads nowhere: a file that is not there, a heading that its page has not."""
    pages = [*folder.rglob("*.md"), folder / "llms.txt"]
    for page in pages:
        for found in _LINK.finditer(_FENCE.sub("", page.read_text())):
            path, _, anchor = found["to"].partition("#")
            if "://" in found["to"] or found["to"].startswith("mailto:"):
                continue
            target = (page.parent / path) if path else page
            if target.suffix == ".html":
                target = target.with_suffix(".md")
            there = target.is_file()
            if there and anchor and target.suffix == ".md":
                there = anchor in anchors(target.read_text())
            if not there:
                yield f"{page.relative_to(folder)}: {found['to']}"


def anchors(text: str) -> set[str]:
    """The names of a page's headings, as mkdocs makes them: markdown.extensions.toc's slugify()."""
    found = set()
    for heading in _HEADING.finditer(_FENCE.sub("", text)):
        words = re.sub(r"[^\w\s-]", "", heading[2].replace("`", "")).strip().lower()
        found.add(re.sub(r"[-\s]+", "-", words))
    return found


if __name__ == "__main__":
    write(Path(sys.argv[1]))
