"""An endpoint of OAuth2 that answers what a proof has it answer, and remembers how it was asked."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Endpoint:
    """``status`` and ``body`` of what comes next; ``asked``: method, path, body and credentials."""

    port: int = 0
    scheme: str = "http"
    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str, str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/oauth"

    def answers(self, status: int, body: Any, **headers: str) -> None:
        self.status = status
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.headers = headers


@contextmanager
def endpoint(tls: ssl.SSLContext | None = None) -> Iterator[Endpoint]:
    """Listens until the end, at every address of this machine with ``tls``."""
    one = Endpoint(scheme="https" if tls else "http")

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            one.asked.append((self.command, self.path, body, self.headers.get("Authorization") or ""))
            self.send_response(one.status)
            self.send_header("Content-Length", str(len(one.body)))
            self.send_header("Connection", "close")  # else auth is answered here after the end, too
            for name, value in one.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(one.body)

        do_POST = do_GET  # noqa: N815 - the library's name

        def log_message(self, *_: object) -> None:
            """Nothing: paths hold tokens."""

    here = "0.0.0.0" if tls else "127.0.0.1"  # noqa: S104 - 127.0.0.2 is a name that no certificate has
    with ThreadingHTTPServer((here, 0), Answers) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        one.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield one
        server.shutdown()
        thread.join()
