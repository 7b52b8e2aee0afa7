"""A small server that issues tokens and says whose a token is: RFC 6749 section 4.3, RFC 7662.

Run as a script, ``python -I -S issuer.py PORT FILE``, with the standard library only.  FILE is JSON,
user -> secret, and is read again for each request; a user's secret is the password for a token, and
the token.
"""

import json
import secrets
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

_MOST = 65536


class Answers(BaseHTTPRequestHandler):
    """POST /introspect and POST /token, as forms."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        size = min(int(self.headers.get("Content-Length") or 0), _MOST)
        form = {name: values[0] for name, values in parse_qs(self.rfile.read(size).decode()).items()}
        match self.path:
            case "/introspect":
                self._say(200, introspect(form.get("token", "")))
            case "/token":
                token = granted(form.get("username", ""), form.get("password", ""))
                found = {"access_token": token, "token_type": "bearer", "expires_in": 3600, "active": True}
                self._say(*((200, found) if token else (400, {"error": "invalid_grant"})))
            case _:
                self._say(404, {"error": "not_found"})

    def _say(self, status: int, what: dict[str, Any]) -> None:
        body = json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: what is asked holds tokens."""


def introspect(token: str) -> dict[str, Any]:
    for user, secret in known().items():
        if same(secret, token):
            return {"active": True, "username": user}
    return {"active": False}


def granted(user: str, password: str) -> str:
    secret = known().get(user)
    return secret if secret and same(secret, password) else ""


def same(one: str, other: str) -> bool:
    return bool(one) and secrets.compare_digest(one.encode(), other.encode())


def known() -> dict[str, str]:
    found: dict[str, str] = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answers).serve_forever()
