"""What docs/upstream/ says is what was measured: bench/results/upstream.json."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGES = ROOT / "docs" / "upstream"
FOUND: dict[str, dict[str, Any]] = json.loads((ROOT / "bench/results/upstream.json").read_text())["found"]
PAGE_OF = {
    "out of memory": "out-of-memory",
    "errno of libsodium": "out-of-memory",
    "which service verifies": "which-service",
    "LDAP reconnects": "ldap-reconnects",
    "attribute twice": "attribute-twice",
    "here-documents": "here-documents",
}


def test_each_page_has_its_measurement() -> None:
    pages = {path.stem for path in PAGES.glob("*.md")} - {"README"}
    assert set(FOUND) == set(PAGE_OF)
    assert pages == set(PAGE_OF.values())
    index = (PAGES / "README.md").read_text()
    assert all(f"({page}.md)" in index for page in pages)


@pytest.mark.parametrize("name", list(PAGE_OF))
def test_a_page_says_what_was_measured(name: str) -> None:
    """Each Dovecot, each value; lines a second with their commas."""
    page = (PAGES / f"{PAGE_OF[name]}.md").read_text()
    told = " ".join(page.split()).replace("the same, line", "line")
    for version, found in FOUND[name].items():
        assert "not seen" not in found
        assert version in told or name == "here-documents"
        for label, value in found.items():
            if isinstance(value, bool) or value in ("no such syntax", "0, 0"):
                continue
            said = f"{value:,}" if isinstance(value, int) else str(value)
            said = said.partition(": assertion failed")[0].removeprefix("file hash.c: ").partition(" (")[0]
            assert said in told, (version, label)


def test_the_patch_is_the_one_that_was_built() -> None:
    """The page says what was logged: the truth with the patch, a mismatch without, and all else as before."""
    kept = json.loads((ROOT / "bench/results/upstream-patch.json").read_text())
    page = " ".join((PAGES / "out-of-memory.md").read_text().split())
    assert kept["dovecot"] in page
    assert "(out-of-memory.patch)" in page
    *without, patched = kept["found"].values()
    for one in (*without, patched):
        words, _, client = one["no memory"].rpartition(" (client: ")
        assert f"| `{words}` | {client.removesuffix(')')} |" in page
        assert "Password mismatch" in one["wrong password"]
        assert one["right password"] == "OK"
    assert all("mismatch" in one["no memory"] for one in without)
    patch = (PAGES / "out-of-memory.patch").read_text()
    said = re.findall(r'^\+.*?"([^"]+)"', patch, re.MULTILINE)
    assert said
    assert "".join(said) in patched["no memory"]


def test_the_services_are_the_same_on_each_dovecot() -> None:
    """The page has one column for all."""
    told = list(FOUND["which service verifies"].values())
    assert all(one == told[0] for one in told)
    page = (PAGES / "which-service.md").read_text()
    assert all(f"| {driver} | `{service}` |" in page for driver, service in told[0].items())
