"""The log's line of a userdb lookup that fails: read on from where the log was, and not anew."""

from collections.abc import Callable
from typing import Any

import pytest

from mailauth.probes.log_tail import read_log
from tests.proofs.story import MiB, Proof, argon2id
from tests.proofs.test_db_userdb import query, userdb

GOOD = argon2id(memory=1 * MiB)


def test_the_line_is_found_without_reading_all_again(
    proof: Callable[..., Proof], dovecot_version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A uid that is none fails the lookup; auth's line of it is quoted."""
    one = proof(dovecot_version, "pgsql", {"alice": GOOD}, protocols=("imap",))
    bad = query(one.lab).replace("65534 AS uid", "'nosuchuser' AS uid")
    userdb(one.lab, one.lab.store.place.password, bad)
    assert one.logins() == [True]
    whole: list[Any] = []

    def seen(*words: Any) -> Any:
        whole.append(words)
        return read_log(*words)

    monkeypatch.setattr("mailauth.probes.userdb_log.read_log", seen)
    (found,) = one.finds({"USERDB005"}, password=one.password)
    assert "Invalid UID value" in found.problem.says
    assert whole == []
