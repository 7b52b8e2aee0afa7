"""A uid or gid as a row of a store gives it: whoever wrote the row may have written anything."""

import pytest

from mailauth.dovecot.doveadm import Installation
from mailauth.probes import accounts


@pytest.mark.parametrize("name", ["\u00b2", "\u0661\u0662", "9" * 5000, "a\0b", "\0", "1\n", "-1", "\udc80"])
@pytest.mark.parametrize("table", ["passwd", "group"])
def test_what_is_no_number_is_no_number(name: str, table: str) -> None:
    """Digits of other scripts are none to Dovecot, which takes them for a name then."""
    assert accounts.number(Installation(), name, table) is None


def test_a_number_is_one() -> None:
    assert accounts.number(Installation(), "012", "passwd") == 12
