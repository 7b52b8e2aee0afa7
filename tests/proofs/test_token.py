"""AUTH024: a token that was given, judged as Dovecot judges it; each verdict beside a real login by it."""

import base64
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from mailauth.diagnosing import Target, look
from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.doveadm import at_pid
from mailauth.dovecot.site import read_or_refusal
from mailauth.dovecot.tokens import TokenFault
from mailauth.dovecot.variables import values
from mailauth.errors import CannotObserve
from mailauth.evidence import TokenAnswer
from mailauth.finding import Diagnosis, Severity
from mailauth.hashes import Password
from mailauth.lab import Lab
from mailauth.lab.stores.oauth2 import Jwt, OAuth2
from mailauth.lab.stores.store import put
from mailauth.probes.asking_token import lookup, with_mechanisms
from mailauth.probes.scene import Scene
from tests.cli.running import mailauth
from tests.lab.test_stores import hashed, token_login
from tests.proofs.endpoint import endpoint
from tests.proofs.story import SECRET, Proof, record
from tests.proofs.test_behind import edited

Make = Callable[..., Proof]
TOKEN = "a-token.of/alice+1"


def judged(lab: Lab, token: str, mechanism: str = "XOAUTH2", *, login: bool = False) -> Diagnosis:
    """Nothing is undecided, no bug, and the token is nowhere in it."""
    target = Target(
        "alice",
        at_pid(lab.master_pid, None),
        Password(token.encode()),
        mechanism=mechanism,
        login=login,
        binds=True,
    )
    found = look(target).diagnosis
    assert not found.undecided, [(one.rule.code, one.missing.reason) for one in found.undecided]
    assert token not in repr(found)
    return found


def fault(found: Diagnosis) -> TokenFault | None:
    """At what it fails; exactly the one finding says so."""
    answer = next(one for one in found.evidence if isinstance(one, TokenAnswer))
    codes = [one.rule.code for one in found.findings]
    assert codes == (["AUTH024"] if answer.told.fault else []), [one.problem.says for one in found.findings]
    return answer.told.fault


@dataclass
class Group:
    """Settings, and what becomes of a token with each answer: status, body, fault on 2.3.19.1 and on 2.4."""

    settings: str
    answers: list[tuple[int, Any, TokenFault | None, TokenFault | None]] = field(default_factory=list)
    urls: str = "introspection_url = {url}\n"


def both(
    status: int, body: Any, found: TokenFault | None
) -> tuple[int, Any, TokenFault | None, TokenFault | None]:
    return status, body, found, found


OK: dict[str, Any] = {"active": True, "username": "alice"}
GROUPS = [
    Group(
        "introspection_mode = post\nactive_attribute = active\nactive_value = true\n"
        "username_attribute = username\n",
        [
            both(200, OK, None),
            both(200, {**OK, "scope": "a b", "aud": ["x"], "more": {"active": False}}, None),
            both(200, {**OK, "username": "Bob"}, TokenFault.OTHER_USER),
            (200, {**OK, "username": "ALICE"}, None, TokenFault.OTHER_USER),
            both(200, {**OK, "active": False}, TokenFault.INACTIVE),
            (200, {"username": "alice"}, None, TokenFault.INACTIVE),
            both(200, {"active": True, "email": "alice"}, TokenFault.ATTRIBUTE),
            both(200, {"active": "true", "username": ["alice"]}, TokenFault.ATTRIBUTE),
            both(401, {"error": "invalid_client"}, TokenFault.CLIENT),
            both(403, b"", TokenFault.CLIENT),
            both(401, b"<html>no</html>", TokenFault.CLIENT),
            both(200, b"<html>log in</html>", TokenFault.ENDPOINT),
            both(200, b'["active"]', TokenFault.ENDPOINT),
            both(200, {**OK, "token_type": "Bearer", "expires_in": 60}, None),
            both(200, {**OK, "token_type": "access_token"}, TokenFault.ENDPOINT),
            both(200, {**OK, "expires_in": "soon"}, TokenFault.ENDPOINT),
            both(500, b"", TokenFault.ENDPOINT),
            both(302, b"", TokenFault.ENDPOINT),
            (200, {**OK, "error": "expired"}, None, TokenFault.ENDPOINT),
        ],
    ),
    Group(
        "introspection_mode = auth\nscope = mail imap\n",
        [
            both(200, {"active": "true", "email": "alice", "scope": "openid imap mail"}, None),
            (200, {"active": "true", "email": "alice", "scope": "openid imap"}, None, TokenFault.SCOPE),
            both(200, {"active": "true", "email": "alice", "scope": "openid"}, TokenFault.SCOPE),
            (200, {"active": "true", "email": "alice", "aud": "mail"}, None, TokenFault.SCOPE),
            both(200, {"active": "true", "email": "alice", "aud": ["mail"]}, TokenFault.SCOPE),
            both(200, {"active": "true", "username": "alice", "scope": "imap"}, TokenFault.ATTRIBUTE),
        ],
    ),
    Group(
        "introspection_mode = get\n",
        [both(200, {"active": True, "email": "alice"}, None), both(404, b"", TokenFault.CLIENT)],
        "introspection_url = {url}?token=\n",
    ),
    Group(
        "introspection_mode = auth\n",
        [
            both(200, {"active": True, "email": "alice"}, None),
            (200, {"email": "alice"}, None, None),
            both(400, {"error_description": "no"}, TokenFault.INVALID),
            both(200, {"user": "alice"}, TokenFault.ATTRIBUTE),
        ],
        "tokeninfo_url = {url}?access_token=\n",
    ),
]


def configured(lab: Lab, group: Group, url: str) -> None:
    """Only these settings."""
    text = group.urls.format(url=url) + group.settings + "client_id = dovecot\nclient_secret = of-the-lab\n"
    if lab.dialect == "2.3":
        (lab.folder / "dovecot-oauth2.conf.ext").write_text(text)
    else:
        before, _, rest = lab.config.read_text().partition("oauth2 {\n")
        lab.config.write_text(f"{before}oauth2 {{\n{text}}}\n{rest.partition(chr(10) + '}' + chr(10))[2]}")
    lab.reload()


def plain(asked: tuple[str, ...]) -> list[str]:
    """Without the case of the hexadecimal digits of a URL."""
    return [unquote(part) for part in asked]


@pytest.mark.parametrize("number", range(len(GROUPS)))
def test_auth024_each_answer_is_judged_as_dovecot_does(
    proof: Make, dovecot_version: str, number: int
) -> None:
    group = GROUPS[number]
    with endpoint() as there:
        one = proof(dovecot_version, "oauth2", {"alice": TOKEN})
        configured(one.lab, group, there.url)
        expected = [of_23 if one.lab.dialect == "2.3" else of_24 for _, _, of_23, of_24 in group.answers]
        for wanted, (status, body, *_) in zip(expected, group.answers, strict=True):
            there.answers(status, body, Location="/elsewhere")
            there.asked.clear()
            said = asked(one.lab, TOKEN)
            ours = list(there.asked)
            there.asked.clear()
            reply = token_login(one.lab, "XOAUTH2", "alice", TOKEN)
            assert (said, reply.ok) == (wanted, wanted is None), (status, body)
            assert list(map(plain, ours)) == list(map(plain, there.asked)), "asked as Dovecot asks"
        assert fault(judged(one.lab, TOKEN)) is expected[-1]
        record(one.lab, f"a token that is not taken ({group.settings.splitlines()[0]})", ("AUTH024",))


def asked(lab: Lab, token: str) -> TokenFault | None:
    """The verdict alone, without all that a diagnosis looks at."""
    dovecot = at_pid(lab.master_pid, None)
    config = read_or_refusal(dovecot)
    assert isinstance(config, AuthConfig)
    given = Password(token.encode())
    scene = Scene(dovecot, config, "alice", password=given, mechanism="XOAUTH2", binds=True)
    passdb = with_mechanisms(scene).passdbs[0]
    lookup(scene, passdb, values("alice", original="alice", service="imap", dialect=lab.dialect))
    return scene.tokens[passdb.number].told.fault


def test_auth024_json_web_tokens(proof: Make, dovecot_version: str) -> None:
    """Dovecot verifies them itself: each kind of signature, the times, and what 2.3.21 and later want."""
    one = proof(dovecot_version, "oauth2-jwt", {"alice": None})
    lab = one.lab
    assert isinstance(lab.store, Jwt)
    assert lab.store.path
    make, now = lab.store.token, int(time.time())
    keys = Keys(lab.store.path, lab.build.group("dovecot") if os.geteuid() == 0 else None)
    cases: list[tuple[str, TokenFault | None]] = [
        (make("alice"), None),
        (make("alice", nbf=now - 10, iat=0), None),
        (make("bob"), TokenFault.OTHER_USER),
        (make("alice", exp=now - 100, iat=now - 200), TokenFault.EXPIRED),
        (make("alice", nbf=now + 900), TokenFault.EARLY),
        (make("alice", iat=now + 900), TokenFault.EARLY),
        (make("alice", exp="soon"), TokenFault.FORM),
        (make("alice")[:-6] + "AAAAAA", TokenFault.SIGNATURE),
        (make("alice", azp="webmail"), TokenFault.KEY),
        ("an.opaque", TokenFault.FORM),
        *((keys.token(kind, "alice"), None) for kind in ("RS256", "PS512", "ES256")),
        (keys.token("RS256", "alice", kid="another"), TokenFault.KEY),
        (keys.token("ES256", "alice", forged=True), TokenFault.SIGNATURE),
    ]
    for token, wanted in cases:
        reply = token_login(lab, "XOAUTH2", "alice", token)
        assert (asked(lab, token), reply.ok) == (wanted, wanted is None), (wanted, lab.log()[-300:])
    assert fault(judged(lab, cases[3][0])) is TokenFault.EXPIRED
    assert fault(judged(lab, cases[0][0], "OAUTHBEARER")) is None
    also(lab, "issuers = https://issuer.example https://other.example\nclient_id = mail\nclient_secret = x\n")
    for claims, of_23, of_24 in (
        ({"iss": "https://other.example"}, None, TokenFault.AUDIENCE),
        ({"iss": "https://issuer.example", "aud": "mail"}, None, None),
        ({"aud": "mail"}, TokenFault.ISSUER, TokenFault.ISSUER),
        ({"iss": "https://issuer.example/", "aud": "mail"}, TokenFault.ISSUER, TokenFault.ISSUER),
    ):
        wanted = of_23 if lab.dialect == "2.3" else of_24
        token = make("alice", **claims)
        reply = token_login(lab, "XOAUTH2", "alice", token)
        assert (asked(lab, token), reply.ok) == (wanted, wanted is None), claims
    record(lab, "a JSON web token that is not taken", ("AUTH024",))


def also(lab: Lab, text: str) -> None:
    """More of the oauth2 settings."""
    path = lab.config if lab.dialect == "2.4" else lab.folder / "dovecot-oauth2.conf.ext"
    path.write_text(
        path.read_text().replace("username_attribute = sub\n", f"username_attribute = sub\n{text}")
    )
    lab.reload()


class Keys:
    """An issuer's key pairs, of which Dovecot has the public halves."""

    def __init__(self, folder: Path, group: int | None) -> None:
        self._rsa = rsa.generate_private_key(65537, 2048)
        self._curve = ec.generate_private_key(ec.SECP256R1())
        for kind in ("RS256", "PS512", "ES256"):
            key = self._curve if kind == "ES256" else self._rsa
            text = key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            file = folder / "default" / kind / "default"
            file.parent.mkdir()
            put(file, text.decode(), group)

    def token(self, kind: str, user: str, *, kid: str = "", forged: bool = False) -> str:
        now = int(time.time())
        head = {"alg": kind, "typ": "JWT"} | ({"kid": kid} if kid else {})
        body = {"sub": user, "exp": now + 600}
        signed = ".".join(_coded(json.dumps(part).encode()) for part in (head, body))
        message = signed.encode() + (b"x" if forged else b"")
        if kind == "ES256":
            pair = utils.decode_dss_signature(self._curve.sign(message, ec.ECDSA(hashes.SHA256())))
            made = b"".join(number.to_bytes(32) for number in pair)
        elif kind == "PS512":
            method = hashes.SHA512()
            made = self._rsa.sign(message, padding.PSS(padding.MGF1(method), 64), method)
        else:
            made = self._rsa.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_coded(made)}"


def _coded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def test_auth024_the_mechanism_and_the_endpoint(proof: Make, dovecot_version: str) -> None:
    """A mechanism that is not offered; an endpoint that is away; its remedy is pasted by hand."""
    one = proof(dovecot_version, "oauth2", {"alice": TOKEN})
    assert isinstance(one.lab.store, OAuth2)
    assert fault(judged(one.lab, TOKEN, login=True)) is None
    with edited(one.lab, "", r" xoauth2 oauthbearer", " oauthbearer"):
        assert fault(judged(one.lab, TOKEN)) is TokenFault.MECHANISM
        with pytest.raises(CannotObserve, match="closed the connection"):
            token_login(one.lab, "XOAUTH2", "alice", TOKEN)
        assert fault(judged(one.lab, TOKEN, "OAUTHBEARER", login=True)) is None
    port, gone = one.lab.store.place.port, one.lab.free_port()
    with edited(one.lab, "dovecot-oauth2.conf.ext", rf"\b{port}\b", str(gone)):
        found = judged(one.lab, TOKEN)
        assert {each.rule.code for each in found.findings} == {"AUTH022"}, "one cause, one finding"
        assert not token_login(one.lab, "XOAUTH2", "alice", TOKEN).ok
    which = (
        "diagnose",
        "alice",
        "--pid",
        str(one.lab.master_pid),
        "--mechanism",
        "xoauth2",
        "--password-fd",
        "0",
    )
    done = mailauth(*which, feed="of-nobody\n")
    assert done.returncode == 1
    assert "BLOCKS LOGIN  AUTH024" in done.stdout
    assert "of-nobody" not in done.stdout + done.stderr
    assert "of-the-lab" not in done.stdout + done.stderr
    assert mailauth(*which, feed=f"{TOKEN}\n").returncode == 0


def test_auth024_a_passdb_of_passwords_beside_it(proof: Make, dovecot_version: str) -> None:
    """A token is no password: what is stored for the user has no say in 2.4, and none that counts in 2.3."""
    users = f"alice:{hashed(SECRET)}::::::\n"
    one = proof(dovecot_version, "oauth2", {"alice": TOKEN})
    path = one.write("beside", users)
    block = (
        f"passdb {{\n  driver = passwd-file\n  args = {path}\n}}\n"
        if one.lab.dialect == "2.3"
        else f"passdb passwd-file {{\n  passwd_file_path = {path}\n}}\n"
    )
    one.lab.configure(block)
    one.lab.reload()
    assert fault(judged(one.lab, TOKEN, login=True)) is None
    assert fault(judged(one.lab, "of-nobody")) is TokenFault.INACTIVE
    assert one.lab.login("alice", SECRET).ok
    one.lab.configure(f"{block}auth_mechanisms = plain\n")
    one.lab.reload()
    found = judged(one.lab, TOKEN).findings
    blocking = [each.rule.code for each in found if each.severity is Severity.BLOCKS_LOGIN]
    assert blocking == ["AUTH003" if one.lab.dialect == "2.3" else "AUTH024"], "one cause, one finding"
