"""Settings that 2.4's doveconf prints in blocks of their own are found by their names."""

from collections.abc import Callable

import pytest

from mailauth.dovecot import conf
from mailauth.dovecot.doveadm import at_pid
from mailauth.dovecot.site import read_config
from mailauth.lab import Lab
from mailauth.load.defences import defences
from tests.cli.running import mailauth

URL = "http://127.0.0.1:1/"
BY_NAME = f"auth_policy_server_url = {URL}\nauth_policy_hash_nonce = x\nssl_client_require_valid_cert = no\n"
IN_BLOCKS = (
    f"auth_policy {{\n  server_url = {URL}\n  hash_nonce = x\n}}\n"
    "ssl_client {\n  require_valid_cert = no\n}\n"
)


@pytest.mark.parametrize("written", [BY_NAME, IN_BLOCKS], ids=["by their names", "in blocks"])
def test_a_policy_server_is_seen_however_it_is_written(
    lab: Callable[..., Lab], dovecot_version: str, written: str
) -> None:
    """on-login took the place of a policy server that was there: on 2.4 none was seen."""
    if dovecot_version.startswith("2.3") and written == IN_BLOCKS:
        pytest.skip("2.3 has no such blocks")
    with lab(dovecot_version, "sqlite", {"alice": "{PLAIN}x"}, settings=written) as one:
        dovecot = at_pid(one.master_pid, None)
        config = read_config(dovecot)
        assert config.tree.get("auth_policy_server_url") == URL
        assert config.tree.get("ssl_client_require_valid_cert") == "no"
        assert "set" in {seen.value for seen in defences(dovecot, config)}
        which = ("--pid", str(one.master_pid), "--port", str(one.free_port()))
        done = mailauth("migrate", "on-login", "enable", *which, "--accept-unprivileged-port")
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        assert f"it is set to {URL}" in done.stderr


def test_the_last_one_counts_be_it_in_a_block_or_not() -> None:
    before = conf.parse("ssl_client_ca_file = a\nssl_client {\n  ca_file = b\n}\n")
    after = conf.parse("ssl_client {\n  ca_file = b\n}\nssl_client_ca_file = a\n")
    assert (before.get("ssl_client_ca_file"), after.get("ssl_client_ca_file")) == ("b", "a")
    named = conf.parse("passdb sql {\n  driver = x\n}\noauth2 {\n  ssl_client {\n    ca_file = c\n  }\n}\n")
    assert named.get("passdb_driver") == ""
    assert named.get("oauth2_ssl_client_ca_file") == "c"
