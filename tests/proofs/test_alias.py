"""USER014: an address that is forwarded, in the tables that mail stacks have for it."""

from collections.abc import Callable

import pytest

from mailauth.lab.stores import SqlStore
from tests.proofs.story import SECRET, MiB, Proof, argon2id

GOOD = argon2id(memory=1 * MiB)
Make = Callable[..., Proof]
TABLES = {
    "sqlite": ("aliases", "source", "destination"),
    "mysql": ("alias", "address", "goto"),
    "pgsql": ("forwardings", "address", "forwarding"),
}


@pytest.mark.parametrize("kind", TABLES)
def test_user014(proof: Make, dovecot_version: str, kind: str) -> None:
    told = proof(dovecot_version, kind, {"alice@example.org": GOOD})
    store = told.lab.store
    assert isinstance(store, SqlStore)
    table, start, end = TABLES[kind]
    name = f"`{table}`" if kind == "mysql" else f'"{table}"'
    store.execute(f"CREATE TABLE {name} ({start} VARCHAR(99), {end} VARCHAR(99))")
    rows = {
        "sales@example.org": "alice@example.org",
        "alice@example.org": "alice@example.org",
        "gone@example.org": "gone@example.org",
    }
    for address, goes in rows.items():
        store.execute(f"INSERT INTO {name} VALUES ('{address}', '{goes}')")

    assert not told.lab.login("sales@example.org", SECRET).ok
    told.user = "sales@example.org"
    [found] = told.finds({"USER014"}, password=SECRET)
    assert "'alice@example.org'" in found.problem.says
    told.user = "gone@example.org"  # forwarded to itself: the mailbox is missing
    told.finds({"USER001"}, password=SECRET)
    told.user = "alice@example.org"
    assert told.logins() == [True]
    told.finds(set(), password=SECRET)
