"""Ask what Dovecot asks about a token that was given, and say what Dovecot makes of the answer.

One question to an endpoint as Dovecot puts it, in a child that is the user that auth runs as, where Dovecot
lives; a JSON web token is verified here, with the key that Dovecot reads.  The token goes to where Dovecot
sends it, and nowhere else: no text of a library is shown, for it may hold the URL with the token in it.

Source: oauth2_introspection_start(), oauth2_token_validation_start() and oauth2_request_start(),
src/lib-oauth2/oauth2-request.c; db_oauth2_lookup(), src/auth/db-oauth2.c; Dovecot 2.3.19.1 and 2.4.1.
"""

import base64
import time
from collections.abc import Callable
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from mailauth.clients.sasl import TOKENS
from mailauth.dovecot import children, drivers, environment, oauth2_settings, tokens, webtokens
from mailauth.dovecot.authconfig import AuthConfig, Passdb
from mailauth.dovecot.oauth2 import LOCAL, OAuth2, Trust
from mailauth.dovecot.tokens import Fields, HttpSaid, TokenFault, TokenTold
from mailauth.dovecot.variables import expand
from mailauth.errors import CannotObserve
from mailauth.evidence import NotApplicable
from mailauth.evidence.token import TokenAnswer
from mailauth.later import import_now, later
from mailauth.probes import trusting
from mailauth.probes.accounts import as_dovecot
from mailauth.probes.scene import Scene
from mailauth.records import dataclass
from mailauth.stores.store import Failing, Failure, Outcome, Record

if TYPE_CHECKING:
    import http.client as http_client
    import ssl
else:
    http_client = later("http.client")
    ssl = later("ssl")

_SECONDS = 10.0  # for the connection, and for the answer
_PATIENCE = 30.0
_MOST = 1024 * 1024  # bytes of an answer
_MOST_KEY = 64 * 1024
_CLIENT_WAITS = f"no answer within {_SECONDS:.0f} s"
_NAMES = frozenset(one.name for one in TOKENS)


@dataclass(frozen=True, slots=True)
class Asking:
    """One HTTP request.  All of it may be secret."""

    url: str = field(repr=False)
    method: str
    body: str = field(repr=False)
    bearer: str = field(repr=False)
    agent: str
    trust: Trust


def by_token(scene: Scene) -> bool:
    """Whether what was given is a token."""
    return scene.password is not None and scene.mechanism.upper() in _NAMES


def with_mechanisms(scene: Scene) -> AuthConfig:
    """The passdbs that a token passes: in 2.4 the mechanisms judge it, before any passdb is looked into.

    Thereafter the passdbs that can be are asked for the user, without a password.  Source: Dovecot 2.4.1
    src/auth/mech-oauth2.c, mech_oauth2_verify_token_local_continue().
    """
    config = scene.config
    if not by_token(scene) or config.version.dialect == "2.3":
        return config
    first = Passdb(
        0,
        "oauth2",
        "",
        "PLAIN",
        None,
        drivers.unread("oauth2").problem,
        "auth",
        None,
        result_success="continue-ok",
        result_failure="return-fail",
        result_internalfail="return-fail",
    )
    later_on = [one for one in config.passdbs if one.driver not in ("oauth2", "pam", "imap", "bsdauth")]
    return replace(config, passdbs=(first, *(one for one in later_on if not one.deny)))


def lookup(scene: Scene, passdb: Passdb, known: dict[str, str]) -> Record:
    """What the passdb, or the mechanism, says of the token.  Raises CannotObserve where that stays open."""
    assert scene.password
    if not scene.binds:
        raise CannotObserve(passdb.source_problem)
    made = scene.tokens.get(passdb.number)
    if made is None:
        made = scene.tokens[passdb.number] = _ask(scene, passdb, known)
    place = f"{made.settings}, asked once"
    if made.told.internal:
        failure = Failure(Failing.ENDPOINT, made.settings, "", made.told.says)
        return Record(Outcome.FAILED, place, failure=failure)
    if made.told.ends:
        return Record(Outcome.DENIED, place)
    return Record(Outcome.FOUND, place, bind_as=f"{made.user} (oauth2)")


def observe_token(scene: Scene) -> TokenAnswer | NotApplicable:
    """What was answered on the way through the passdbs."""
    found = list(scene.tokens.values())
    if not found:
        return NotApplicable(TokenAnswer, "no token was given, or nothing is set to judge one")
    return next((one for one in found if one.told.fault is None), found[0])


def _ask(scene: Scene, passdb: Passdb, known: dict[str, str]) -> TokenAnswer:
    assert scene.password
    token, user = scene.password.raw, known["user"]
    label = passdb.label if passdb.number else "oauth2"
    mechanism, offered = scene.mechanism.upper(), scene.config.mechanisms or ("PLAIN",)
    if mechanism not in offered:
        told = TokenTold(TokenFault.MECHANISM, f"auth_mechanisms has {' '.join(offered).lower()}")
        return TokenAnswer("auth_mechanisms", label, mechanism, scene.config.file, user, passdb.number, told)
    set_so = oauth2_settings.read(scene.config, passdb, scene.dovecot)
    if not token or any(one in token for one in b"\r\n\0\x01"):
        asked: str = mechanism
        found: TokenTold | Fields = TokenTold(TokenFault.FORM, "a token is not empty, and of one line")
    elif set_so.mode == LOCAL:
        asked, found = "introspection_mode = local", _by_itself(scene, set_so, passdb, token)
    else:
        asked, found = _by_endpoints(scene, set_so, passdb, token)
    if not isinstance(found, TokenTold):
        version, template = scene.config.version, set_so.username_format

        def expanded(values: dict[str, str] | None) -> str:
            return expand(template, known if values is None else values, version.dialect, version=version)

        found = tokens.process(set_so, found, user, expanded)
    return TokenAnswer("OAuth2, asked once", label, asked, set_so.place, user, passdb.number, found)


def _by_itself(scene: Scene, set_so: OAuth2, passdb: Passdb, token: bytes) -> TokenTold | Fields:
    if not set_so.keys:
        raise CannotObserve(f"{set_so.place}: its keys are in no folder of files; a login shows more.")
    identity, _ = as_dovecot(scene.dovecot, scene.config, passdb.verified_by)

    def key(name: str) -> bytes | str:
        path = set_so.keys + name
        read = partial(_key, path)
        children.prepare()
        found: str = scene.dovecot.inside(read, str, identity=identity, seconds=_PATIENCE)
        problem, _, text = found.partition("\n")
        return f"{problem} ({path})" if problem else text.encode("utf-8", "surrogateescape")

    return webtokens.validated(set_so, token, int(time.time()), key)


def _key(path: str) -> str:
    """The problem, a line end, and the file's text."""
    try:
        with Path(path).open("rb") as file:
            return "\n" + file.read(_MOST_KEY).decode("utf-8", "replace")
    except OSError as why:
        return f"{why.strerror}\n"
    except ValueError:  # the token's kid has a NUL, or half of a character
        return "no file can have this name\n"


def _by_endpoints(
    scene: Scene, set_so: OAuth2, passdb: Passdb, token: bytes
) -> tuple[str, TokenTold | Fields]:
    """db_oauth2_lookup() and what comes after it."""
    ask = partial(_asked, scene, set_so, passdb, token)
    fields: Fields = {}
    if set_so.tokeninfo_url:
        what = f"tokeninfo_url ({_place(set_so.tokeninfo_url)})"
        said = ask("GET", set_so.tokeninfo_url + _quoted(token), "")
        found = tokens.of_response(set_so, what, said, token)
        if isinstance(found, TokenTold):
            return what, found
        if said.status // 100 != 2:
            words = tokens.words_of(found, token)
            return what, TokenTold(TokenFault.INVALID, f"it answers with status {said.status}{words}")
        fields = found
        whole = {set_so.username_attribute, set_so.active_attribute} - {""} <= fields.keys()
        if whole and not set_so.force_introspection:
            return what, fields
        if (told := tokens.is_enabled(set_so, fields)) or not set_so.introspection_url:
            return what, told or fields
    elif not set_so.introspection_url:
        raise CannotObserve(f"{set_so.place} names neither tokeninfo_url nor introspection_url.")
    what = f"introspection_url ({_place(set_so.introspection_url)}, mode {set_so.mode})"
    said = ask(*_introspection(set_so, token))
    found = tokens.of_response(set_so, what, said, token)
    if isinstance(found, TokenTold):
        return what, found
    if said.status // 100 == 4 and set_so.username_attribute not in found:
        words = tokens.words_of(found, token)
        internal = tokens.is_enabled(set_so, fields | found) is None
        return what, TokenTold(
            TokenFault.CLIENT, f"it answers with status {said.status}{words}", internal=internal
        )
    return what, fields | found


def _introspection(set_so: OAuth2, token: bytes) -> tuple[str, str, str]:
    """Method, URL and body."""
    client = ""
    for name, value in (("client_id", set_so.client_id), ("client_secret", set_so.client_secret)):
        if value or not set_so.strict:
            client += f"&{name}={_quoted(value.encode())}"
    match set_so.mode:
        case "get":
            return "GET", set_so.introspection_url + _quoted(token) + client, ""
        case "post":
            more = "" if set_so.dialect == "2.4" or set_so.strict else client
            return "POST", set_so.introspection_url, f"token={_quoted(token)}{more}"
        case _:
            return "GET", set_so.introspection_url, ""


def _quoted(value: bytes) -> str:
    return quote(value, safe="")


def _place(url: str) -> str:
    """Scheme, host and path: what else a URL has may be secret."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def _asked(
    scene: Scene, set_so: OAuth2, passdb: Passdb, token: bytes, method: str, url: str, body: str
) -> HttpSaid:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        return HttpSaid(problem="it is no URL of HTTP with a host")
    bearer = token.decode("latin-1") if set_so.mode == "auth" else ""
    agent = f"dovecot-oauth2-passdb/{scene.config.version}"
    question = Asking(url, method, body, bearer, agent, set_so.trust)
    identity, _ = as_dovecot(scene.dovecot, scene.config, passdb.verified_by)
    import_now(http_client, ssl)
    children.prepare()
    made: Callable[[], HttpSaid] = partial(_said, question)
    own = environment.given(scene.config.tree)  # SSL_CERT_FILE of whoever called us is nothing of Dovecot's
    return scene.dovecot.inside(made, HttpSaid, identity=identity, environment=own, seconds=_PATIENCE)


def _said(question: Asking) -> HttpSaid:
    """In the child.  Only words of the operating system and of OpenSSL's verification come back."""
    parts = urlsplit(question.url)
    assert parts.hostname
    if parts.scheme == "https" and (problem := trusting.unreadable(question.trust)):
        return HttpSaid(problem=problem)
    try:
        if parts.scheme == "https":
            link: http_client.HTTPConnection = http_client.HTTPSConnection(
                parts.hostname, parts.port, timeout=_SECONDS, context=trusting.context(question.trust)
            )
        else:
            link = http_client.HTTPConnection(parts.hostname, parts.port, timeout=_SECONDS)
        path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        headers = {"User-Agent": question.agent}
        if question.method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        elif question.bearer:
            headers["Authorization"] = f"Bearer {question.bearer}"
        link.request(question.method, path, question.body or None, headers)
        return _answered(link.getresponse())
    except TimeoutError:
        return HttpSaid(problem=_CLIENT_WAITS)
    except ssl.SSLError as why:
        return HttpSaid(problem=trusting.refusal(why))
    except (http_client.HTTPException, UnicodeError):
        return HttpSaid(problem="what it answers is no HTTP")
    except OSError as why:
        return HttpSaid(problem=why.strerror or "it cannot be reached")


def _answered(answer: "http_client.HTTPResponse") -> HttpSaid:
    body = answer.read(_MOST + 1)
    if len(body) > _MOST:
        raise CannotObserve(f"the endpoint answers with more than {_MOST // 1024} KiB.")
    return HttpSaid(answer.status, body)
