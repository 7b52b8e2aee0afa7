"""docs/library.md names what is public, and its examples run."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import mailauth
from mailauth.cli.manual import contexts
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
    """In examples, in a command (python -c "from mailauth ...") and in the help that commands print."""
    helps = [ctx.command.help or "" for ctx in contexts()]
    pages = (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "mailauth" / "__init__.py")
    for text in (*(page.read_text() for page in pages), *helps):
        assert not re.findall(r"\b(?:from mailauth\.\S+ import|import mailauth\.\S+)", _without_ours(text))
        for names in re.findall(r"\bfrom mailauth import ([^\n;\"'`]+)", text):
            named = {name.strip(" ()") for name in names.split(",")} - {"...", ""}
            assert named <= set(mailauth.__all__), names


def _without_ours(text: str) -> str:
    """The package's own list of where its names are, which type checkers read, is no document."""
    return re.sub(r"^if TYPE_CHECKING:\n(?: .*\n)+", "", text, flags=re.MULTILINE)
