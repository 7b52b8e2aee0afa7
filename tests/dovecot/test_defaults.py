"""The default password scheme: what the table says, and what the real Dovecot takes."""

from collections.abc import Callable

import pytest

from mailauth.dovecot.as_if import as_if
from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.doveadm import at_pid
from mailauth.dovecot.site import read_config
from mailauth.dovecot.version import Version
from mailauth.lab import Lab

# One password, stored as each scheme that is anywhere the default would have it
AS = {"plain": "secret", "md5": "5ebe2294ecd0e0f08eab7690d2a6ee69", "crypt": "$5$abcdefgh$"}
AS["crypt"] += "gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM."


def _taken(lab: Lab) -> list[str]:
    return [scheme.upper() for scheme in AS if lab.login(scheme, b"secret").ok]


def _read(lab: Lab) -> AuthConfig:
    return read_config(at_pid(lab.master_pid, None))


@pytest.mark.parametrize("kind", ["passwd-file", "sqlite"])
def test_the_default_scheme(dovecot_version: str, kind: str, lab: Callable[..., Lab]) -> None:
    own = Version.parse(dovecot_version)
    asked = [None, "2.4.0"] if own > Version(2, 4, 1) else [None]
    for config_version in asked:
        with lab(dovecot_version, kind, AS, config_version=config_version) as one:
            [passdb] = _read(one).passdbs
            assert (_taken(one), passdb.scheme_set) == ([passdb.default_scheme], False)


@pytest.mark.dovecot(">= 2.4")
def test_one_that_is_set_for_all_counts_for_all_but_static(
    dovecot_version: str, lab: Callable[..., Lab]
) -> None:
    top = "passdb_default_password_scheme = MD5\npassdb st {\n  driver = static\n"
    settings = f"{top}  passdb_static_password = secret\n}}\n"
    with lab(dovecot_version, "sqlite", AS, settings, config_version="2.4.0") as one:
        sql, static = _read(one).passdbs
        assert (sql.default_scheme, sql.scheme_set) == ("MD5", True)
        assert (static.default_scheme, static.scheme_set) == ("PLAIN", False)
        assert static.source.password == "secret"  # type: ignore[union-attr]
        assert one.login("md5", b"secret").ok
        assert one.login("nobody", b"secret").ok


@pytest.mark.dovecot(">= 2.4.3")
def test_the_binary_alone_changes_no_default_of_a_file(dovecot_version: str, lab: Callable[..., Lab]) -> None:
    with lab("2.4.1", users=AS) as one:
        config = as_if(_read(one), Version.parse(dovecot_version))
        text = one.config.read_text()
    assert (config.passdbs[0].default_scheme, config.config_version) == ("PLAIN", Version(2, 4, 1))
    with lab(dovecot_version, users=AS) as one:
        one.config.write_text(text.replace(_folder(text), str(one.folder)))
        one.restart()
        assert _taken(one) == ["PLAIN"]


def _folder(text: str) -> str:
    [line] = [line for line in text.splitlines() if line.startswith("base_dir = ")]
    return line.removeprefix("base_dir = ").removesuffix("/run")
