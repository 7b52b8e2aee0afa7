"""The last line of a diagnosis with logins: what they showed, and no more."""

from collections.abc import Callable

from mailauth.lab import Lab
from tests.cli.running import mailauth
from tests.proofs.story import SECRET, MiB, argon2id

GOOD = argon2id(memory=1 * MiB)


def test_a_network_that_leads_elsewhere_is_not_after_auth(
    lab: Callable[..., Lab], dovecot_version: str
) -> None:
    """The client's connection ends before auth; our own logins, on this machine, worked."""
    with lab(dovecot_version, "passwd-file", {"alice": GOOD}, protocols=("imap",)) as one:
        words = ("diagnose", "alice", "--login", "--password-stdin", "--pid", str(one.master_pid))
        told = mailauth(*words, "--host", "127.0.0.1:1", feed=SECRET.decode()).stdout
        assert "BLOCKS LOGIN  NET" in told, told
        assert "auth takes the password, and a session of our own works. " in told.splitlines()[-1]
        told = mailauth(*words, feed=SECRET.decode()).stdout
        assert told.splitlines()[-1].startswith("The login works. "), told
