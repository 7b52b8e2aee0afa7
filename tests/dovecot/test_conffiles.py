"""Configuration of another root, written by whoever owns it: what it includes keeps nobody busy."""

import socket
from pathlib import Path

import pytest

from mailauth.dovecot import conffiles, inroot
from mailauth.errors import CannotObserve
from tests.met import in_time


def test_a_file_that_includes_itself_many_times(tmp_path: Path) -> None:
    """Twenty deep, that came to 40 to the power of 20 files."""
    main = tmp_path / "dovecot.conf"
    main.write_text("!include dovecot.conf\n" * 40)
    with in_time(300), pytest.raises(CannotObserve, match="with all that it includes"):
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


def test_an_include_of_names_without_end(tmp_path: Path) -> None:
    """Ten links to a folder in that folder, of another root's: ten billion names, each of them there."""
    for number in range(10):
        (tmp_path / f"to-itself-{number}").symlink_to(".")
    (tmp_path / "dovecot.conf").write_text(f"!include_try {'/*' * 10}/nothing\n")

    def there(name: str) -> Path:
        return inroot.found(str(tmp_path), name)

    few = inroot.Allowance(10_000)
    with pytest.raises(CannotObserve, match="more than 10000 files or 4 MiB"):
        conffiles._Reader(there, [], [], ext=False, names=few).read("/dovecot.conf", 0)
    with pytest.raises(CannotObserve, match="more names than are looked at"):
        inroot.names("/*" * 10, there, inroot.Allowance(10_000))


def test_includes_that_find_nothing_are_counted(tmp_path: Path) -> None:
    """Each has a folder listed, which another root can fill."""
    (tmp_path / "dovecot.conf").write_text("!include_try /many/nothing*\n" * 20_000)
    with pytest.raises(CannotObserve, match="more than 10000 files or 4 MiB"):
        conffiles.read(Path("/dovecot.conf"), lambda name: inroot.found(str(tmp_path), name))


def test_a_pattern_longer_than_a_path() -> None:
    """Each bracket of it would be looked for to the end, at each name."""
    with pytest.raises(CannotObserve, match="File name too long"):
        inroot.names("/" + "[" * 60_000, Path)


@pytest.mark.parametrize("name", ["/a\0b", "/\ud800"])
def test_a_name_that_no_file_can_have(tmp_path: Path, name: str) -> None:
    """Python raises ValueError for it, which was a bug of ours; the kernel was told "/a"."""
    (tmp_path / "a").write_text("")
    (tmp_path / "dovecot.conf").write_bytes(f"!include_try {name}\nssl = no\n".encode("utf-8", "replace"))
    with socket.socket(socket.AF_UNIX) as link:
        for ask in (
            lambda: inroot.found(str(tmp_path), name),
            lambda: inroot.opened(Path(name)),
            lambda: inroot.connect(link, Path(name)),
        ):
            with pytest.raises(OSError, match="Invalid argument"):
                ask()
    with pytest.raises(CannotObserve, match="Invalid argument"):
        inroot.names(f"{name}*", Path)
    (tmp_path / "circle").symlink_to("circle")
    with (tmp_path / "dovecot.conf").open("a") as file:
        file.write("!include_try /circle/x\n")
    tree = conffiles.read(Path("/dovecot.conf"), lambda one: inroot.found(str(tmp_path), one))
    assert tree.get("ssl") == "no"
