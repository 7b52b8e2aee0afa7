"""The catalogue of Dovecot's messages: each row found in both grammars, and no secret in any event.

messages/real-*.log: lines that running Dovecots wrote while each of some forty faults was made (a bad line
in the LDAP file, a Lua script with an error, a dict that is away, a plugin that lacks another, ...).
"""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from mailauth.dovecot.logcensus import Census
from mailauth.dovecot.logs import AUTH, MAIL, MASTER, REQUESTS, SERVERS, LogEvent, parse_line, parse_said
from mailauth.dovecot.logstamp import Stamps
from mailauth.dovecot.messages import Catalogue, LogKind, Message, Why
from mailauth.dovecot.redact import redacted

REAL = Path(__file__).parent / "messages"
NOW = datetime(2026, 11, 29, 18, 0, tzinfo=UTC).astimezone()
SECRET = "k!tt3n-Pa$$"
STAMP = "Nov 29 01:45:08 "
# Rows whose words begin with what varies, and those that another, longer row takes with these samples.
CATALOGUES = {"request": REQUESTS, "auth": AUTH, "server": SERVERS, "master": MASTER, "mail": MAIL}


def event(line: str) -> LogEvent:
    found = parse_line(line.encode("utf-8", "surrogateescape"), Stamps(NOW))
    assert found, line
    return found


def sample(row: Message, secret: str = SECRET) -> str:
    """The row's words as Dovecot writes them."""
    return row.words.replace("%!", secret).replace("%", "7")


def lines(place: str, text: str) -> list[str]:
    """A message in both grammars."""
    return {
        "request": [
            f"auth: Error: ldap(alice,10.0.0.1,<s+1>): {text}",
            f"auth-worker(12): Info: conn unix:auth-worker (pid=1,uid=2): auth-worker<3>: sql(alice): {text}",
            f"auth(alice,10.0.0.1,sasl:plain)<s+1>: Error: ldap: {text}",
            f"auth-worker(alice,10.0.0.1)<12><s+1>: request [4]: Info: sql: {text}",
        ],
        "auth": [f"auth: Error: {text}"],
        "server": [f"auth: Error: ldap(ldap://10.0.0.1): {text}", f"auth: Error: ldap(/etc/l.ext): {text}"],
        "master": [f"master: Error: {text}"],
        "mail": [f"imap(alice): Error: {text}", f"imap(alice)<12><s+1>: Error: {text}"],
    }[place]


EVERY = [(place, row) for place, one in CATALOGUES.items() for row in one.rows]


@pytest.mark.parametrize("place", CATALOGUES)
def test_each_row_is_found(place: str) -> None:
    """Used, or known and harmless: what is used says what it comes to."""
    for row in CATALOGUES[place].rows:
        for line in lines(place, sample(row)):
            found = event(STAMP + line)
            if found.row is not None and found.row is not row:
                # Another row with longer words, which begins with these: it must mean the same.
                assert found.row.kind is row.kind or len(found.row.words) > len(row.words), (row, found.row)
            elif found.driver == "imapc":
                assert found.row is None  # at the beginning it is the server that the line is about
            elif found.kind not in (LogKind.QUEUED, LogKind.ABORTED, LogKind.CRASHED):
                assert found.row is row, line
        assert row.says or row.kind is LogKind.OTHER, row
        assert row.source.endswith((".c", "Python")), row


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            "mysql(h): Connect failed to database (x): Access denied for user 'd'@'h' - waiting",
            True,
        ),
        ('pgsql(h): Connect failed to database x: FATAL:  password authentication failed for user "d"', True),
        ('pgsql(h): Connect failed to database x: FATAL:  no pg_hba.conf entry for host "h"', True),
        ("mysql(h): Connect failed to database (x): Can't connect to server on 'h' (111)", False),
    ],
)
def test_a_database_that_refuses_was_reached(words: str, says: bool) -> None:
    found = event(f"{STAMP}auth-worker(12): Error: {words}")
    assert found.kind is LogKind.BACKEND
    assert found.row
    assert ("was reached" in found.row.says) is says


@pytest.mark.parametrize(
    ("place", "row"), [one for one in EVERY if one[1].secret], ids=lambda one: str(one)[:60]
)
def test_no_secret_of_a_row_is_shown(place: str, row: Message) -> None:
    for secret in (SECRET, "a: b", "x) - trying the next passdb", "' or 1", "net: failed: x"):
        for line in lines(place, sample(row, f"zQ{secret}")):
            assert f"zQ{secret}" not in repr(event(STAMP + line)), line
            said = parse_said(line.encode())
            assert said is None or f"zQ{secret}" not in said.text, line


SECRET_LINES = (
    "auth: Info: sql(a,10.0.0.1,<s>): Password mismatch (given password: {0})",
    "auth: Info: sql(a,10.0.0.1,<s>): Password mismatch (given password: {0}) - trying the next passdb",
    "auth: Info: sql(a,10.0.0.1,<s>): Password mismatch (given password: {0}",  # cut by syslog
    "auth(a,10.0.0.1,sasl:plain)<s>: Info: sql: unknown user (given password: {0})",
    "auth: Debug: client in: AUTH\t1\tPLAIN\tservice=imap\tresp={0}",
    "auth: Debug: sql(a,10.0.0.1,<s>): Credentials: {0}",
    (
        "auth-worker(1): Error: conn unix:auth-worker (pid=1,uid=1): auth-worker<1>: dict(a,10.0.0.1,<s>):"
        " Failed to lookup key shared/passdb/{0}/a: dict-server returned failure: no shared/passdb/{0}/a"
    ),
    "auth: Error: ldap(a,10.0.0.1,<s>): Multiple values found for 'password', using value '{{SSHA}}{0}'",
    'auth: Error: sql(a,10.0.0.1,<s>): Password query failed: ERROR: syntax error at or near "{0}"',
    "auth: Error: sql(a,10.0.0.1,<s>): Password query failed: SELECT p FROM u WHERE u='a' AND p='{0}'",
    "auth: Error: sql(a,10.0.0.1,<s>): something new: password={0}",
    "auth: Error: sql(a,10.0.0.1,<s>): something new: {{PLAIN}}{0}",
    "auth: Error: static(a,10.0.0.1,<s>): Failed to expand password={0}: no such variable",
    "auth: Fatal: passdb static: No args are supported: password={0}",
    "auth: Error: mysql(db.example): Connect failed to database (x): password={0}",
    "auth-worker(1): Error: lua(a,10.0.0.1,<s>): passdb-lua: lua_pcall(f, 2, 2) failed: /x.lua:2: bad {0}",
    "auth(a,10.0.0.1,sasl:plain)<s>: Error: lua: passdb-lua: {0}",
    "auth: Error:     raise ValueError('{0}')",
    "auth: Error: http-client: https://user:{0}@idp.example/introspect failed",
    "auth: Error: oauth2(a,10.0.0.1,<s>): oauth2 failed: token={0} refused",
    "imap(a)<1><s>: Error: Invalid userdb input pass={0}: malformed",
    "imap(a)<1><s>: Fatal: imapc: password = {0}",
    "auth-worker(1): Fatal: sqlpool: Missing value in connect string: {0}",
    "auth: Error: mysql: Unknown connect string: {0}",
    'auth: Error: pgsql(h): Connect failed (x): missing "=" after "{0}" in connection info string',
    'auth: Error: pgsql(h): Connect failed to database (x): invalid connection option "{0}"',
)


@pytest.mark.parametrize("line", SECRET_LINES)
@pytest.mark.parametrize("secret", ["hunter2", "Tr0ub4dor&3", "c29tZXNlY3JldHBhc3M=", "$6$salt$hash", "x=y"])
def test_no_line_lets_a_secret_out(line: str, secret: str) -> None:
    """Neither as an event, nor as a message that login quotes."""
    written = line.format(secret)
    assert secret not in repr(event(STAMP + written)).replace("goes_on", "")
    said = parse_said(written.encode())
    assert said is None or secret not in said.text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (
            "open(/etc/dovecot/users) failed: Permission denied",
            "open(/etc/dovecot/users) failed: Permission denied",
        ),
        ("Unknown column 'passwort' in 'field list'", "Unknown column 'passwort' in 'field list'"),
        ('relation "users" does not exist', 'relation "users" does not exist'),
        (
            "binding failed (dn cn=x,dc=y): Invalid credentials",
            "binding failed (dn cn=x,dc=y): Invalid credentials",
        ),
        *(
            (text, text)
            for text in (
                "Mail access for users with UID 65534 not permitted (see first_valid_uid in config file)",
                "open(/srv/mail/shared/x) failed: Permission denied",
                "service(auth): Ignoring invalid update from child 12 (uid=3)",
                "Namespace 'inbox': mkdir(/proc/nosuch) failed: No such file or directory",
            )
        ),
        ("Plugin quota must be loaded also", "Plugin quota must be loaded also"),
        (
            "Failed to expand userdb_fields/home setting variables: 'Sekr'1t' (in substr) is not a number",
            "Failed to expand userdb_fields/home setting variables: '...' is not a number",
        ),
        (
            "/usr/lib/dovecot/modules/lib11_imap_quota_plugin.so",
            "/usr/lib/dovecot/modules/lib11_imap_quota_plugin.so",
        ),
    ],
)
def test_what_names_the_cause_stays(text: str, kept: str) -> None:
    assert redacted(text.encode()).decode() == kept


@given(some.text(max_size=60), some.sampled_from(EVERY))
@settings(max_examples=200)
def test_any_text_in_a_row_is_an_event(rubbish: str, one: tuple[str, Message]) -> None:
    place, row = one
    for line in lines(place, row.words.replace("%!", rubbish).replace("%", rubbish)):
        found = parse_line((STAMP + line).encode("utf-8", "surrogateescape"), Stamps(NOW))
        assert found is None or all(char.isprintable() for char in found.user + found.reason + found.text)


def real(version: str) -> list[tuple[str, LogEvent]]:
    text = (REAL / f"real-{version}.log").read_text()
    return [(line, event(line)) for line in text.splitlines()]


@pytest.mark.parametrize("version", ["2.3.19.1", "2.4.1"])
def test_what_real_dovecots_wrote(version: str) -> None:
    """Every grave line is known, and no password is in any event."""
    for line, found in real(version):
        assert "secretpw" not in repr(found), line
        assert "AGFsaWNlAHNlY3JldHB3" not in repr(found), line
        grave = found.level in ("Error", "Fatal", "Panic")
        assert (
            not grave
            or found.row
            or found.kind is LogKind.CRASHED
            or "ValueError" in line
            or (found.process == "imap")
        ), line


WANTED = (
    (r"Couldn't load required plugin", LogKind.MAIL_FAILED),
    (r"Mail access for users with UID", LogKind.MAIL_FAILED),
    (r"imap\(alice\).*Logged out", LogKind.MAIL_ENDED),
    (r"auth: Fatal: ", LogKind.NO_START),
    (r"command startup failed", LogKind.NO_START),
    (r"auth: Error: (ldap|imapc)\([/0-9].*: (Can't|connect)", LogKind.BACKEND),
    (r"imap\(alice,.*Disconnected from server", LogKind.FAILED),
    (r"stack traceback|\t\S+ in function|Traceback|  File", LogKind.OTHER),
    (r"lua\(alice,.*lua_pcall", LogKind.FAILED),
    (r"Login failed \(status=1\)", LogKind.FAILED),
    (r"exited with status 111", LogKind.FAILED),
    (r"Failed to lookup key", LogKind.FAILED),
    (r"auth failed, 1 attempts|temporary failure", LogKind.LOGIN_FAILED),
    (r"passwd-file \S+:open\(", LogKind.TROUBLE),
)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("/srv/a.lua:7: attempt to index a nil value (local 'x')", "same"),
        ("...longer/than/sixty/a.lua:7: attempt to call a nil value (global 'lookup')", "same"),
        ("/srv/a.lua:7: attempt to index local 'x' (a nil value)", "same"),  # Lua 5.1
        ("/srv/a.lua:7: attempt to perform arithmetic on a nil value (field 'n')", "same"),
        ("/srv/a.lua:7: bad argument #1 to 'decode' (string expected, got nil)", "same"),
        ("/srv/a.lua:2: bad pw secretpw", "/srv/a.lua:2: ..."),
        ("bad pw secretpw", "..."),
        (
            "/srv/a.lua:2: secretpw: attempt to call a nil value",
            "/srv/a.lua:2: ...: attempt to call a nil value",
        ),
    ],
)
def test_where_a_lua_script_ends(said: str, kept: str) -> None:
    """Where it stopped, and Lua's own words; none of the script's, which may hold the password."""
    begins = "passdb-lua: lua_pcall(auth_password_verify, 2, 2) failed: "
    found = event(f"{STAMP}auth-worker(1): Error: lua(a,10.0.0.1,<s>): {begins}{said}")
    assert found.reason == begins + (said if kept == "same" else kept)


@pytest.mark.parametrize("version", ["2.3.19.1", "2.4.1"])
def test_what_each_real_line_is(version: str) -> None:
    for form, kind in WANTED:
        for line, found in real(version):
            if re.search(form, line):
                assert found.kind is kind, line


def test_an_unknown_error_of_auth_is_shown_and_no_failed_login() -> None:
    """Many are logged beside logins that work."""
    census = Census(several=True)
    for user in ("(alice,10.0.0.1,<s>)", "(alice)"):
        census.add(event(f"{STAMP}auth: Error: sql{user}: something that nobody has seen"))
    assert census.failures == 0
    assert [one.text for one in census.troubles.values()] == ["something that nobody has seen"]


def test_the_answer_of_one_passdb_of_several() -> None:
    """Two lines for one attempt are one failure; through auth-client they are no proof of any."""
    text = [
        "auth: Info: passwd-file(bob,10.0.0.1,<t>): unknown user",
        "auth: Info: sql(bob,10.0.0.1,<t>): Password mismatch",
        (
            "imap-login: Info: Disconnected (auth failed, 1 attempts in 2 secs): user=<bob>, method=PLAIN,"
            " rip=10.0.0.1, lip=10.0.0.2, session=<t>"
        ),
        "auth: Info: passwd-file(alice,10.0.0.1): unknown user",
    ]
    census = Census(several=True)
    for line in text:
        census.add(event(STAMP + line))
    assert (census.failures, census.unproven) == (2, 1)
    assert census.users["bob"].reasons == {"Password mismatch": 1}
    alone = Census(several=False)
    alone.add(event(STAMP + text[-1]))
    assert (alone.failures, alone.unproven) == (1, 0)


def test_a_servers_trouble_is_the_reason() -> None:
    """The first passdb does not know the user; the second is an LDAP server that is away."""
    census = Census(several=True)
    for line in (
        "auth: Info: passwd-file(alice,10.0.0.1,<t>): unknown user",
        "auth: Error: ldap(/etc/dovecot/l.ext): Can't connect to server: ldap://10.0.0.9",
        (
            "imap-login: Info: Disconnected: Aborted login by logging out (auth service reported temporary"
            " failure): user=<alice>, method=PLAIN, rip=10.0.0.1, lip=10.0.0.2, session=<t>"
        ),
    ):
        census.add(event(STAMP + line))
    assert list(census.users) == ["alice"]
    assert census.users["alice"].reasons == {"a temporary failure in auth: its own lines say of what": 1}
    assert [(one.kind, one.says) for one in census.troubles.values()] == [
        (LogKind.BACKEND, "nothing answers at the LDAP server's address")
    ]


def test_the_rows_of_a_catalogue_are_its_own() -> None:
    for one in CATALOGUES.values():
        words = [row.words for row in one.rows]
        assert len(words) == len(set(words))
        assert isinstance(one, Catalogue)
    assert {row.why for row in REQUESTS.rows} >= {Why.MISMATCH, Why.UNKNOWN, Why.SERVER, Why.SCHEME}


@pytest.mark.parametrize(
    ("said", "says", "why"),
    [
        ("Introspection failed: No username returned", "(401)", Why.SERVER),
        ("Introspection failed: Object doesn't begin with '{'", "no JSON", Why.SERVER),
        ("Introspection failed: 500 Internal Server Error", "fails", Why.SERVER),
        ("Introspection failed: Username 'alice' did not match 'john'", "another user's", Why.NAME),
        ("Introspection failed: connect(127.0.0.1:1) failed: Connection refused", "nothing", Why.SERVER),
        ("Introspection failed: Provided token is not valid", "not valid", Why.MISMATCH),
        ("Password grant failed: invalid_client", "client_secret", Why.SERVER),
        ("Password grant failed: invalid_grant", "refuses this name", Why.MISMATCH),
        ("Password grant failed: Invalid JSON in response: Expected value", "no JSON", Why.SERVER),
        ("Password grant failed: OAuth2 token missing from reply", "without a token", Why.SERVER),
    ],
)
def test_what_oauth2s_server_answers(said: str, says: str, why: Why) -> None:
    """Lines of 2.3.19.1 and 2.4.1, with a server that answers each of these faults."""
    for line in (
        f"auth: Error: oauth2(alice,10.0.0.1,<s>): oauth2 failed: {said}",
        f"auth(alice,10.0.0.1,sasl:xoauth2)<s>: Error: oauth2: oauth2 failed: {said}",
    ):
        found = event(STAMP + line)
        assert found.kind is LogKind.FAILED
        assert found.row
        assert says in found.row.says
        assert found.why is why


@pytest.mark.parametrize(
    ("said", "answers"),
    [
        ("Not connected to database", False),
        ("Cannot connect to database: creat(/none/db) failed: Permission denied", False),
        ("server closed the connection unexpectedly", False),
        ("MySQL server has gone away", False),
        ("Lost connection to MySQL server during query", False),
        ("Query timed out", False),
        ("no such table: users", True),
        ("ERROR:  column users.passwd does not exist at character 8", True),
        ("You have an error in your SQL syntax; check the manual", True),
        ("Table 'lab.users_x' doesn't exist", True),
    ],
)
@pytest.mark.parametrize("query", ["Password", "User"])
def test_what_a_database_answers(query: str, said: str, answers: bool) -> None:
    """One that says no has answered; the words are Dovecot's and its client libraries'."""
    for line in (
        f"auth-worker(1): Error: sql(alice,10.0.0.1): {query} query failed: {said}",
        f"auth-worker(alice,10.0.0.1)<1><s>: Error: sql: {query} query failed: {said}",
    ):
        found = event(STAMP + line)
        assert found.row
        assert found.row.says.startswith("the database answers" if answers else "the database does not")
        assert found.row.says.endswith("with an error") is answers
        assert found.why is Why.SERVER
