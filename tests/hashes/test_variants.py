"""The near variants of a password: a short list, each once, and nothing guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailauth.hashes import Password
from mailauth.hashes.layouts import retyped
from mailauth.hashes.variants import Change, Variant, variants


@given(st.binary(max_size=300))
def test_the_list_is_short_and_never_the_password(raw: bytes) -> None:
    """Of any bytes, also such as are no UTF-8."""
    given_password = Password(raw)
    found = variants(given_password)
    texts = [one.password.text for one in found]
    assert len(found) <= 80
    assert len(set(texts)) == len(texts)
    assert given_password.text not in texts
    assert b"" not in texts


def _of(text: str) -> list[Variant]:
    return variants(Password.of(text))


@given(st.text(alphabet="\u00e9\u0416\u6f22", min_size=12, max_size=60))
def test_how_says_nothing_of_the_password(text: str) -> None:
    """None of its characters is in any of the sentences."""
    assert not any(char in one.how for one in _of(text) for char in text)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("zyx", "yzx"), ("qwerty!@", "azerty12"), ("gfhjkm", "\u043f\u0430\u0440\u043e\u043b\u044c")],
)
def test_layouts(typed: str, meant: str) -> None:
    assert meant in {text for text, _ in retyped(typed)}


def test_lookalikes_of_a_long_password_are_cut() -> None:
    cut = {len(one.password.raw) for one in _of("x" * 300) if one.change is Change.CUT}
    assert {72, 8, 255} <= cut
