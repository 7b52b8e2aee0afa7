"""Configuration of another root, written by whoever owns it: what it includes keeps nobody busy."""

from pathlib import Path

import pytest

from mailauth.dovecot import conffiles
from mailauth.errors import CannotObserve
from tests.met import in_time


def test_a_file_that_includes_itself_many_times(tmp_path: Path) -> None:
    """Twenty deep, that came to 40 to the power of 20 files."""
    main = tmp_path / "dovecot.conf"
    main.write_text("!include dovecot.conf\n" * 40)
    with in_time(100), pytest.raises(CannotObserve, match="with all that it includes"):
        conffiles.read(main)


def test_files_that_are_too_much_together(tmp_path: Path) -> None:
    main = tmp_path / "dovecot.conf"
    main.write_text("!include more/*\n")
    (tmp_path / "more").mkdir()
    for number in range(5):
        (tmp_path / "more" / str(number)).write_text(f"# {'x' * 1024 * 1024}\n")
    with pytest.raises(CannotObserve, match="4 MiB"):
        conffiles.read(main)


def test_blocks_in_blocks(tmp_path: Path) -> None:
    main = tmp_path / "dovecot.conf"
    for text in ("a {\n" * 5000, "a {\n" * 5000 + "b = 1\n" + "}\n" * 5000):
        main.write_text(text)
        assert len(list(conffiles.read(main).walk())) == 5001
