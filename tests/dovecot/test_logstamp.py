"""The date and time at the beginning of a log line."""

from datetime import datetime

import pytest

from mailauth.dovecot.logcensus import Census
from mailauth.dovecot.logs import parse_line
from mailauth.dovecot.logstamp import Stamps, stamp_pattern
from tests.dovecot.test_logs import FAILED, NOW


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("%b %d %H:%M:%S ", "Nov 23 14:58:19 "),
        ("%Y-%m-%d %H:%M:%S ", "2026-11-23 14:58:19 "),
        ("%FT%T%z ", "2026-11-23T14:58:19+0000 "),
        ("%d.%m.%Y %H:%M:%S.%{usecs} ", "23.11.2026 14:58:19.123456 "),
        ("[%s] ", "[1795445899] "),
    ],
)
def test_the_forms_of_log_timestamp(form: str, shown: str) -> None:
    event = parse_line(shown.encode() + FAILED[16:], Stamps(NOW, own=form))
    assert event
    assert event.when
    assert (event.when.minute, event.when.second) == (58, 19)
    assert event.user == "alice"


def test_a_form_that_cannot_be_read_is_told() -> None:
    assert stamp_pattern("%c ") is None
    assert stamp_pattern("%H %H") is None


def test_a_stamp_without_a_year_is_not_of_the_future() -> None:
    event = parse_line(FAILED.replace(b"Nov 23", b"Dec 31"), Stamps(NOW))
    assert event
    assert event.when
    assert event.when.year == 2025


def test_new_year_comes_while_the_log_is_read() -> None:
    last_second = datetime(2099, 12, 31, 23, 59, 59).astimezone()
    stamps, census = Stamps(last_second), Census()
    for day in (b"Dec 31 23:59:58", b"Jan 01 00:00:01"):
        event = parse_line(day + FAILED[15:], stamps)
        assert event
        census.add(event)
    assert census.first == datetime(2099, 12, 31, 23, 59, 58).astimezone()
    assert census.last == datetime(2100, 1, 1, 0, 0, 1).astimezone()
    event = parse_line(b"Jan 01 12:00:00" + FAILED[15:], stamps)
    assert event
    assert event.when == datetime(2099, 1, 1, 12).astimezone()


def test_a_clock_that_was_set_back_turns_no_range_round() -> None:
    census = Census()
    for minute in (b"Nov 23 15:30:00", b"Nov 23 14:30:00"):
        event = parse_line(minute + FAILED[15:], Stamps(NOW))
        assert event
        census.add(event)
    assert census.first
    assert census.last
    assert (census.last - census.first).total_seconds() == 3600
