"""What a hostile endpoint, or a hostile token, says: an answer, and no bug of ours."""

from pathlib import Path

import pytest

from mailauth.dovecot import tokens
from mailauth.dovecot.oauth2 import OAuth2, Trust
from mailauth.errors import CannotObserve
from mailauth.probes import asking_token

_SETTINGS = OAuth2(
    "2.4",
    "here",
    "auth",
    strict=True,
    tokeninfo_url="",
    introspection_url="https://idp.example/",
    force_introspection=False,
    client_id="",
    client_secret="",
    username_format="",
    username_attribute="email",
    active_attribute="",
    active_value="",
    scope=(),
    issuers=(),
    keys="",
    trust=Trust("", ""),
    grace=0,
    older=False,
    ahead=0,
)


def test_half_of_a_character_in_an_endpoints_words() -> None:
    """No Dovecot takes such an answer, and none says why: it stays open."""
    said = tokens.HttpSaid(400, b'{"error": "no", "error_description": "\\ud800 it is"}')
    with pytest.raises(CannotObserve, match="half of a character"):
        tokens.of_response(_SETTINGS, "it", said, b"a token")


def test_a_key_that_no_file_can_have_the_name_of(tmp_path: Path) -> None:
    """From the token's kid."""
    for name in ("a\0b", "\ud800"):
        assert asking_token._key(f"{tmp_path}/{name}") == "no file can have this name\n"
