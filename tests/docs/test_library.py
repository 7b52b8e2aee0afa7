"""docs/library.md names what is public, and its examples run."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import mailauth
from mailauth.hashes import Password, generate
from mailauth.lab import Lab

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "library.md").read_text()
EXAMPLES = re.findall(r"^## ([^\n]+)\n.*?```python\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def config() -> Iterator[str]:
    stored = generate("SHA512-CRYPT", Password.of("secret"))
    with Lab(users={"alice": stored}, protocols=("imap",)) as lab:
        yield str(lab.config)


@pytest.mark.parametrize(("title", "code"), EXAMPLES, ids=[title for title, _ in EXAMPLES])
def test_an_example_runs(
    title: str, code: str, config: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MAILAUTH_STATE", str(tmp_path))
    exec(compile(code.replace("/etc/dovecot/dovecot.conf", config), title, "exec"), {})  # noqa: S102 - our own


def test_every_public_name_is_there_and_described() -> None:
    for name in mailauth.__all__:
        assert getattr(mailauth, name).__name__
        assert re.search(rf"\b{name}\b", PAGE), name


def test_the_documents_use_public_names_only() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        deep = re.findall(r"^ *(?:from|import) mailauth\.\S+", page.read_text(), re.MULTILINE)
        assert not deep, page.name
        for names in re.findall(r"^ *from mailauth import ([^\n]+)", page.read_text(), re.MULTILINE):
            assert {name.strip() for name in names.split(",")} <= set(mailauth.__all__), page.name
