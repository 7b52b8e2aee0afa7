"""Numbers of strangers: other scripts' digits, signs, and too many of them are none."""

import pytest

from mailauth import digits
from mailauth.cli.shared.values import host_and_port
from mailauth.dovecot import sizes
from mailauth.dovecot.doveadm import Identity, Installation
from mailauth.errors import UsageError
from mailauth.stores import shadow

_HOSTILE = (
    *("\u00b2", "\u0661\u0662", "\uff11", "1_0", "+1", "-1", " 1"),
    *("", "9" * 21, "9" * 5000, "0x1"),
)


@pytest.mark.parametrize("text", _HOSTILE)
def test_what_is_no_number(text: str) -> None:
    assert digits.number(text) is None
    assert shadow.account(f"alice:x:{text}:1000::/:\n", "alice") is None
    assert shadow.account(f"alice:x:1000:{text}::/:\n", "alice") is None


@pytest.mark.parametrize("text", ["\u00b2", "\u0661\u0662", "1_0", "9" * 5000])
def test_an_option_that_is_no_number(text: str) -> None:
    with pytest.raises(UsageError):
        host_and_port(f"mail.example.org:{text}")
    with pytest.raises(UsageError):
        sizes.parse_size(text)


def test_what_is_one() -> None:
    assert digits.number("1\n") is None
    assert [digits.number(one) for one in ("0", "007", b"12", str(2**64 - 1))] == [0, 7, 12, 2**64 - 1]


def test_a_table_whose_owner_is_hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    """One row that is none takes no other away."""
    tables = {
        "/etc/passwd": "evil:x:\u00b2:\u0661::/:\nmail:x:8:12::/:\n",
        "/etc/group": "evil:x:\u0663:mail\nvmail:x:5000:mail\nbad:x:1_0:mail\n",
    }
    monkeypatch.setattr(Installation, "read", lambda _, name: tables[name])
    assert Installation().identity("evil") is None
    assert Installation().identity("mail") == Identity(8, 12, (12, 5000))
    assert (Installation().group("evil"), Installation().group("vmail")) == (None, 5000)
