"""What is wrapped keeps what it says: a blank of a value does not go with the line's end."""

import pytest

from mailauth.render.wrapped import wrap

VALUES = [" alice", "alice ", "  ", "al  ice", " a b "]
SHOWN = [quote(one) for quote in (repr, '"{}"'.format) for one in VALUES] + [repr("o'brien ")]


@pytest.mark.parametrize("shown", SHOWN)
def test_blanks_of_a_value(shown: str) -> None:
    """At every width, and behind every word: no line begins or ends within them."""
    for words in range(12):
        text = f"Dovecot's users' line {'is ' * words}not read as {shown}: its name is {shown}."
        for width in range(20, 90):
            lines = wrap(text, "  ", width)
            assert sum(line.count(shown) for line in lines) == 2, lines
            assert all(line.startswith("  ") for line in lines)
    assert "\0" not in "".join(lines)


def test_what_has_no_blanks_at_its_edges_is_wrapped_as_before() -> None:
    """A long value is not one word for that it stands in quotes."""
    text = "The query is 'SELECT password FROM users WHERE userid = 1 AND active = 1 AND domain = 2' here."
    assert max(map(len, wrap(text, "", 40))) <= 40
    assert " ".join(wrap(text, "", 40)) == text
    assert wrap("one two", "     ", 20, "say  ") == ["say  one two"]
