"""The documentation site's pages: a link leads somewhere, a finding has its page, and nothing is fetched."""

import re
from pathlib import Path

import pytest

from mailauth.rules import RULES
from tests.cli.running import ROOT
from tests.docs import site


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "docs"
    site.write(folder)
    return folder


def test_no_link_is_dead(pages: Path) -> None:
    assert list(site.dead(pages)) == []


def test_a_dead_link_is_seen(pages: Path) -> None:
    """To a file and to a heading; not where it stands in a block of text."""
    page = pages / "library.md"
    before = page.read_text()
    page.write_text(f"{before}\n[a](none.md) [b](lab.md#none) [c](#none)\n```\n[d](none.md)\n```\n")
    assert list(site.dead(pages)) == [f"library.md: {one}" for one in ("none.md", "lab.md#none", "#none")]
    page.write_text(before)


def test_every_finding_has_a_page(pages: Path) -> None:
    """With its own headings, and the words of the log by which it is found."""
    index = (pages / "findings" / "index.md").read_text()
    for rule in RULES:
        text = (pages / "findings" / f"{rule.code}.md").read_text()
        assert f"# {rule.code}: {rule.title}" in text.splitlines()
        assert {"## What you see", "## Why", "## How we know", "## What to do"} <= set(text.splitlines())
        assert f"[{rule.code}]({rule.code}.md)" in index
    assert "`Password mismatch`" in (pages / "findings" / "MEM001.md").read_text()
    assert "[MEM001](../findings/MEM001.md)" in (pages / "upstream" / "out-of-memory.md").read_text()


def test_llms_txt_has_every_page(pages: Path) -> None:
    text = (pages / "llms.txt").read_text()
    assert text.startswith("# mailauth\n\n> ")
    for page in pages.rglob("*.md"):
        assert f"({page.relative_to(pages).with_suffix('.html')})" in text


def test_the_sites_settings(pages: Path) -> None:
    """Its navigation names pages that there are; no font and no script is fetched from elsewhere."""
    text = (ROOT / "mkdocs.yml").read_text()
    named = set(re.findall(r"[\w./-]+\.md", text.partition("nav:")[2].partition("not_in_nav")[0]))
    assert named
    assert all((pages / name).is_file() for name in named)
    assert "font: false" in text
    assert not re.search(r"https?://|privacy|offline", text)
