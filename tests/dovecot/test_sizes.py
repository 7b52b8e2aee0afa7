"""Sizes, limits and versions."""

import pytest

from mailauth.dovecot.sizes import parse_limit, parse_size, show_limit, show_size
from mailauth.dovecot.version import Version
from mailauth.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("256 M", 256 * 1024**2),
        ("1 k", 1024),
        ("512m", 512 * 1024**2),
        ("100MiB", 100 * 1024**2),
        ("536870913 B", 536870913),
        ("1G", 1024**3),
        ("7", 7),
    ],
)
def test_sizes_as_doveconf_writes_them(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "-1", "1.5G", "unlimited", "M", "1 X"])
def test_no_size(text: str) -> None:
    with pytest.raises(UsageError, match="is not a size"):
        parse_size(text)


def test_no_limit_has_a_word_in_each_dialect() -> None:
    assert parse_limit("0") is None
    assert parse_limit("unlimited") is None
    assert parse_limit("64M") == 64 * 1024**2


def test_sizes_as_people_read_them() -> None:
    assert show_size(256 * 1024**2) == "256 MiB"
    assert show_size(24223744) == "23.1 MiB"
    assert show_size(12 * 1024) == "12 KiB"
    assert show_size(1024**3) == "1 GiB"
    assert show_limit(None) == "no limit"


def test_versions_are_ordered_and_have_a_dialect() -> None:
    assert Version.parse("2.3.19.1 (9b53102964)") == Version(2, 3, 19, 1)
    assert Version.parse("2.3.13") < Version.parse("2.3.19.1") < Version.parse("2.4.1-4 (7d8c0e5759)")
    assert [str(Version.parse(v)) for v in ("2.4.1", "2.3.21.1", "2.4")] == ["2.4.1", "2.3.21.1", "2.4.0"]
    assert Version.parse("2.4").dialect == "2.4"
    assert Version.parse("2.3.21.1").dialect == "2.3"
    with pytest.raises(UsageError, match="is not a Dovecot version"):
        Version.parse("latest")
