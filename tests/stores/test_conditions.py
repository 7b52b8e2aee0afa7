"""Which conditions of a password query are about the user, which join tables, and what is left of a query."""

import pytest

from mailauth.errors import CannotObserve
from mailauth.stores import conditions, grouping, loosened
from mailauth.stores.query import user_of

JOINED = (
    "SELECT m.password FROM mailbox m, domain WHERE m.username='%u' AND m.\"enable%Ls%Lc\"=1"
    " AND m.domain=domain.domain AND domain.active=1"
)


def kinds(query: str) -> list[tuple[str, str]]:
    parts = [part for segment in conditions.read(query) for part in segment.parts]
    return [("user" if part.of_user else "join" if part.joins else "beside", part.text) for part in parts]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (
            JOINED,
            [
                ("user", "m.username='%u'"),
                ("beside", 'm."enable%Ls%Lc"=1'),
                ("join", "m.domain=domain.domain"),
                ("beside", "domain.active=1"),
            ],
        ),
        (
            (
                "SELECT password FROM mailbox LEFT JOIN domain ON mailbox.domain = domain.name"
                " AND domain.on = 1 WHERE (login = '%u' OR email = '%u')"
                " AND (SELECT on FROM domain WHERE name = '%d') = 1 AND age BETWEEN 1 AND 9 ORDER BY 1"
            ),
            [
                ("join", "mailbox.domain = domain.name"),
                ("beside", "domain.on = 1"),
                ("user", "(login = '%u' OR email = '%u')"),
                ("beside", "(SELECT on FROM domain WHERE name = '%d') = 1"),
                ("beside", "age BETWEEN 1 AND 9"),
            ],
        ),
        (
            (
                "SELECT password FROM (SELECT a AS password FROM t WHERE `n` = '%n' AND d = '%d'"
                " AND x = 'a AND b' UNION SELECT b FROM u WHERE LOWER(name) = '%Lu') AS both"
            ),
            [
                ("user", "`n` = '%n'"),
                ("user", "d = '%d'"),
                ("beside", "x = 'a AND b'"),
                ("user", "LOWER(name) = '%Lu'"),
            ],
        ),
        (
            (
                "SELECT password FROM t WHERE n = '%{user | username | lower}' AND '%{user | domain}' IN"
                " (SELECT d FROM domains WHERE on) AND CASE WHEN a AND b THEN 1 ELSE 0 END = 1"
            ),
            [
                ("user", "n = '%{user | username | lower}'"),
                ("beside", "'%{user | domain}' IN (SELECT d FROM domains WHERE on)"),
                ("beside", "CASE WHEN a AND b THEN 1 ELSE 0 END = 1"),
            ],
        ),
        ("SELECT password FROM t WHERE a = '%u' OR b = '%u'", [("user", "a = '%u' OR b = '%u'")]),
        ("SELECT password FROM t WHERE active = 1", [("beside", "active = 1")]),
    ],
)
def test_kinds(query: str, found: list[tuple[str, str]]) -> None:
    assert kinds(query) == found


def test_joins_stay() -> None:
    told = loosened.without(JOINED, loosened.beside_the_name(JOINED))
    assert told.endswith("WHERE m.username='%u' AND 1 = 1 AND m.domain=domain.domain AND 1 = 1")
    assert loosened.beside_the_name("SELECT password FROM t WHERE active = 1") == ()


def test_all_rows_of_joined_tables() -> None:
    rows = grouping.rows_of(JOINED, "here")
    assert rows.tables == "mailbox m, domain WHERE m.domain=domain.domain AND domain.active=1"
    assert not rows.single  # the service picks one of several rows, perhaps
    with pytest.raises(CannotObserve, match="joined"):
        grouping.rows_of("SELECT password FROM a, b WHERE a.x = '%u' AND b.y = '%d'", "here")


@pytest.mark.parametrize(
    ("query", "user"),
    [
        ("SELECT password FROM t WHERE name = '%n' AND dom = '%d'", "CONCAT(name, '@', dom)"),
        (
            "SELECT userid AS username, domain, password FROM t WHERE userid = '%n'",
            "CONCAT(userid, '@', domain)",
        ),
        (
            "SELECT password FROM t WHERE n = '%{user | username | lower}' AND d = '%{user | domain}'",
            "CONCAT(n, '@', d)",
        ),
        ("SELECT password FROM t WHERE name = '%Lu'", "name"),
        ("SELECT password FROM t WHERE name = '%n'", "name"),
        ("SELECT email AS user, password FROM t WHERE login = '%u'", "email"),
    ],
)
def test_who_a_row_is_for(query: str, user: str) -> None:
    assert user_of(query) == user
