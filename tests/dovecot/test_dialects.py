"""The two dialects, read into one model.  The texts are what the real doveconf printed."""

from pathlib import Path

from mailauth.dovecot import conf, conffiles, v23, v24
from mailauth.dovecot.authconfig import FileSource, SqlSource, StaticSource
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.version import Version

D24 = """
auth_cache_size = 10M
auth_username_format = %{user | lower}
passdb_default_password_scheme = CRYPT
sql_driver = mysql
mysql_port = 3307
pgsql_connection_limit = 5
passdb passwd-file {
  default_password_scheme = plain
  passwd_file_path = /etc/dovecot/users
}
mysql 127.0.0.1 {
  dbname = lab
  password = "labpw # x"
  user = lab
}
mysql db2.example.org {
  port = 22451
}
passdb sql {
  query = SELECT userid AS user, password FROM users WHERE userid = '%{user}'
}
passdb other {
  deny = yes
  driver = sql
  sql_query = SELECT 1
  sql_driver = sqlite
  sqlite_path = /x.db
}
passdb third {
  driver = sql
  use_worker = yes
  use_cache = no
  sql_driver = pgsql
  pgsql localhost {
    host = /run/pg
    parameters {
      user = x y
    }
  }
}
passdb static {
  password = geheim
}
passdb pam {
}
"""


def test_2_4() -> None:
    file, mysql, sqlite, pgsql, static, pam = v24.read_passdbs(
        v24.Sources(conf.parse_printed(D24), conf.parse(""), Installation(), conffiles.Lines(Path)),
        Version(2, 4, 1),
        frozenset({"passdb_default_password_scheme"}),
    )
    assert file.source == FileSource("/etc/dovecot/users", "%{user | lower}")
    assert (file.default_scheme, file.verified_by, file.hit_verified_by) == ("PLAIN", "auth", None)
    assert isinstance(mysql.source, SqlSource)
    assert mysql.source.hosts == (
        {"host": "127.0.0.1", "port": "3307", "dbname": "lab", "password": "labpw # x", "user": "lab"},
        {"host": "db2.example.org", "port": "22451"},
    )
    assert (mysql.driver, mysql.default_scheme) == ("mysql", "CRYPT")
    assert (mysql.verified_by, mysql.hit_verified_by) == ("auth-worker", "auth")
    assert isinstance(sqlite.source, SqlSource)
    assert (sqlite.deny, sqlite.source.query, sqlite.source.hosts) == (True, "SELECT 1", ({"path": "/x.db"},))
    assert isinstance(pgsql.source, SqlSource)
    assert pgsql.source.hosts == ({"host": "/run/pg", "user": "x y"},)
    assert (pgsql.verified_by, pgsql.hit_verified_by) == ("auth-worker", None)
    assert static.source == StaticSource("geheim")
    assert (pam.source, pam.verified_by) == (None, "auth-worker")
    assert "PAM" in pam.source_problem
    assert [p.number for p in (file, mysql, sqlite, pgsql, static, pam)] == [1, 2, 3, 4, 5, 6]


def test_2_3(tmp_path: Path) -> None:
    sql = tmp_path / "dovecot-sql.conf.ext"
    sql.write_text(
        "# a comment\ndriver = mysql\n"
        "connect = host=db1 host=db2 dbname=mail user=dovecot password=s3cret port=3307\n"
        "default_pass_scheme = SHA512-CRYPT\n"
        "password_query = SELECT userid AS user, \\\n  password FROM users WHERE userid = '%u'\n"
    )
    text = f"""
auth_cache_size = 1 M
auth_cache_verify_password_with_worker = yes
passdb {{
  args = scheme=SHA256 username_format=%n /etc/users
  driver = passwd-file
}}
passdb {{
  args = {sql}
  driver = sql
}}
passdb {{
  args = {tmp_path}/absent
  driver = sql
}}
passdb {{
  args = /etc/dovecot/dovecot-ldap.conf.ext
  driver = ldap
  master = yes
}}
"""
    file, mysql, absent, ldap = v23.read_passdbs(conf.parse(text), Installation())
    assert file.source == FileSource("/etc/users", "%n")
    assert file.default_scheme == "SHA256"
    assert isinstance(mysql.source, SqlSource)
    common = {"dbname": "mail", "user": "dovecot", "password": "s3cret", "port": "3307"}
    assert mysql.source.hosts == ({**common, "host": "db1"}, {**common, "host": "db2"})
    assert mysql.source.query == "SELECT userid AS user, password FROM users WHERE userid = '%u'"
    assert (mysql.driver, mysql.default_scheme) == ("mysql", "SHA512-CRYPT")
    assert (mysql.verified_by, mysql.hit_verified_by) == ("auth-worker", "auth-worker")
    assert absent.source is None
    assert "absent: cannot be read (No such file or directory)" in absent.source_problem
    assert (ldap.master, ldap.verified_by, ldap.hit_verified_by) == (True, "auth", "auth-worker")
    assert "s3cret" not in repr((file, mysql, absent, ldap))
