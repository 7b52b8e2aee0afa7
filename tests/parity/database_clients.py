"""The servers and the cases of ``test_database_clients``, in the words of either dialect."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mailauth.lab import Lab, MariaDB, Postgres, certificate
from mailauth.lab.databases import Server
from mailauth.lab.ports import HOST

STRICT = "strict"  # an account that is let in with TLS only


class MariaDBWithTls(MariaDB):
    """It offers TLS, and demands it of the account STRICT."""

    def prepare(self, data: Path) -> None:
        super().prepare(data)
        certificate.make(data)
        self._own(data)

    def argv(self, program: str, data: Path) -> list[str]:
        return [*super().argv(program, data), f"--ssl-cert={data}/tls.crt", f"--ssl-key={data}/tls.key"]


class MariaDBWithoutTls(MariaDB):
    """From 11.4 on it makes a certificate by itself."""

    def argv(self, program: str, data: Path) -> list[str]:
        return [*super().argv(program, data), "--skip-ssl"]


class PostgresWithTls(Postgres):
    """It offers TLS, and demands it of the account STRICT."""

    def prepare(self, data: Path) -> None:
        super().prepare(data)
        made = certificate.make(data)
        access = data / "pg_hba.conf"
        first = f"hostssl all {STRICT} {HOST}/32 scram-sha-256\nhost all {STRICT} {HOST}/32 reject\n"
        access.write_text(first + access.read_text())
        for file in (made.cert, made.key, access):
            self._own(file.parent)

    def argv(self, program: str, data: Path) -> list[str]:
        tls = {"ssl": "on", "ssl_cert_file": data / "tls.crt", "ssl_key_file": data / "tls.key"}
        return [*super().argv(program, data), *(f"--{name}={value}" for name, value in tls.items())]


TLS: dict[str, type[Server]] = {"mysql": MariaDBWithTls, "pgsql": PostgresWithTls}
PLAIN: dict[str, type[Server]] = {"mysql": MariaDBWithoutTls, "pgsql": Postgres}


@dataclass(frozen=True)
class Case:
    """``old`` -> ``new`` in the settings; "{ca}" and its like stand for what only the running lab knows."""

    name: str
    changes: tuple[tuple[str, str], ...] = ()
    query: str = ""


# "password={pw}" stands at the end of 2.3's connect, "password = {pw}" on a line of its own in 2.4.
CONNECT: dict[tuple[str, str], tuple[Case, ...]] = {
    ("mysql", "2.3"): (
        Case("as it is"),
        Case("localhost", (("host={host}", "host=localhost"),)),
        Case("strict account", (("user={user} password={pw}", f"user={STRICT} password=pw"),)),
        Case("CA", (("password={pw}", "password={pw} ssl_ca={ca}"),)),
        Case("strict with CA", (("user={user} password={pw}", f"user={STRICT} password=pw ssl_ca={{ca}}"),)),
        Case("another CA", (("password={pw}", "password={pw} ssl_ca={other}"),)),
        Case("CA that is not there", (("password={pw}", "password={pw} ssl_ca=/nonexistent.pem"),)),
        Case("another name", (("host={host}", "host=127.1"), ("password={pw}", "password={pw} ssl_ca={ca}"))),
        Case(
            "another name, not verified",
            (
                ("host={host}", "host=127.1"),
                ("password={pw}", "password={pw} ssl_ca={ca} ssl_verify_server_cert=no"),
            ),
        ),
        Case("# in the password", (("password={pw}", "password={pw}#cd"),)),
        Case("quotes around the password", (("password={pw}", "password='{pw}'"),)),
        Case("option file", (("host={host} port={port}", "option_file={cnf}"),)),
        Case("option file and localhost", (("host={host} port={port}", "host=localhost option_file={cnf}"),)),
        Case("unknown name", (("password={pw}", "password={pw} sslmode=require"),)),
        Case("word without =", (("password={pw}", "password={pw} word"),)),
        Case("two hosts", (("host={host}", "host=127.0.0.9 host={host}"),)),
        Case("blanks around =", (("host={host}", "host = {host}"),)),
        Case("blanks between", (("host={host}", "  host={host}   "),)),
        Case("character set", (("password={pw}", "password={pw} option_file={latin}"),)),
        Case("character set that is not there", (("password={pw}", "password={pw} option_file={nosuch}"),)),
        Case("no database", (("dbname={db}", "dbname=elsewhere"),)),
    ),
    ("mysql", "2.4"): (
        Case("as it is"),
        Case("localhost", (("mysql {host} {", "mysql localhost {"),)),
        Case("strict account", (("user = {user}\n  password = {pw}", f"user = {STRICT}\n  password = pw"),)),
        Case("ssl", (("password = {pw}", "password = {pw}\n  ssl = yes"),)),
        Case(
            "another name", (("mysql {host} {", "mysql 127.1 {\n  ssl = yes\n  ssl_client_ca_file = {ca}"),)
        ),
        Case("CA", (("password = {pw}", "password = {pw}\n  ssl = yes\n  ssl_client_ca_file = {ca}"),)),
        Case(
            "another CA",
            (("password = {pw}", "password = {pw}\n  ssl = yes\n  ssl_client_ca_file = {other}"),),
        ),
        Case("secret in a file", (("password = {pw}", "password = <{file}"),)),
        Case("secret in a file with a line break", (("password = {pw}", "password = <{broken}"),)),
        Case(
            "secret in the environment",
            (
                ("password = {pw}", "password = %{{env:DBPW}}"),
                ("sql_driver", "import_environment {{\n  DBPW = {pw}\n}}\nsql_driver"),
            ),
        ),
        Case("global", (("password = {pw}", ""), ("sql_driver", "mysql_password = {pw}\nsql_driver"))),
        Case("two blocks", (("mysql {host} {", "mysql 127.0.0.9 {{\n}}\nmysql {host} {"),)),
        Case(
            "option file",
            (("mysql {host} {", "mysql {host} {\n  option_file = {cnf}"), ("port = {port}", "")),
        ),
        Case("character set", (("mysql {host} {", "mysql {host} {\n  option_file = {latin}"),)),
        Case(
            "character set that is not there",
            (("mysql {host} {", "mysql {host} {\n  option_file = {nosuch}"),),
        ),
        Case("no database", (("dbname = {db}", "dbname = elsewhere"),)),
    ),
    ("pgsql", "2.3"): (
        Case("as it is"),
        Case("strict account", (("user={user} password={pw}", f"user={STRICT} password=pw"),)),
        Case(
            "strict without TLS",
            (("user={user} password={pw}", f"user={STRICT} password=pw sslmode=disable"),),
        ),
        Case("sslmode=require", (("password={pw}", "password={pw} sslmode=require"),)),
        Case("CA", (("password={pw}", "password={pw} sslmode=verify-full sslrootcert={ca}"),)),
        Case("another CA", (("password={pw}", "password={pw} sslmode=verify-full sslrootcert={other}"),)),
        Case("quotes around the password", (("password={pw}", "password='{pw}'"),)),
        Case("# in the password", (("password={pw}", "password={pw}#cd"),)),
        Case("unknown name", (("password={pw}", "password={pw} ssl_ca=/x"),)),
        Case("no database", (("dbname={db}", "dbname=elsewhere"),)),
        # With the first one down auth of 2.3.19.1 is killed by signal 11: tests/field/test_red_fifth.py
        Case("two hosts, the second one down", (("host={host}", "host={host} host=127.0.0.9"),)),
    ),
    ("pgsql", "2.4"): (
        Case("as it is"),
        Case(
            "strict without TLS",
            (
                (
                    "user = {user}\n    password = {pw}",
                    f"user = {STRICT}\n    password = pw\n    sslmode = disable",
                ),
            ),
        ),
        Case(
            "another CA",
            (("password = {pw}", "password = {pw}\n    sslmode = verify-ca\n    sslrootcert = {other}"),),
        ),
        Case("secret in a file", (("password = {pw}", "password = <{file}"),)),
        Case("unknown name", (("password = {pw}", "password = {pw}\n    ssl_ca = /x"),)),
        # With one of two blocks down auth of 2.4.1 is killed now and then: tests/field/test_red_fifth.py
        Case("a blank", (("password = {pw}", "password = {pw}\n    application_name = a b"),)),
        Case("a quote", (("password = {pw}", "password = {pw}\n    application_name = a'b"),)),
        Case("character set", (("password = {pw}", "password = {pw}\n    client_encoding = LATIN1"),)),
        Case(
            "character set that is not there",
            (("password = {pw}", "password = {pw}\n    client_encoding = nosuch"),),
        ),
    ),
}

_BOTH = (
    Case("ambiguous column", query="SELECT password FROM users a JOIN users b ON 1=1 WHERE a.userid='%u'"),
    Case("two passwords", query="SELECT password, userid AS password FROM users WHERE userid='%u'"),
    Case("NULL, then a password", query="SELECT NULL AS password, password FROM users WHERE userid='%u'"),
    Case("no scheme", query="SELECT password AS password_noscheme FROM users WHERE userid='%u'"),
    Case("no field, and a row", query="SELECT userid AS user FROM users WHERE userid='%u'"),
    Case("no field, and no row", query="SELECT userid AS user FROM users WHERE userid='x%u'"),
    Case("two rows", query="SELECT password FROM users WHERE '%u'='%u'"),
    Case("a subquery of two rows", query="SELECT (SELECT password FROM users) AS password"),
    Case("syntax", query="SELECT password FORM users WHERE userid='%u'"),
    Case("no such function", query="SELECT nowhere(password) AS password FROM users WHERE userid='%u'"),
    Case("no such column", query="SELECT crypt AS password FROM users WHERE userid='%u'"),
)
QUERIES: dict[str, tuple[Case, ...]] = {
    "mysql": (
        *_BOTH,
        Case("case of the column", query="SELECT password AS Password FROM users WHERE userid='%u'"),
        Case(
            "collations",
            query="SELECT password FROM users WHERE userid = CONVERT('%u' USING latin1) COLLATE latin1_bin",
        ),
        Case("a view of a DEFINER who is gone", query="SELECT password FROM gone WHERE userid='%u'"),
        Case("nothing selected", query="DO 1"),
        Case("BINARY", query="SELECT CAST(password AS BINARY(64)) AS password FROM users WHERE userid='%u'"),
    ),
    "pgsql": (
        *_BOTH,
        Case("types", query="SELECT password FROM users WHERE userid=1 AND '%u'='%u'"),
        Case("a value of another type", query="SELECT password FROM users WHERE CAST(userid AS int)=1"),
        Case("bytea", query="SELECT convert_to(password, 'UTF8') AS password FROM users WHERE userid='%u'"),
        Case("CHAR", query="SELECT password::char(64) AS password FROM users WHERE userid='%u'"),
    ),
}


@contextmanager
def files(lab: Lab, server: Server) -> Iterator[Mapping[str, str]]:
    """What "{ca}" and its like stand for: files that everybody may read, the server's address and secret."""
    place = lab.store.place
    given = {"host": place.host, "port": str(place.port), "user": place.user, "pw": place.password}
    own = server.folder / "data" / "tls.crt"
    ca = lab.folder / "ca.crt"
    shutil.copy(own if own.exists() else certificate.make(lab.folder).cert, ca)
    other = lab.folder / "another"
    other.mkdir()
    certificate.make(other)
    contents = {
        "cnf": f"[client]\nhost = {place.host}\nport = {place.port}\n",
        "file": place.password,
        "broken": f"{place.password}\n",
        "latin": "[client]\ndefault-character-set = latin1\n",
        "nosuch": "[client]\ndefault-character-set = nosuch\n",
    }
    for name, text in contents.items():
        (lab.folder / name).write_text(text)
    paths = {name: lab.folder / name for name in contents} | {"ca": ca, "other": other / "tls.crt"}
    for path in (other, *paths.values()):
        path.chmod(0o755 if path.is_dir() else 0o644)
    yield given | {"db": place.database} | {name: str(path) for name, path in paths.items()}
