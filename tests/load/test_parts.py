"""Schedules, mixes, tables of latencies, users files: no server."""

import io
import itertools
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailauth.errors import UsageError
from mailauth.hashes import Password
from mailauth.load.imappool import _context
from mailauth.load.plan import ImapTarget
from mailauth.load.schedule import Always, Ramp, fixed
from mailauth.load.tally import REFUSED, WRONG_LET_IN, Latencies, LoadTally
from mailauth.load.users import Account, Mix, read_accounts

rates = st.floats(0.1, 10_000)


@given(rates, rates, st.floats(0.1, 100))
def test_a_ramp_is_due_when_it_says(rate: float, to: float, seconds: float) -> None:
    """``due`` and ``due_by`` are each other's inverse, and as many are due as the rates come to."""
    ramp = Ramp(rate, to, seconds)
    whole = ramp.due_by(seconds)
    assert abs(whole - (rate + to) / 2 * seconds) <= 1.01
    for number in {0, whole // 3, whole // 2, whole - 1}:
        at = ramp.due(number)
        assert 0 <= at <= seconds + 1e-6
        assert ramp.due_by(at + 1e-5) >= number + 1


def test_a_fixed_rate_is_even() -> None:
    schedule = fixed(40.0, 10.0)
    assert [schedule.due(n) for n in range(4)] == [0.0, 0.025, 0.05, 0.075]
    assert schedule.due_by(10.0) == 400


def test_a_closed_loop_is_always_due() -> None:
    assert Always(1.0).due_by(0.0) > 1 << 60
    assert Always(1.0).due(7) == 0.0


@pytest.mark.parametrize(("share", "wrong"), [(0.0, 0), (0.25, 250), (0.1, 100), (1.0, 1000)])
def test_the_share_of_wrong_passwords_is_kept_and_each_user_has_a_turn(share: float, wrong: int) -> None:
    mix = Mix([Account(f"u{n}", Password.of("x")) for n in range(3)], share)
    taken = [mix.take() for _ in range(1000)]
    assert abs(sum(bad for _, bad in taken) - wrong) <= 1
    assert [index for index, _ in taken[:7]] == [0, 1, 2, 0, 1, 2, 0]
    if share == 0.25:
        assert [bad for _, bad in itertools.islice(taken, 8)] == [False, False, False, True] * 2


def test_latencies_keep_three_digits_in_bounded_memory() -> None:
    table = Latencies()
    for number in range(1, 10_001):
        table.add(number / 1000)
    told = table.latency()
    for seen, true in ((told.p50, 5.0), (told.p95, 9.5), (told.p99, 9.9), (told.most, 10.0)):
        assert abs(seen - true) <= true * 0.002
    assert told.count == 10_000
    table.add(-1.0)
    table.add(1e9)
    assert 599 < table.at(100) <= 601


def test_each_outcome_is_in_one_place() -> None:
    tally = LoadTally(Latencies(), limit=1.0)
    tally.sent = 7
    tally.answer(1, ok=True, wrong=False, reason="", took=0.1)
    tally.answer(2, ok=True, wrong=False, reason="", took=2.0)
    tally.answer(3, ok=False, wrong=False, reason="temp_fail", took=0.1)
    tally.answer(4, ok=False, wrong=True, reason=REFUSED, took=0.5)
    tally.answer(5, ok=True, wrong=True, reason="", took=0.5)
    tally.answer(6, ok=False, wrong=True, reason="temp_fail", took=0.5)
    tally.lose(7, "the connection was closed")
    counts = tally.counts()
    assert (counts.ok, counts.refused, counts.unsent) == (2, 1, 0)
    assert counts.failed == {"temp_fail": 2, WRONG_LET_IN: 1}
    assert counts.lost == {"the connection was closed": 1}
    assert counts.answered == 6
    assert tally.slow == 1
    assert (tally.right.count, tally.wrong.count) == (3, 3)


def test_reasons_are_bounded() -> None:
    tally = LoadTally(Latencies())
    for number in range(1000):
        tally.lose(number, f"reason {number}")
    assert len(tally.lost) <= 31
    assert tally.lost.total() == 1000


def test_a_users_file_is_a_csv() -> None:
    text = b'\xef\xbb\xbfpassword,user\r\n"a,b",alice\r\nsecret,bob\r\n'
    accounts = read_accounts(io.BytesIO(text), "users.csv")
    assert [(one.user, one.password.raw) for one in accounts] == [("alice", b"a,b"), ("bob", b"secret")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "users.csv: has no users; write one user,password a line."),
        (
            b"alice\n",
            (
                "users.csv: line 1: wants a user and a password,"
                " in quotes where a comma or a quote is part of it."
            ),
        ),
        (b"alice,\n", "users.csv: line 1: the user or the password is empty."),
        (
            b"alice,x\nbob," + b"y" * 5000,
            "users.csv: line 2: user and password are longer than Dovecot reads.",
        ),
        (b"alice,a\0b\n", "users.csv: line 1: a NUL cannot be sent to Dovecot."),
    ],
)
def test_a_users_file_that_is_none_is_one_sentence_without_a_password(text: bytes, says: str) -> None:
    with pytest.raises(UsageError) as why:
        read_accounts(io.BytesIO(text), "users.csv")
    assert str(why.value) == says


def test_certificates_are_checked_alike_on_every_python() -> None:
    """3.13 is stricter by itself than any mail client."""
    context = _context(ImapTarget("mail.example.org", 993, tls=True))
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
