"""The report in a real browser: headless Chromium, on a phone and on a desk, in the light and the dark."""

import shutil
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from mailauth.lab import Lab
from tests.cli.running import mailauth
from tests.conftest import missing
from tests.report.conftest import HOSTILE, USERS, load_result

PATIENCE = 120_000  # ms; the machine may have much else to do
SIZES = {"phone": (360, 740), "desk": (1280, 900)}
# What one can follow or press, and what one looks at, must have a name for those who do not see.
NAMED = {"button", "DisclosureTriangle", "figure", "heading", "image", "img", "link", "navigation", "table"}
BEYOND_THE_EDGE = """
    [...document.body.querySelectorAll("*")]
        .filter(one => !one.closest("thead, .skip") && one.getBoundingClientRect().right > innerWidth + 1)
        .map(one => one.outerHTML.slice(0, 200))
"""
LEVELS = "[...document.querySelectorAll('h1, h2, h3, h4')].map(one => +one.tagName[1])"
CUT_OFF = """
    [...document.querySelectorAll("svg.chart text")].filter(one => {
        const svg = one.closest("svg");
        const text = one.getBoundingClientRect(), whole = svg.getBoundingClientRect();
        return text.right > whole.right + 1 || text.left < whole.left - 1 || text.bottom > whole.bottom + 2
            || text.height < 9
    }).map(one => one.textContent)
"""
CLOSED = "[...document.querySelectorAll('details dd')].filter(one => !one.checkVisibility()).length"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        missing("there is no chromium")
    with sync_playwright() as tool:
        chromium = tool.chromium.launch(executable_path=program, timeout=PATIENCE)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a real server, with hostile names and a load."""
    folder = tmp_path_factory.mktemp("report")
    load = folder / "load.json"
    load.write_bytes(msgspec.json.encode(load_result("<img src=http://192.0.2.1/x onerror=alert(1)>")))
    with Lab(None, "sqlite", USERS, protocols=("imap",)) as one:
        one.login(HOSTILE, b"x")
        done = mailauth(
            "report", "alice@example.org", "--pid", str(one.master_pid), "-o", str(folder / "r.html"),
            "--load", str(load),
        )  # fmt: skip
    assert done.returncode == 1, done.stderr
    return folder / "r.html"


class Sight:
    """A page that is open, and everything that it did."""

    def __init__(self, browser: Browser, file: Path, size: str = "desk", scheme: Any = "light") -> None:
        width, height = SIZES[size]
        self.context = browser.new_context(
            color_scheme=scheme,
            viewport={"width": width, "height": height},
            is_mobile=size == "phone",
            has_touch=size == "phone",
        )
        self.context.set_default_timeout(PATIENCE)
        self.page: Page = self.context.new_page()
        self.requests: list[str] = []
        self.said: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(dialog.message))
        self.page.goto(file.as_uri())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_it_is_readable(browser: Browser, report: Path, size: str, scheme: str) -> None:
    """No error, no request, nothing to scroll sideways, no fault that axe knows; dark is dark."""
    with Sight(browser, report, size, scheme) as sight:
        page = sight.page
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") == SIZES[size][0]
        assert page.evaluate(BEYOND_THE_EDGE) == []
        back, front = (light(page, name) for name in ("backgroundColor", "color"))
        assert (back < 30 and front > 200) if scheme == "dark" else (back > 240 and front < 60)
        assert page.title() != "owned"
        assert sight.said == []
        assert sight.requests == [report.as_uri()]
        result = Axe().run(page)
        assert result.violations_count == 0, result.generate_report()


def light(page: Page, name: str) -> float:
    """How light the body's colour is, 0 to 255."""
    text = page.evaluate(f"getComputedStyle(document.body).{name}")
    return sum(int(part) for part in text[4:-1].split(",")) / 3


def test_everything_has_a_name(browser: Browser, report: Path) -> None:
    """As the browser tells those who listen; tables stay tables, though a phone shows them as blocks."""
    with Sight(browser, report, "phone") as sight:
        tree = sight.context.new_cdp_session(sight.page).send("Accessibility.getFullAXTree")
    nodes = [node for node in tree["nodes"] if not node["ignored"]]
    roles = [node["role"]["value"] for node in nodes]
    nameless = [
        node for node in nodes if node["role"]["value"] in NAMED - {"figure"} and not node["name"]["value"]
    ]
    assert nameless == []
    for role in ("banner", "main", "contentinfo", "navigation", "columnheader", "rowheader", "cell"):
        assert role in roles, role
    pictures = [node for node in nodes if node["role"]["value"] in ("image", "img")]
    told = {node["name"]["value"] for node in pictures}
    assert any("Rows by hash" in name and "never matches" in name for name in told)
    assert any("Memory against its limit" in name for name in told)
    assert any("The highest rate that holds" in name and "480 a second" in name for name in told)


def test_headings_are_in_order(browser: Browser, report: Path) -> None:
    with Sight(browser, report) as sight:
        levels = sight.page.evaluate(
            "[...document.querySelectorAll('h1,h2,h3,h4')].map(one => +one.tagName[1])"
        )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_pictures_text_is_inside_them(browser: Browser, report: Path) -> None:
    """Nothing of a picture is cut off, and on a phone its words are not too small to read."""
    with Sight(browser, report, "phone") as sight:
        beyond = sight.page.evaluate(CUT_OFF)
    assert beyond == []


def test_on_paper_everything_is_open_and_dark_on_white(browser: Browser, report: Path) -> None:
    with Sight(browser, report, scheme="dark") as sight:
        assert sight.page.evaluate(CLOSED) > 0
        sight.page.emulate_media(media="print")
        assert sight.page.evaluate(CLOSED) == 0
        assert light(sight.page, "backgroundColor") > 240
        assert sight.page.pdf().startswith(b"%PDF")
        assert sight.said == []


def test_the_policy_lets_nothing_in(browser: Browser, report: Path) -> None:
    """Were there markup in a name all the same, it could neither run nor fetch nor disguise."""
    with Sight(browser, report) as sight:
        sight.page.evaluate(
            "document.body.insertAdjacentHTML('beforeend', `<img src='http://127.0.0.1:9/x'"
            " onerror='document.title=1'><p id=p style='position:fixed'></p><iframe src='http://127.0.0.1:9/'>`)"
        )
        deadline = time.monotonic() + PATIENCE / 1000
        while sum("Content Security Policy" in text for text in sight.said) < 3:  # it says so by and by
            assert time.monotonic() < deadline, sight.said
            sight.page.wait_for_timeout(20)
        assert sight.page.evaluate("getComputedStyle(document.getElementById('p')).position") == "static"
        assert sight.page.title().startswith("Mail authentication on ")
