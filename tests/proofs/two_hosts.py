"""Two hosts: a server with Dovecot and a client, each in a network of its own."""

from collections.abc import Callable
from typing import Any

from mailauth.diagnosing import Looked, Target, look
from mailauth.dovecot.doveadm import Installation, at_pid
from mailauth.finding import Finding
from mailauth.hashes import Password
from mailauth.lab import Lab
from tests.proofs.networks import Authority, Networks, imap_login
from tests.proofs.story import SECRET, MiB, Proof, argon2id, record

GOOD = argon2id(memory=1 * MiB)
SERVER, CLIENT = "198.51.100.1", "198.51.100.2"
SERVER6, CLIENT6 = "2001:db8:1::1", "2001:db8:1::2"
OWN, OWN6 = "203.0.113.7", "2001:db8:7::7"
NAME = "localhost"  # a name that has an address without a name server


class Way:
    """A lab in the namespace ``server``, and the ways that lead to it."""

    def __init__(self, nets: Networks, lab: Lab) -> None:
        self.nets, self.lab, self.told = nets, lab, Proof(lab)
        self.authority = Authority(lab.folder / "tls")

    @property
    def port(self) -> int:
        return self.lab.ports["imap"]

    def reload(self, settings: str) -> None:
        self.lab.configure(settings)
        with self.nets.inside("server"):
            self.lab.reload()

    def arrives(self, address: str, port: int = 0, *, space: str = "client", **more: Any) -> bool:
        """Whether a client can log in."""
        with self.nets.inside(space):
            return imap_login(address, port or self.port, "alice", SECRET, **more)

    def look(self, *, space: str = "server", dovecot: Installation | None = None, **more: Any) -> Looked:
        with self.nets.inside(space):
            where = dovecot or at_pid(self.lab.master_pid, None)
            return look(Target("alice", where, Password(SECRET), **more))

    def finds(self, *codes: str, name: str = "", **more: Any) -> list[Finding]:
        """Exactly these, and nothing undecided.  ``name``: a line for the matrix."""
        diagnosis = self.look(**more).diagnosis
        assert [f"{one.rule.code}: {one.missing.reason}" for one in diagnosis.undecided] == []
        assert [one.rule.code for one in diagnosis.findings] == list(codes), [
            one.problem.says for one in diagnosis.findings
        ]
        if name:
            record(self.lab, name, codes)
        return list(diagnosis.findings)

    def paste(self, findings: list[Finding]) -> None:
        with self.nets.inside("server"):
            self.told.paste(findings)


Start = Callable[..., Way]

EVERYWHERE = "listen = *, ::\n"
