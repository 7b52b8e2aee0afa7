"""DB016 on a real Dovecot and PostgreSQL: it works, is broken, is found, is mended, and works again."""

import pytest

from mailauth.finding import Severity
from mailauth.stores.query import bare_user
from tests.proofs.story import Fault, MiB, argon2id
from tests.proofs.test_db import Make, settings

GOOD = argon2id(memory=1 * MiB)


def test_db016(proof: Make, dovecot_version: str) -> None:
    """Compared with: no user is found."""
    told = proof(dovecot_version, "pgsql", {"alice": GOOD})
    user = "%{user}" if told.lab.dialect == "2.4" else "%u"
    fault = Fault(
        name="PostgreSQL's word user in the condition",
        do=settings(f"userid = '{user}'", f"user = '{user}'"),
        undo=settings(f"user = '{user}'", f"userid = '{user}'"),
    )
    found = told.story(fault, {"DB016"}, answers=[False])
    assert found[0].severity is Severity.BLOCKS_LOGIN


@pytest.mark.parametrize(
    ("query", "selected", "compared"),
    [
        ("SELECT user, password FROM t WHERE user = '%u'", True, True),
        ("select password from t where USER='%u'", False, True),
        ("SELECT password FROM t WHERE '%u' = user", False, True),
        ("SELECT password FROM t WHERE (user = '%u' AND active)", False, True),
        ("SELECT lower(user) AS user, password FROM t WHERE name = '%u'", True, False),
        ("SELECT DISTINCT user, password FROM t", True, False),
        ("SELECT password FROM t WHERE id IN (SELECT id FROM x WHERE user = '%{user}')", False, True),
        ('SELECT "user", password FROM t WHERE "user" = \'%u\'', False, False),
        ("SELECT t.user, password FROM t WHERE t.user = '%u'", False, False),
        ("SELECT username AS user, password FROM t WHERE username = '%u'", False, False),
        ("SELECT username user, password FROM t WHERE username = '%{user}'", False, False),
        ("SELECT password FROM t WHERE note <> ' user ' AND user_name = '%u'", False, False),
        ("SELECT password /* user, */ FROM t WHERE name = '%u' -- AND user", False, False),
        ("SELECT password FROM get('%u') AS user WHERE active", False, False),
    ],
)
def test_where_the_word_is_the_role(query: str, selected: bool, compared: bool) -> None:
    assert bare_user(query) == (selected, compared)
