"""OAuth2's endpoints by https: AUTH022 judges each certificate as a real Dovecot judges it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailauth.diagnose_all import Checkup, look_at_all
from mailauth.diagnosing import Target, diagnose
from mailauth.dovecot.doveadm import at_pid
from mailauth.hashes import Password
from tests.field.chains import Part, server
from tests.field.conftest import rig as rig  # noqa: PLC0414 - the fixture, by its own name
from tests.field.rig import Rig
from tests.lab.test_stores import token_login
from tests.proofs.endpoint import endpoint
from tests.proofs.networks import Authority
from tests.proofs.story import record

TOKEN = "a-token"
_CAS = ("ca", "other")


@dataclass(frozen=True)
class Served:
    """The certificate's name ("": none), the file of CAs ("": none), and what is said; "" where it works."""

    name: str
    certificate: str
    ca: str
    says: str = ""
    host: str = "localhost"
    any_one: bool = False


CASES = (
    Served("signed by Dovecot's own CA", "good", "ca"),
    Served("for an address", "good", "ca", host="127.0.0.1"),
    Served("with its name in the subject alone", "old-style", "ca"),
    Served("signed by another CA", "good", "other", "refused: unable to get local issuer certificate"),
    Served("signed by a CA of which nothing is set", "good", "", "refused: unable to get local issuer"),
    Served("for another name", "elsewhere", "ca", "refused: Hostname mismatch"),
    Served("expired", "expired", "ca", "refused: certificate has expired"),
    Served("expired, and any is taken", "expired", "", any_one=True),
    Served("for another name, and any is taken", "elsewhere", "ca", any_one=True),
    Served("none, by plain HTTP", "", "ca", "the TLS handshake with it fails"),
    Served("with a CA whose file is gone", "good", "gone", "gone.crt: No such file or directory"),
)


def authorities(folder: Path) -> None:
    ours = Authority(folder)
    for authority, name in zip((ours, Authority(folder)), _CAS, strict=True):
        authority.publish(name)
    ours.sign("localhost", "127.0.0.1", name="good")
    ours.sign("elsewhere.example", name="elsewhere")
    ours.sign("localhost", name="expired", ends=-1)
    ours.sign("localhost", name="old-style", alternatives=False)


def settings(one: Served, port: int, folder: Path) -> Part:
    ca = f"@DIR@/{one.ca}.crt" if one.ca else ""
    asked = f"introspection_mode = auth\nintrospection_url = https://{one.host}:{port}/oauth\n"
    old = asked + (f"tls_ca_cert_file = {ca}\n" if ca else "")
    old += "tls_allow_invalid_cert = yes\n" if one.any_one else ""
    new = f"oauth2 {{\n{asked}}}\n" + (f"ssl_client_ca_file = {ca}\n" if ca else "")
    new += "ssl_client_require_valid_cert = no\n" if one.any_one else ""
    files = {"oauth.conf": old, **{f"{name}.crt": (folder / f"{name}.crt").read_text() for name in _CAS}}
    return Part("driver = oauth2\n  args = @DIR@/oauth.conf", new, files)


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.name)
def test_a_certificate_of_an_endpoint(
    rig: Callable[..., Rig], dovecot_version: str, tmp_path: Path, one: Served
) -> None:
    """With a token and without a user: the finding of the two is one, and a real login ends alike."""
    if one.ca == "gone" and dovecot_version >= "2.4":
        pytest.skip("2.4 does not start without the file")
    authorities(tmp_path)
    with endpoint() as there:
        if one.certificate:
            there.certificate = (tmp_path / f"{one.certificate}.crt", tmp_path / f"{one.certificate}.key")
        there.answers(200, {"active": True, "email": "alice"})
        told = server(
            rig, dovecot_version, settings(one, there.port, tmp_path), more="auth_mechanisms = xoauth2\n"
        )
        dovecot = at_pid(told.master_pid, None)
        assert token_login(told, "XOAUTH2", "alice", TOKEN).ok is (not one.says), told.log()
        made = diagnose(Target("alice", dovecot, Password(TOKEN.encode()), mechanism="XOAUTH2", binds=True))
        both = [made, look_at_all(Checkup(dovecot)).diagnosis]
    for each in both:
        assert {found.rule.code for found in each.findings} == ({"AUTH022"} if one.says else set()), one.name
        assert not each.findings or one.says in each.findings[0].problem.says
    record(told, f"the certificate of OAuth2's endpoint is {one.name}", ("AUTH022",) if one.says else ())
