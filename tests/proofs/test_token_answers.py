"""What an endpoint answers is judged as Dovecot judges it, or left open."""

import json
import os
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from mailauth.dovecot.tokens import TokenFault
from mailauth.errors import CannotObserve
from mailauth.lab import Lab
from mailauth.lab.certificate import issue
from tests.lab.test_stores import token_login
from tests.proofs.endpoint import endpoint
from tests.proofs.story import Proof
from tests.proofs.test_token import OK, TOKEN, Group, asked, configured

Make = Callable[..., Proof]
SETTINGS = (
    "introspection_mode = post\nactive_attribute = active\nactive_value = true\n"
    "username_attribute = username\n"
)
WELL = json.dumps(OK).encode()
OPEN = "open"


def with_x(value: bytes) -> bytes:
    return WELL[:-1] + b', "x": ' + value + b"}"


ANSWERS: dict[str, tuple[bytes, TokenFault | str | None]] = {
    "blanks around": (b" \n" + WELL + b"\r\n", None),
    "a BOM": (b"\xef\xbb\xbf" + WELL, TokenFault.ENDPOINT),
    "UTF-16": (WELL.decode().encode("utf-16-le"), TokenFault.ENDPOINT),
    "something behind": (WELL + b" x", TokenFault.ENDPOINT),
    "a comma too many": (WELL[:-1] + b",}", TokenFault.ENDPOINT),
    "Latin-1": (with_x(b'"\xe9"'), OPEN),
    "Latin-1, and no JSON": (b"<p>\xe9</p>", TokenFault.ENDPOINT),
    "a tab in a string": (with_x(b'"a\tb"'), OPEN),
    "the character 0": (with_x(b'"\\u0000"'), OPEN),
    "half of a character": (with_x(b'"\\ud800"'), OPEN),
    "a character in halves": (with_x(b'"\\ud83d\\ude00"'), None),
    "null": (with_x(b"null"), None),
    "an empty name": (with_x(b'{"": 1}'), OPEN),
    "expires_in null": (WELL[:-1] + b', "expires_in": null}', OPEN),
    "31 lists": (with_x(b"[" * 31 + b"]" * 31), OPEN),
    "70 lists": (with_x(b"[" * 70 + b"]" * 70), OPEN),
    "16 lists": (with_x(b"[" * 16 + b"]" * 16), None),
    "16,384 characters": (with_x(b'"' + b"a" * 16_384 + b'"'), None),
    "70,000 characters": (with_x(b'"' + b"a" * 70_000 + b'"'), OPEN),
    "a name of 4,000": (with_x(b'{"' + b"n" * 4_000 + b'": 1}'), OPEN),
    "3,000 members": (with_x(json.dumps({f"k{n}": "v" for n in range(3_000)}).encode()), OPEN),
    "more than 1 MiB": (with_x(b'"' + b"a" * 1_100_000 + b'"'), OPEN),
}


def test_auth024_answers_that_versions_take_differently(proof: Make, dovecot_version: str) -> None:
    """An answer that was taken for a valid token, or for none, where Dovecot had it the other way round."""
    with endpoint() as there:
        lab = proof(dovecot_version, "oauth2", {"alice": TOKEN}).lab
        configured(lab, Group(SETTINGS), there.url)
        for name, (body, wanted) in ANSWERS.items():
            there.answers(200, body)
            assert verdict(lab) == wanted, name
            if wanted != OPEN:
                assert token_login(lab, "XOAUTH2", "alice", TOKEN).ok is (wanted is None), name


def verdict(lab: Lab) -> TokenFault | str | None:
    try:
        return asked(lab, TOKEN)
    except CannotObserve:
        return OPEN


def test_auth024_an_endpoint_with_tls(
    proof: Make, dovecot_version: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """2.4's doveconf prints ssl_client_ca_file in ssl_client { }: so it was not seen."""
    authority, certificate = issue(tmp_path, "endpoint")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    with endpoint(context) as there:
        lab = proof(dovecot_version, "oauth2", {"alice": TOKEN}).lab
        there.answers(200, WELL)
        file = lab.folder / "ca.crt"
        file.write_bytes(authority.read_bytes())
        new = lab.dialect == "2.4"
        by_file = f"ssl_client_ca_file = {file}\n" if new else f"tls_ca_cert_file = {file}\n"
        unchecked = "ssl_client_require_valid_cert = no\n" if new else "tls_allow_invalid_cert = yes\n"
        monkeypatch.setenv("SSL_CERT_FILE", os.fspath(authority))  # ours: Dovecot has it not
        cases = [
            ("", "", there.url, TokenFault.ENDPOINT),
            (by_file, "", there.url, None),
            (by_file, "", there.url.replace("127.0.0.1", "127.0.0.2"), TokenFault.ENDPOINT),
            (unchecked, "", there.url.replace("127.0.0.1", "127.0.0.2"), None),
        ]
        if new:  # and outside of the block
            cases += [("", by_file, there.url, None), ("", unchecked, there.url, None)]
        for inside, outside, url, wanted in cases:
            lab.configure(outside)
            configured(lab, Group(SETTINGS + inside), url)
            reply = token_login(lab, "XOAUTH2", "alice", TOKEN)
            assert (asked(lab, TOKEN), reply.ok) == (wanted, wanted is None), (inside, outside, url)
