"""An endpoint of OAuth2 that answers what a proof has it answer, and remembers how it was asked."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Endpoint:
    """``status`` and ``body`` of what comes next; ``asked``: method, path, body and credentials.

    ``certificate``: with its key; the next connections are by TLS with it.
    """

    port: int = 0
    scheme: str = "http"
    certificate: tuple[Path, Path] | None = None
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

    class Listens(ThreadingHTTPServer):
        def get_request(self) -> tuple[socket.socket, Any]:
            link, address = super().get_request()
            if one.certificate is None:
                return link, address
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*one.certificate)
            link.settimeout(10)
            return context.wrap_socket(link, server_side=True), address

        def handle_error(self, *_: object) -> None:
            """Nothing: a client that refuses the certificate is what is tried."""

    here = "0.0.0.0" if tls else "127.0.0.1"  # noqa: S104 - 127.0.0.2 is a name that no certificate has
    with Listens((here, 0), Answers) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        one.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield one
        server.shutdown()
        thread.join()
