"""A store's URL: what is said of it has no password in it, whatever stands there."""

import pytest

from mailauth.errors import UsageError
from mailauth.stores.url import shown, source_of

SECRET = "s3cr:t@part"


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        (f"mysql://mail:{SECRET}@db:3306/mail", "mysql://mail@db:3306/mail"),
        (f"postgresql://mail@db/mail?password={SECRET}", "postgresql://mail@db/mail"),
        ("postgresql://mail@db/mail", "postgresql://mail@db/mail"),
        ("sqlite:///srv/a@b.sqlite", "sqlite:///srv/a@b.sqlite"),
        ("passwd-file:/srv/a@b", "passwd-file:/srv/a@b"),
        ("passwd 1 (mysql)", "passwd 1 (mysql)"),
    ],
)
def test_what_is_shown(url: str, seen: str) -> None:
    assert shown(url) == seen


@pytest.mark.parametrize("odd", ["s3cr/x", "[s3cr", "s3cr\u2100", "s3cr#/", "s3cr?/"])
def test_a_url_that_cannot_be_read_shows_nothing_of_itself(odd: str) -> None:
    with pytest.raises(UsageError) as why:
        source_of(f"mysql://mail:{odd}@db/mail", None, None)
    assert "s3cr" not in str(why.value)
    assert "%2F" in str(why.value)
