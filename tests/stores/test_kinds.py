"""Which conditions of a password query say what a row is."""

import pytest

from mailauth.stores.kinds import of_kind

KINDS = [
    *(
        "kind = 'mailbox'",
        "type = 1",
        "is_alias = 0",
        "object_type IN (1, 2)",
        "usertype <> 3",
        "NOT is_list",
    ),
    *(
        "name = 'password'",
        "prop_name LIKE 'pass%'",
        "`class` = 'person'",
        "status = 'mailbox'",
        "role = 'x'",
    ),
]
FLAGS = [
    *("active = 1", "active = '1'", "enabled = 'Y'", "NOT disabled", "deleted IS NULL", "status = 'active'"),
    *(
        "expires > NOW()",
        "expires > '2024-01-31 12:00:00'",
        "locked = 'no'",
        "quota > 0",
        "allow_imap = true",
    ),
    *("listed = 1", "grouped = 0", "classy = 1"),
]


@pytest.mark.parametrize("condition", KINDS)
def test_it_says_what_a_row_is(condition: str) -> None:
    assert of_kind(condition)


@pytest.mark.parametrize("condition", FLAGS)
def test_it_says_whether_a_row_counts(condition: str) -> None:
    assert not of_kind(condition)
