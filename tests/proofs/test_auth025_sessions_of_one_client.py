"""AUTH025 on a real Dovecot: one login works, a client with several sessions is refused, and is mended."""

import imaplib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.proofs.story import SECRET, Fault, MiB, Proof, argon2id

GOOD = argon2id(memory=1 * MiB)
NAME = "mail_max_userip_connections"
FAULTS = [
    Fault(f"{NAME} = 4\n", name="one address may have 4 sessions"),
    Fault(f"protocol imap {{\n  {NAME} = 1\n}}\n", name="one address may have 1 session of imap"),
]
FINE = ("5", "0", "10")


@contextmanager
def sessions(told: Proof, count: int) -> Iterator[None]:
    """So many at once, as one client has them.  Raises imaplib.IMAP4.error for one that is refused."""
    with ExitStack() as stack:
        for _ in range(count):
            link = imaplib.IMAP4("127.0.0.1", told.lab.ports["imap"], timeout=30)
            stack.callback(link.shutdown)
            link.login(told.user, SECRET.decode())
        yield


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_auth025(proof: Callable[..., Proof], dovecot_version: str, fault: Fault) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD}, protocols=("imap",))
    told.story(fault, {"AUTH025"}, answers=[True])
    with sessions(told, 5):
        pass


def test_a_client_is_refused(proof: Callable[..., Proof], dovecot_version: str) -> None:
    """With 4 the fifth session is turned away, and from then on AUTH019 says more."""
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD}, protocols=("imap",))
    told.lab.configure(FAULTS[0].settings)
    told.lab.reload()
    with sessions(told, 4):
        with pytest.raises(imaplib.IMAP4.error, match="Maximum number of connections"), sessions(told, 1):
            pass
        told.finds({"AUTH019"})


@pytest.mark.parametrize("most", FINE)
def test_enough_is_not_told(proof: Callable[..., Proof], dovecot_version: str, most: str) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD}, protocols=("imap", "pop3"))
    told.lab.configure(f"{NAME} = {most}\nprotocol pop3 {{\n  {NAME} = 1\n}}\n")
    told.lab.reload()
    told.finds(set())
