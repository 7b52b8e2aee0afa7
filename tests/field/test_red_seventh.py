"""What a seventh look found: the auth cache without a login of our own, and what a directory brings along."""

import imaplib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.field.chains import Part, ldap, server, sqlite
from tests.field.directory import Directory
from tests.field.rig import Rig
from tests.field.test_red_other import GOOD, USER, codes, said, session
from tests.proofs.story import heads, record_of

MakeRig = Callable[..., Rig]
_VERSIONS = pytest.mark.parametrize("version", ["2.3.19.1", "2.4.1"])


@_VERSIONS
def test_a_user_who_is_new_while_the_cache_says_that_there_is_none(rig: MakeRig, version: str) -> None:
    """The store has the right hash, and the log the failures: that is not nothing, nor a wrong password."""
    one = server(rig, version, sqlite(), rows={}, more="auth_cache_size = 1M\n")
    for new in (True, False):
        with pytest.raises(imaplib.IMAP4.error), session(one):
            pass
        if new:
            one.sql(f"INSERT INTO accounts VALUES ('{USER}', '{GOOD}')")
    told = said(one, "--password-stdin")
    assert "RISK AUTH020" in told, told
    assert "auth's cache (auth_cache_size) still says that there is no such user" in told
    record_of(version, "sqlite", "the cache says of a new user that there is none", heads(told))
    assert one.run("doveadm", "auth", "cache", "flush").returncode == 0
    with session(one):
        pass
    assert codes(one, "--password-stdin") == {}


_PREFETCH = {"2.3.19.1": "userdb {\n  driver = prefetch\n}\n", "2.4.1": "userdb prefetch {\n}\n"}


@_VERSIONS
def test_a_directory_that_brings_along_the_userdbs_fields(rig: MakeRig, tmp_path: Path, version: str) -> None:
    """From attributes of the entry, by prefetch: healthy and decided; root's uid is named."""
    with Directory(tmp_path / "directory", {USER: GOOD}) as directory:
        part = ldap(directory, bind=False)
        home = "    userdb_home = @DIR@/mail/%{ldap:uid}\n    userdb_uid = 5000\n    userdb_gid = 5000\n"
        old = ",uid=userdb_home=@DIR@/mail/%$,=userdb_uid=5000,=userdb_gid=5000\n"
        files = {name: f"{text.removesuffix(chr(10))}{old}" for name, text in part.files.items()}
        new = part.new.replace("  fields {\n", f"  fields {{\n{home}")
        one = server(rig, version, Part(part.old, new, files), userdb=(_PREFETCH[version], {}))
        with session(one):
            pass
        assert "0 undecided" in said(one, "--password-stdin", status=0)
        name = "ldap.conf" if version < "2.4" else "dovecot.conf"
        sign = "=" if version < "2.4" else " = "
        one.edit(name, f"userdb_uid{sign}5000", f"userdb_uid{sign}0")
        one.restart()
        told = said(one, "--password-stdin")
        assert "BLOCKS LOGIN USERDB003" in told, told
        record_of(version, "ldap", "a directory brings along root's uid", heads(told))
