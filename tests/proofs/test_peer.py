"""A PostgreSQL that asks the system who comes: mailauth comes as Dovecot's auth process does."""

import os
import pwd
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailauth.dovecot.doveadm import at_pid
from mailauth.finding import Certainty
from mailauth.lab import Lab, Postgres
from tests.proofs.story import MiB, Proof, argon2id
from tests.proofs.test_db import rewrite, sql, value

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become Dovecot's user")
GOOD = argon2id(memory=1 * MiB)


class Peers(Postgres):
    """Its socket lies where everyone may go; on it, the user of the system must be the database's."""

    def argv(self, program: str, data: Path) -> list[str]:
        self.sockets = Path(f"/tmp/mailauth-peer-{os.getpid()}")  # noqa: S108 - short, and in both roots
        self.sockets.mkdir()
        self.sockets.chmod(0o777)
        hba = data / "pg_hba.conf"
        hba.write_text("local all lab trust\nlocal all all peer\nhost all all 127.0.0.1/32 scram-sha-256\n")
        words = super().argv(program, data)
        return [
            f"{word},{self.sockets}" if word.startswith("--unix_socket_directories=") else word
            for word in words
        ]

    def close(self) -> None:
        super().close()
        shutil.rmtree(getattr(self, "sockets", "/nonexistent"), ignore_errors=True)


@pytest.fixture(scope="module")
def peers() -> Iterator[Peers]:
    with Peers() as server:
        yield server


def by_the_socket(lab: Lab, peers: Peers, user: str) -> None:
    """Have Dovecot use the socket, without a password, as a database user."""
    place = lab.store.place
    if lab.dialect == "2.3":
        rewrite(f"host={place.host}", f"host={peers.sockets}")(lab)
    else:
        rewrite(f"pgsql {place.host} {{", f"pgsql {peers.sockets} {{")(lab)
    rewrite(value(lab, "password", place.password), "")(lab)
    rewrite(value(lab, "user", place.user), value(lab, "user", user))(lab)


def as_the_server_sees_it(lab: Lab) -> str:
    """The name, outside of Dovecot's root, of the user that its auth runs as."""
    identity = at_pid(lab.master_pid, None).identity("dovecot")
    assert identity
    try:
        return pwd.getpwuid(identity.uid).pw_name
    except KeyError:
        pytest.skip(f"this machine has no user {identity.uid}, whom its PostgreSQL could let in")


def test_asked_as_dovecot_asks(peers: Peers, dovecot_version: str) -> None:
    with Lab(dovecot_version, "pgsql", {"alice": GOOD}, database=peers) as lab:
        told = Proof(lab)
        name = as_the_server_sees_it(lab)
        sql(
            f'DO $$ BEGIN CREATE ROLE "{name}" LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$',
            f'GRANT SELECT ON users TO "{name}"',
        )(lab)
        by_the_socket(lab, peers, name)
        lab.restart()
        assert told.logins() == [True]
        told.finds(set(), password=told.password)
        sql(f'REVOKE SELECT ON users FROM "{name}"')(lab)
        assert told.logins() == [False]
        told.finds({"DB007"}, password=told.password)


def test_another_name_is_refused(peers: Peers, dovecot_version: str) -> None:
    """Dovecot's auth runs as dovecot, and asks to be let in as somebody else."""
    with Lab(dovecot_version, "pgsql", {"alice": GOOD}, database=peers) as lab:
        told = Proof(lab)
        by_the_socket(lab, peers, "postfix")
        lab.restart()
        found = told.finds({"DB002"}, password=told.password)
        assert found[0].problem.certainty is Certainty.PROVEN
        assert "28000" in found[0].problem.says
