"""Queries whose answer depends on the client: its TLS, its address, its port."""

from collections.abc import Callable

import pytest

from mailauth.dovecot.authsocket import AuthSocket
from tests.field.rig import Rig
from tests.field.stacks import SECRET, by_name
from tests.proofs.story import Proof


def logs_in(rig: Rig, user: str, *client: str, address: str = "") -> bool:
    with AuthSocket(rig.auth_socket) as auth:
        return auth.plain(user, SECRET.encode(), client=client, address=address).ok


def test_a_column_for_tls_is_missing(server: Callable[..., Rig]) -> None:
    """A condition on "enable%Ls%Lc": with TLS another column is asked for than without."""
    stack = by_name("iredmail")
    rig = server(stack)
    rig.edit("dovecot.conf", "ssl = no", "ssl = yes\nssl_cert = </dev/null\nssl_key = </dev/null")
    rig.sql("ALTER TABLE mailbox DROP COLUMN enableimaptls")
    rig.restart()
    assert logs_in(rig, stack.user, "secured")
    assert not logs_in(rig, stack.user, "secured=tls")
    proof = Proof(rig, stack.user, SECRET.encode())
    found = {one.rule.code: one for one in proof.look(password=SECRET.encode()).diagnosis.findings}
    assert "enableimaptls" in found["DB004"].problem.says
    assert "with %{secured} = 'TLS'" in found["DB004"].problem.says
    assert not {"USER001", "USER007", "PASS001", "USERDB005"} & found.keys()


@pytest.mark.parametrize("address", ["", "127.0.0.9", "198.51.100.7"])
def test_a_condition_on_the_address(server: Callable[..., Rig], address: str) -> None:
    """Who may not come from one address: said of that address, and silent for a client named elsewhere."""
    stack = by_name("vpopmail")
    rig = server(stack)
    rig.sql("UPDATE vpopmail SET pw_gid = 16")
    assert logs_in(rig, stack.user, "secured", address="198.51.100.7")
    assert not logs_in(rig, stack.user, "secured", address="127.0.0.9")
    proof = Proof(rig, stack.user, SECRET.encode(), address=address)
    finds = {"": {"USER015"}, "127.0.0.9": {"USER007"}, "198.51.100.7": set()}[address]
    found = proof.finds(finds, password=SECRET.encode())
    assert all("127.0.0.9" in one.problem.says for one in found)
