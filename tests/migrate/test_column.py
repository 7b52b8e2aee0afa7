"""Strings that one program made are judged together, as a column: logins are the judge."""

import json
from itertools import count, islice

import pytest

from mailauth.hashes import bare
from tests.migrate.cisco import pix
from tests.migrate.test_apply import Make, Store, migrated
from tests.migrate.test_real_judge import extra_of
from tests.migrate.test_undo import stored_of

__all__ = ["migrated"]
TYPED = {"anna": "Summer2024Garden", "bob": "katze99", "carl": "correct horse battery"}
REHASH = ("--rehash", "SSHA512")


def like_words() -> str:
    """A firewall's hash that is a password by itself: one of 200 is."""
    made = (pix(b"geheim%d" % number) for number in count())
    return next(one for one in made if not bare.at_random(one.encode()))


def cisco() -> dict[str, str]:
    made = (pix(b"secret%d" % number) for number in count())
    hashes = islice((one for one in made if bare.at_random(one.encode())), 20)
    return {f"u{number}": one for number, one in enumerate([like_words(), *hashes])}


def generated(size: int) -> dict[str, str]:
    """As long as no hash that is known: what a panel gives out, or what a program hashes."""
    return {f"u{number}": (pix(b"a%d" % number) + pix(b"b%d" % number))[:size] for number in range(12)}


def logs_in(one: Store, rows: dict[str, str]) -> bool:
    return all(one.lab.login(user, word.encode()).ok for user, word in rows.items())


@pytest.mark.parametrize(
    ("version", "store"),
    [("2.3.19.1", "mysql"), ("2.4.1", "pgsql"), ("2.3.19.1", "sqlite")],
)
def test_a_hash_that_looks_like_a_password_is_left_beside_its_like(
    migrated: Make, version: str, store: str
) -> None:
    """Also ``Summer2024Garden``, which is as long; --origin says that all are passwords."""
    hashes = cisco()
    one = migrated(version, store, {**hashes, **TYPED}, **extra_of(version, store, "PLAIN"))
    said = one.at("plan", *REHASH, status=1)
    assert "a program made most strings of 16 characters here" in said
    done = json.loads(one.at("apply", *REHASH, "--apply", "--json", status=1))
    assert (done["report"]["written"], done["left"]) == (2, len(hashes) + 1)
    now = stored_of(one)
    assert {user for user in now if (now[user] or "").startswith("{SSHA512}")} == {"bob", "carl"}
    assert logs_in(one, TYPED)
    one.at("apply", *REHASH, "--origin", "plain", "--apply")
    assert all((stored or "").startswith("{SSHA512}") for stored in stored_of(one).values())
    assert logs_in(one, TYPED | dict(list(hashes.items())[:3]))


def test_most_of_a_column_as_long_as_each_other_is_asked_about(migrated: Make) -> None:
    """Behind {PLAIN}, too; not where people's own passwords are the most."""
    made = {user: "{PLAIN}" + word for user, word in generated(20).items()}
    one = migrated("2.4.1", "sqlite", {**made, "bob": "{PLAIN}katze99"})
    done = json.loads(one.at("apply", *REHASH, "--apply", "--json", status=1))
    assert (done["report"]["written"], done["report"]["undecided"]) == (1, len(made))
    assert logs_in(one, {"bob": "katze99", "u3": made["u3"].removeprefix("{PLAIN}")})
    people = {f"p{number}": f"{{PLAIN}}Katze{number}" for number in range(30)}
    other = migrated("2.4.1", "sqlite", {**made, **people})
    assert json.loads(other.at("apply", *REHASH, "--apply", "--json"))["left"] == 0
    assert logs_in(other, {"p3": "Katze3", "u3": made["u3"].removeprefix("{PLAIN}")})
