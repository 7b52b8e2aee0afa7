"""Dovecot's configuration language."""

from pathlib import Path

import pytest

from mailauth.dovecot import conf, conffiles
from mailauth.errors import CannotObserve


def test_blocks_and_settings_with_their_places() -> None:
    tree = conf.parse("a = 1\nservice auth {\n  vsz_limit = 1G\n  inner x {\n  }\n}\n", "f")
    assert tree.get("a") == "1"
    [service] = tree.all("service")
    assert (service.name, service.get("vsz_limit")) == ("auth", "1G")
    found = service.find("vsz_limit")
    assert found is not None
    assert found.place == "f:3"
    assert [block.kind for block in service.blocks] == ["inner"]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("k = v # comment", "v"),
        ("k = v#comment", "v"),
        ('k = "a # b\\"c  "', 'a # b"c  '),
        ('k = "back\\\\slash"', "back\\slash"),
        ("k = 'single # q'", "single # q"),
        ("k =", ""),
        ("k = a = b", "a = b"),
        ("k = </etc/secret", "</etc/secret"),
        ("k = one \\\n  two", "one two"),
    ],
)
def test_values(line: str, value: str) -> None:
    assert conf.parse(line + "\n").get("k") == value


def test_comments_and_blank_lines_are_passed_over() -> None:
    assert conf.parse("# a = 1\n\n   # b = 2\nc = 3\n").settings[0].name == "c"


def test_the_last_one_counts() -> None:
    assert conf.parse("a = 1\na = 2\n").get("a") == "2"


def test_odd_text_never_raises() -> None:
    for text in ("}", "a {", "{", "= =", "!include", "\\", "\0", "a b c d {\n}"):
        conf.parse(text)


def test_no_repr_shows_a_value() -> None:
    assert "s3cret" not in repr(conf.parse("password = s3cret\nb x {\n y = s3cret\n}\n"))


def test_includes_in_order_with_their_own_places(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "1.conf").write_text("a = 1\n")
    (tmp_path / "conf.d" / "2.conf").write_text("\na = 2\n")
    main = tmp_path / "main.conf"
    main.write_text("!include conf.d/*.conf\n!include_try absent.conf\nb = 3\n")
    tree = conffiles.read(main)
    found = tree.find("a")
    assert found is not None
    assert (found.value, found.place) == ("2", f"{tmp_path}/conf.d/2.conf:2")
    assert tree.get("b") == "3"


def test_a_loop_of_includes_ends(tmp_path: Path) -> None:
    main = tmp_path / "main.conf"
    main.write_text("a = 1\n!include main.conf\n")
    assert conffiles.read(main).get("a") == "1"


def test_an_unreadable_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CannotObserve, match=r"absent: cannot be read \(No such file or directory\)\."):
        conffiles.read(tmp_path / "absent")
