"""The near variants of a password: a short list, each once, and nothing guessed."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailauth.hashes import Password
from mailauth.hashes.layouts import retyped
from mailauth.hashes.shellwords import words
from mailauth.hashes.variants import Change, Variant, variants


@given(st.binary(max_size=300))
def test_the_list_is_short_and_never_the_password(raw: bytes) -> None:
    """Of any bytes, also such as are no UTF-8."""
    given_password = Password(raw)
    found = variants(given_password)
    texts = [one.password.text for one in found]
    assert len(found) <= 140
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


SHELLED = ["two words", 'a"b', 'a"b c"d', "it's two's", "a\\b\\\\c", "a$HOME1x", "${none}x", "x#y", "x #y",
           "a=b", "a'b\\c'd", '"a\\"b"', "caf\u00e9 au lait", "a~b", "$1two", "x$@y"]  # fmt: skip


@pytest.mark.parametrize("text", SHELLED)
def test_a_shell_reads_it_so(text: str) -> None:
    """The real sh, without variables, prints the first word that we say."""
    for written in (text, f'"{text}"', f"'{text}'"):
        ran = subprocess.run(
            ["/bin/sh", "-c", f"printf '[%s]' {written}"],
            capture_output=True,
            check=False,
            env={},
        )
        if ran.returncode:
            continue  # a quote that nothing closes
        said = ran.stdout.decode()
        assert said == "".join(f"[{word}]" for word in words(written) or [""]), written


@pytest.mark.parametrize(
    ("typed", "hashed", "change"),
    [
        ("correct horse battery", "correct", Change.CUT),
        ('"quoted"', "quoted", Change.ESCAPED),
        ("it's", "its", Change.ESCAPED),
        ('say "hi" twice', "say hi twice", Change.ESCAPED),
        ("a\\b", "ab", Change.ESCAPED),
        ("pa$word", "pa", Change.ESCAPED),
        ("pa$$word", "pa$word", Change.ESCAPED),
        ("pa$word", "pa$$word", Change.ESCAPED),
        ("a#b", "a", Change.CUT),
        ("a;b", "a", Change.CUT),
        ("a&b", "a", Change.CUT),
        ("a|b", "a", Change.CUT),
        ("a:b", "a", Change.CUT),
        ("user@pass", "user", Change.CUT),
        ("a,b", "a", Change.CUT),
        ("wow!", "wow\\!", Change.ESCAPED),
        ("a`b`c", "ac", Change.ESCAPED),
        ("a%20b", "a b", Change.ESCAPED),
        ("a+b", "a b", Change.ESCAPED),
        ("a&amp;b", "a&b", Change.ESCAPED),
        ("a&b", "a&amp;b", Change.ESCAPED),
        ("it's", "it&#039;s", Change.ESCAPED),
        ('a"b', 'a""b', Change.ESCAPED),
        ("it''s", "it's", Change.ESCAPED),
        ("it's", "it''s", Change.ESCAPED),
        ("a\\tb", "a\tb", Change.ESCAPED),
        ("\u00e9t\u00e9", "\\u00e9t\\u00e9", Change.ESCAPED),
        ("0123", "83", Change.ESCAPED),
        ("0123", "123", Change.ESCAPED),
        ("yes", "True", Change.ESCAPED),
        ("null", "None", Change.ESCAPED),
        ("12:30", "750", Change.ESCAPED),
        ("1e3", "1000.0", Change.ESCAPED),
        ("a^b", "ab", Change.ESCAPED),
        ("a%PATH%b", "ab", Change.ESCAPED),
        ("$ecret", "cret", Change.ESCAPED),
        ("p@ssword1", "p", Change.CUT),
        ("<secret>", "secret", Change.ESCAPED),
        ("a<b>c", "ac", Change.ESCAPED),
        ("secret.", "secret", Change.ESCAPED),
        ("secret", "secretsecret", Change.ESCAPED),
        ("secret", "c2VjcmV0", Change.ESCAPED),
        ("c2VjcmV0", "secret", Change.ESCAPED),
        ("it's", "it\u2019s", Change.CHARSET),
        ("a--b", "a\u2014b", Change.CHARSET),
        ("a  b", "a b", Change.BLANKS),
        ("Secret", "secret", Change.CASE),
        ("secret", "\ufeffsecret", Change.BLANKS),
    ],
)  # fmt: skip
def test_what_tools_leave_of_a_password(typed: str, hashed: str, change: Change) -> None:
    found = {one.password.raw: one.change for one in _of(typed)}
    assert found.get(hashed.encode()) is change
