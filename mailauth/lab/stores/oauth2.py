"""Users with tokens: a small issuer of the lab's own, or JSON web tokens that Dovecot verifies by itself."""

import base64
import hashlib
import hmac
import json
import secrets
import socket
import sys
import time
from pathlib import Path

from mailauth.errors import CannotObserve, UsageError
from mailauth.hashes.schemes import ITSELF
from mailauth.lab.household import Start
from mailauth.lab.ports import HOST
from mailauth.lab.settings import LabPlace
from mailauth.lab.stores.store import Passdb, Site, Users, Wish, Written, block, ended, indented, put

_ISSUER = Path(__file__).parent.parent / "issuer.py"
_READY_SECONDS = 60.0
_VALID_SECONDS = 86_400
_CLIENT, _CLIENT_SECRET = "dovecot", "of-the-lab"
_ATTRIBUTES = {"username_attribute": "username", "active_attribute": "active", "active_value": "true"}


class OAuth2(Written):
    """Opaque tokens, of which the issuer knows whose they are; a user's is the stored string.

    2.3 also takes a token as the password of PLAIN; 2.4 takes that password to the issuer, for a token.
    """

    driver = "oauth2"

    def __init__(self, site: Site) -> None:
        super().__init__()
        self._file = site.folder / "tokens.json"
        self._write({})
        self.place = LabPlace(host=HOST, port=site.free_port())
        output = site.folder / "issuer.output"
        argv = [sys.executable, "-I", "-S", str(_ISSUER), str(self.place.port), str(self._file)]
        pid = site.household.start(Start(argv=argv, output=output))
        deadline = time.monotonic() + _READY_SECONDS
        while not self._listens():
            if site.household.status(pid) is not None or time.monotonic() > deadline:
                raise CannotObserve(f"The lab's issuer does not start: {output.read_text()[-300:]}")
            time.sleep(0.005)

    def passdb(self, wish: Wish) -> Passdb:
        url = f"http://{self.place.host}:{self.place.port}"
        settings = {
            "introspection_url": f"{url}/introspect",
            "introspection_mode": "post",
            "client_id": _CLIENT,
            "client_secret": _CLIENT_SECRET,
            **_ATTRIBUTES,
        }
        if wish.dialect == "2.4":
            settings["grant_url"] = f"{url}/token"
        return _passdb(wish, settings)

    def token(self, user: str) -> str:
        """The token that lets a user in."""
        return _bare(self._users.get(user))

    def _write(self, users: Users) -> None:
        put(self._file, json.dumps({user: _bare(stored) for user, stored in users.items()}), None)

    def _listens(self) -> bool:
        with socket.socket() as link:
            return link.connect_ex((HOST, self.place.port)) == 0


class Jwt(Written):
    """JSON web tokens (RFC 7519, HS256), which Dovecot verifies with a key of the lab's.

    Nothing is stored: a user is who has a token that is signed.  2.4 has no PLAIN there: nobody to ask.
    """

    driver = "oauth2"

    def __init__(self, site: Site) -> None:
        super().__init__()
        self._key = secrets.token_bytes(32)
        self.path = site.folder / "keys"  # with the client's name, the algorithm, the key's name
        file = self.path / "default" / "HS256" / "default"
        file.parent.mkdir(parents=True)
        put(file, base64.b64encode(self._key).decode(), site.group)
        self.place = LabPlace(path=self.path)

    def passdb(self, wish: Wish) -> Passdb:
        settings = {"introspection_mode": "local", "username_attribute": "sub"}
        if wish.dialect == "2.3":
            return _passdb(wish, {**settings, "local_validation_key_dict": f"fs:posix:prefix={self.path}/"})
        store = f"dict fs {{\n  fs posix {{\n    prefix = {self.path}/\n  }}\n}}"
        return _passdb(wish, settings, f"oauth2_local_validation {{\n{indented(store)}}}")

    def token(self, user: str, **claims: int | str) -> str:
        """A token for a user; ``claims`` replace those that it would have."""
        now = int(time.time())
        body = {"sub": user, "iat": now, "exp": now + _VALID_SECONDS, **claims}
        parts: tuple[dict[str, int | str], ...] = ({"alg": "HS256", "typ": "JWT"}, body)
        signed = ".".join(_coded(json.dumps(part).encode()) for part in parts)
        return f"{signed}.{_coded(hmac.digest(self._key, signed.encode(), hashlib.sha256))}"

    def _write(self, users: Users) -> None:
        """Nothing is kept."""


def _passdb(wish: Wish, settings: dict[str, str], more: str = "") -> Passdb:
    text = "".join(f"{name} = {value}\n" for name, value in settings.items())
    plain = "plain " if wish.dialect == "2.3" or "grant_url" in settings else ""
    mechanisms = f"auth_mechanisms = {plain}xoauth2 oauthbearer\n"
    if wish.dialect == "2.3":
        file = wish.folder / "dovecot-oauth2.conf.ext"
        return Passdb(
            mechanisms + block("oauth2", wish, f"args = {file}"), {file: text + ended(wish.sql_extra)}
        )
    inside = indented(text, more, wish.sql_extra)
    return Passdb(f"{mechanisms}oauth2 {{\n{inside}}}\n{block('oauth2', wish)}")


def _bare(stored: str | None) -> str:
    """A token from a stored string: as it is, or behind {PLAIN}."""
    if stored is None or not stored.startswith("{"):
        return stored or ""
    scheme, _, rest = stored[1:].partition("}")
    if scheme.upper() not in ITSELF:
        raise UsageError(f"A token is kept as it is, or as {{PLAIN}}TOKEN; not as {{{scheme}}}.")
    return rest


def _coded(data: bytes) -> str:
    """base64url without padding, RFC 7515 section 2."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
