"""A user's stored string is changed where it is still the one that was read, or nothing is."""

import os
import random
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mailauth.dovecot.authconfig import FileSource, SqlSource
from mailauth.dovecot.doveadm import at_pid
from mailauth.dovecot.site import read_config
from mailauth.dovecot.variables import expand, values
from mailauth.errors import Refused
from mailauth.lab import Lab
from mailauth.lab.stores import ServerStore, SqliteStore
from mailauth.stores import change, mysql, pgsql, query, replace, sql, sqlite
from tests.cli.running import ROOT
from tests.proofs.story import SECRET, MiB, argon2id

OLD = argon2id(memory=1 * MiB, salt=b"the-old-one-0123")
NEW = argon2id(b"new one", memory=1 * MiB, salt=b"the-new-one-0123")
OTHER = argon2id(b"third", memory=1 * MiB, salt=b"a-third-one-0123")
Labs = Callable[..., Lab]


def changed(lab: Lab, old: str | None, new: str | None, user: str = "alice") -> change.Changed:
    """As ``mailauth fix`` does it: by Dovecot's own configuration."""
    dovecot = at_pid(lab.master_pid, None)
    config = read_config(dovecot)
    source = config.passdbs[0].source
    was, will = (None if text is None else text.encode() for text in (old, new))
    if isinstance(source, FileSource):
        assert was is not None
        assert will is not None
        return dovecot.inside(lambda: change.in_file(Path(source.path), user, was, will), change.Changed)
    assert isinstance(source, SqlSource)
    sql.prepare(source)
    known = values(user, original=user, service="imap", dialect=config.version.dialect)
    select = query.read(source.query)
    return dovecot.inside(
        lambda: change.in_database(
            source,
            select,
            lambda template, escape: expand(template, known, config.version.dialect, escape),
            was,
            will,
        ),
        change.Changed,
    )


def stored(lab: Lab, user: str = "alice") -> str | None:
    """What is there, read without mailauth's reader."""
    path = lab.store.path
    if lab.driver == "passwd-file":
        assert path
        found = [line for line in path.read_text().splitlines() if line.startswith(f"{user}:")]
        return found[0].split(":")[1]
    return lab.store.users()[user]


def test_change_and_undo(lab: Labs, dovecot_version: str, store: str) -> None:
    """The user logs in with the new password, then again with the old one; nobody else is touched."""
    with lab(dovecot_version, store, {"alice": OLD, "bob": OTHER}) as one:
        done = changed(one, OLD, NEW)
        assert stored(one) == NEW
        assert stored(one, "bob") == OTHER
        if store == "passwd-file":
            time.sleep(1.1)  # Dovecot looks once a second
        assert one.login("alice", b"new one").ok
        assert not one.login("alice", SECRET).ok
        assert NEW not in repr(done)
        assert OLD not in repr(done)
        changed(one, NEW, OLD)
        assert stored(one) == OLD
        if store == "passwd-file":
            time.sleep(1.1)
        assert one.login("alice", SECRET).ok


def test_changed_meanwhile(lab: Labs, store: str) -> None:
    """Someone else was quicker: his string stays."""
    with lab(None, store, {"alice": OTHER}) as one:
        with pytest.raises(Refused, match="changed by someone else"):
            changed(one, OLD, NEW)
        assert stored(one) == OTHER


def test_gone_meanwhile(lab: Labs, store: str) -> None:
    with lab(None, store, {"bob": OTHER}) as one, pytest.raises(Refused, match=r"not there any more|no row"):
        changed(one, OLD, NEW)


@pytest.mark.parametrize("kind", ["sqlite", "mysql", "pgsql"])
def test_null_is_a_value(lab: Labs, kind: str) -> None:
    with lab(None, kind, {"alice": None}) as one:
        changed(one, None, NEW)
        assert stored(one) == NEW
        changed(one, NEW, None)
        assert stored(one) is None


@pytest.mark.parametrize("kind", ["mysql", "pgsql"])
def test_a_column_that_cuts_or_pads_is_noticed(lab: Labs, kind: str) -> None:
    """VARCHAR(20) cuts where the server is lax; CHAR(200) pads; both are rolled back."""
    with lab(None, kind, {"alice": "{PLAIN}x"}) as one:
        store = one.store
        assert isinstance(store, ServerStore)
        for width in ("VARCHAR(20)", "CHAR(200)"):
            with store._cursor() as cursor:
                if kind == "mysql":
                    cursor.execute("SET GLOBAL sql_mode = ''")
                    cursor.execute(f"ALTER TABLE users MODIFY password {width}")
                else:
                    cursor.execute(f"ALTER TABLE users ALTER password TYPE {width}")
            if (kind, width) == ("mysql", "CHAR(200)"):
                changed(one, "{PLAIN}x", OLD)  # MariaDB takes its padding off again
                changed(one, OLD, "{PLAIN}x")
                continue
            was = "{PLAIN}x" if width.startswith("V") else f"{'{PLAIN}x':<200}"
            with pytest.raises(Refused, match=r"does not keep|too long") as told:
                changed(one, was, OLD)
            assert OLD not in str(told.value)
            assert stored(one) == was
        if kind == "mysql":
            store.server.execute("SET GLOBAL sql_mode = DEFAULT")  # other tests use this server, too


@pytest.mark.parametrize("kind", ["sqlite", "mysql", "pgsql"])
@pytest.mark.parametrize(
    "text",
    [
        "SELECT {concat} AS password FROM users WHERE userid = '{u}'",
        "SELECT u.password FROM users u JOIN users v ON u.userid = v.userid WHERE u.userid = '{u}'",
        "SELECT MAX(password) AS password FROM users WHERE userid = '{u}' GROUP BY userid",
    ],
    ids=["computed", "joined", "grouped"],
)
def test_a_query_that_is_not_plain(lab: Labs, dovecot_version: str, kind: str, text: str) -> None:
    """One sentence with the statement to run, and no hash in it."""
    concat = "CONCAT('{ARGON2ID}', password)" if kind != "sqlite" else "'{ARGON2ID}' || password"
    asked = text.replace("{concat}", concat).replace("{u}", "%{user}" if dovecot_version >= "2.4" else "%u")
    bare = OLD.removeprefix("{ARGON2ID}")
    with lab(dovecot_version, kind, {"alice": bare}, query=asked) as one:
        with pytest.raises(Refused, match=r"UPDATE .* SET <column> = '<new string>' WHERE") as told:
            changed(one, OLD, NEW)
        assert "\n" not in str(told.value)
        assert bare not in str(told.value)
        assert stored(one) == bare


@pytest.mark.parametrize("kind", ["sqlite", "mysql", "pgsql"])
@pytest.mark.parametrize("tail", [" -- of ours", " OR 1 = 0", " LIMIT 1", " ORDER BY userid LIMIT 1"])
def test_what_follows_the_condition(lab: Labs, dovecot_version: str, kind: str, tail: str) -> None:
    """A comment does not swallow the rest, nor does an OR widen it."""
    user = "%{user}" if dovecot_version >= "2.4" else "%u"
    asked = f"SELECT userid AS user, password FROM users WHERE userid = '{user}'{tail}"
    with lab(dovecot_version, kind, {"alice": OLD, "bob": OLD}, query=f'"{asked}"') as one:
        changed(one, OLD, NEW)
        assert (stored(one), stored(one, "bob")) == (NEW, OLD)


@pytest.mark.parametrize("kind", ["sqlite", "mysql", "pgsql"])
@pytest.mark.parametrize(
    "name", ["o'hara", "x' OR '1'='1", 'a"b', "per%cent%s%(x)s", "back\\slash", "a'; --"]
)
def test_odd_names_touch_their_own_row(lab: Labs, kind: str, name: str) -> None:
    with lab(None, kind, {"alice": OLD, name: OLD}) as one:
        changed(one, OLD, NEW, name)
        assert (stored(one), stored(one, name)) == (OLD, NEW)


@pytest.mark.parametrize("kind", ["sqlite", "mysql", "pgsql"])
def test_several_rows(lab: Labs, kind: str) -> None:
    """A condition that names two rows changes none."""
    asked = "SELECT password FROM users WHERE userid LIKE '%n%%'"
    with lab("2.3.19.1", kind, {"alice": OLD, "alice2": OLD}, query=asked) as one:
        with pytest.raises(Refused, match="several rows"):
            changed(one, OLD, NEW)
        assert one.store.users() == {"alice": OLD, "alice2": OLD}


@pytest.mark.parametrize("kind", ["mysql", "pgsql"])
def test_a_row_locked_by_another(lab: Labs, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """We wait for a while, and then say so."""
    monkeypatch.setattr({"mysql": mysql, "pgsql": pgsql}[kind], "ONE_LOCK", 1)
    with lab(None, kind, {"alice": OLD}) as one:
        store = one.store
        assert isinstance(store, ServerStore)
        link: Any = store._connect()
        link.cursor().execute("UPDATE users SET password = 'x' WHERE userid = 'alice'")
        with pytest.raises(Refused, match=r"(?i)lock"):
            changed(one, OLD, NEW)
        link.rollback()
        link.close()
        assert stored(one) == OLD


def test_a_locked_sqlite(lab: Labs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "TIMEOUT", 0.2)
    with lab(None, "sqlite", {"alice": OLD}) as one:
        assert one.store.path
        other = sqlite3.connect(one.store.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Refused, match="locked"):
            changed(one, OLD, NEW)
        other.close()
        assert stored(one) == OLD


def test_a_read_only_postgres(lab: Labs) -> None:
    with lab(None, "pgsql", {"alice": OLD}) as one:
        store = one.store
        assert isinstance(store, ServerStore)
        name = store.place.database
        store.server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        with pytest.raises(Refused, match=r"read-only.*administrator run: UPDATE users SET password"):
            changed(one, OLD, NEW)
        assert stored(one) == OLD


def test_an_account_that_may_only_read(lab: Labs) -> None:
    """The usual case: Dovecot's account may SELECT, and no more."""
    with lab("2.3.19.1", "pgsql", {"alice": OLD}) as one:
        store = one.store
        assert isinstance(store, ServerStore)
        with store._cursor() as cursor:
            cursor.execute("CREATE ROLE reader LOGIN PASSWORD 'pw'")
            cursor.execute("GRANT SELECT ON users TO reader")
        file = one.folder / "dovecot-sql.conf.ext"
        text = file.read_text().replace("user=lab", "user=reader")
        file.write_text(text.replace(store.place.password, "pw"))
        with pytest.raises(Refused, match=r"denied.*administrator run: UPDATE users SET password"):
            changed(one, OLD, NEW)
        assert stored(one) == OLD


def test_a_table_without_transactions(lab: Labs) -> None:
    with lab(None, "mysql", {"alice": OLD}) as one:
        store = one.store
        assert isinstance(store, ServerStore)
        with store._cursor() as cursor:
            # Its keys have at most 1000 bytes, which 255 characters of utf8mb4 are not.
            cursor.execute("ALTER TABLE users MODIFY userid VARCHAR(128) NOT NULL, ENGINE = MyISAM")
        with pytest.raises(Refused, match="no transactions"):
            changed(one, OLD, NEW)
        assert stored(one) == OLD


def test_the_old_string_is_in_no_log_of_the_database(lab: Labs, tmp_path: Path) -> None:
    """It may be a plaintext; general_log and log_statement=all show every statement's values."""
    del tmp_path
    plain = "{PLAIN}a-plaintext-of-old"
    with lab(None, "mysql", {"alice": plain}) as one:
        store = one.store
        assert isinstance(store, ServerStore)
        log = store.server.folder / "data" / "general.log"
        store.server.execute(f"SET GLOBAL general_log_file = '{log}'")
        store.server.execute("SET GLOBAL general_log = 1")
        changed(one, plain, NEW)
        store.server.execute("SET GLOBAL general_log = 0")
        said = log.read_text(errors="replace")
        assert "UPDATE users SET password" in said
        assert "a-plaintext-of-old" not in said
    with lab(None, "pgsql", {"alice": plain}) as one:
        store = one.store
        assert isinstance(store, ServerStore)
        store.server.execute(f"ALTER DATABASE {store.place.database} SET log_statement = 'all'")
        changed(one, plain, NEW)
        said = (store.server.folder / "server.log").read_text(errors="replace")
        assert "UPDATE users SET password" in said
        assert "a-plaintext-of-old" not in said


def test_two_at_once(lab: Labs, store: str) -> None:
    """Of two who saw the same string, one wins and the other is told."""
    with lab(None, store, {"alice": OLD}) as one:
        won: list[str] = []
        lost: list[Refused] = []

        def attempt(new: str) -> None:
            try:
                changed(one, OLD, new)
                won.append(new)
            except Refused as why:
                lost.append(why)

        both = [threading.Thread(target=attempt, args=(new,)) for new in (NEW, OTHER)]
        for each in both:
            each.start()
        for each in both:
            each.join()
        assert (len(won), len(lost)) == (1, 1)
        assert stored(one) == won[0]


def test_nobody_is_listening() -> None:
    """One sentence, and it says that nothing was changed."""
    source = SqlSource("pgsql", ({"host": "127.0.0.1", "port": "1"},), "", "dovecot-sql.conf.ext")
    with pytest.raises(Refused, match=r"pgsql 127.0.0.1:1/.*nothing was changed"):
        change.in_database(
            source, query.read("SELECT password FROM users WHERE a = 'b'"), lambda text, _: text, b"a", b"b"
        )


# The passwd-file's own


@pytest.fixture
def users(tmp_path: Path) -> Path:
    file = tmp_path / "users"
    file.write_bytes(
        f"# ours\nbob:{OTHER}:1:1::/home/bob::\n\n".encode()
        + f"alice:{OLD}:2:2::/home:/x:nologin=y\r\nalice:{OTHER}\nx".encode()
    )
    file.chmod(0o640)
    return file


def write(file: Path, new: str = NEW, old: str = OLD) -> change.Changed:
    return change.in_file(file, "alice", old.encode(), new.encode())


def alone(file: Path) -> bool:
    """Neither a temporary file nor a lock stays behind."""
    return sorted(path.name for path in file.parent.iterdir()) == [file.name]


def test_only_that_field_changes(users: Path) -> None:
    """The first line of that name; line ends, other fields, comments and what follows stay."""
    before = users.read_bytes()
    assert write(users).place == f"{users}:4"
    assert users.read_bytes() == before.replace(OLD.encode(), NEW.encode())
    assert alone(users)


def test_the_new_file_is_as_the_old_one_was(users: Path) -> None:
    """Owner, mode, extended attributes; another inode; a second later for Dovecot's eyes."""
    if os.geteuid() == 0:
        os.chown(users, 12345, 54321)
    with suppress(OSError):
        os.setxattr(users, "user.note", b"kept")
    attributes = {name: os.getxattr(users, name) for name in os.listxattr(users)}
    before = users.stat()
    write(users, OLD.replace("new", "old"))
    after = users.stat()
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    assert after.st_ino != before.st_ino
    assert int(after.st_mtime) > int(before.st_mtime)
    assert {name: os.getxattr(users, name) for name in os.listxattr(users)} == attributes


def test_a_symbolic_link_stays_one(users: Path, tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    link = folder / "users"
    link.symlink_to(users)
    assert write(link).place == f"{users}:4"
    assert link.is_symlink()
    assert NEW in users.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a link to another")
def test_another_persons_link_is_not_followed(users: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(users)
    os.lchown(link, 12345, 12345)
    with pytest.raises(Refused, match="symbolic link that belongs to user 12345"):
        write(link)
    assert OLD in users.read_text()


def test_hard_links_are_reported(users: Path, tmp_path: Path) -> None:
    (tmp_path / "again").hardlink_to(users)
    assert write(users).notes == (f"{users} has 1 more hard link: names under which the old content stays.",)
    assert OLD in (tmp_path / "again").read_text()


@pytest.mark.parametrize("new", ["a:b", "a\nb", "a\rb"])
def test_what_would_break_the_file(users: Path, new: str) -> None:
    before = users.read_bytes()
    with pytest.raises(Refused, match="cannot hold a string"):
        write(users, new)
    assert users.read_bytes() == before


@pytest.mark.parametrize("kind", ["absent", "folder", "fifo"])
def test_no_regular_file(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "users"
    if kind == "folder":
        file.mkdir()
    elif kind == "fifo":
        os.mkfifo(file)
    with pytest.raises(Refused, match=r"cannot be changed|no regular file"):
        write(file)


def test_another_programs_lock(users: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock file of a living process keeps us out; one of a dead one does not."""
    monkeypatch.setattr(replace, "_WAIT", 0.2)
    lock = users.with_name("users.lock")
    lock.write_text(f"{os.getpid()}:{socket.gethostname()}")
    with pytest.raises(Refused, match=r"users\.lock is held"):
        write(users)
    assert lock.exists()
    ended = subprocess.Popen(["/bin/true"])
    ended.wait()
    lock.write_text(f"{ended.pid}:{socket.gethostname()}")
    write(users)
    assert alone(users)


def test_a_lock_of_a_killed_process_that_nobody_has_waited_for(
    users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container whose first process waits for none, it kept everybody out for ever."""
    monkeypatch.setattr(replace, "_WAIT", 5.0)
    with subprocess.Popen(["/bin/sleep", "1000"]) as killed:
        killed.kill()
        os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and its entry is still there
        assert Path(f"/proc/{killed.pid}").exists()
        users.with_name("users.lock").write_text(f"{killed.pid}:{socket.gethostname()}")
        write(users)
        assert alone(users)


def test_fcntl_locks_are_honoured(users: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replace, "_WAIT", 0.2)
    script = "import fcntl,sys; f=open(sys.argv[1],'r+'); fcntl.lockf(f,2); print(1,flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(users)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        other.stdout.readline()
        with pytest.raises(Refused, match="held by another program"):
            write(users)
        other.communicate(b"\n")
    write(users)
    assert alone(users)


def test_an_editor_that_does_not_lock(users: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """He saves between our reading and our writing: his work stays."""
    real = change._Line.must_be_found

    def meanwhile(line: change._Line) -> None:
        users.write_text("alice:edited\n")
        real(line)

    monkeypatch.setattr(change._Line, "must_be_found", meanwhile)
    with pytest.raises(Refused, match="changed by someone else meanwhile"):
        write(users)
    assert users.read_text() == "alice:edited\n"
    assert alone(users)


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk(tmpfs: Path) -> None:
    """The old file is whole, and no half of the new one is left."""
    file = tmpfs / "users"
    file.write_text(f"alice:{OLD}\n" + "#" * 40_000)
    before = file.read_bytes()
    with pytest.raises(Refused, match="No space left on device"):
        write(file)
    assert file.read_bytes() == before
    assert alone(file)


def test_a_read_only_file_system(tmpfs: Path) -> None:
    file = tmpfs / "users"
    file.write_text(f"alice:{OLD}\n")
    subprocess.run(["mount", "-o", "remount,ro", str(tmpfs)], check=True)
    with pytest.raises(Refused, match="Read-only file system"):
        write(file)


KILLED = """
import sys
from pathlib import Path
from mailauth.stores import change
print("ready", flush=True)
strings = sys.stdin.readline().encode().split()
for turn in range(10000):
    change.in_file(Path(sys.argv[1]), "alice", strings[turn % 2], strings[(turn + 1) % 2])
"""


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """The file is the old one or the new one, and the next change goes through."""
    seeded = random.Random(6)  # noqa: S311 - which moments, again the same
    file = tmp_path / "users"
    rest = "".join(f"user{number}:{OTHER}\n" for number in range(500))
    file.write_text(f"alice:{OLD}\n{rest}")
    seen = set()
    for _ in range(25):
        now = file.read_text().splitlines()[0].partition(":")[2]
        other = NEW if now == OLD else OLD
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(file)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT,
        ) as child:  # fmt: skip
            assert child.stdin
            assert child.stdout
            child.stdout.readline()
            child.stdin.write(f"{now} {other}\n".encode())
            child.stdin.flush()
            time.sleep(seeded.uniform(0.0, 0.05))
            child.kill()
        text = file.read_text()
        assert text in (f"alice:{OLD}\n{rest}", f"alice:{NEW}\n{rest}")
        seen.add(text[:60])
    now = file.read_text().splitlines()[0].partition(":")[2]
    write(file, NEW if now == OLD else OLD, now)
    assert alone(file)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a file of root's")
def test_an_ordinary_user() -> None:
    """One sentence, nothing written, nothing left behind."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "users"
        file.write_text(f"alice:{OLD}\n")
        for path in (file, file.parent):
            path.chmod(0o755)
        child = os.fork()
        if not child:
            os.setgid(65534)
            os.setuid(65534)
            ended = 9
            try:
                write(file)
            except Refused as why:
                ended = 7 if "Permission denied" in str(why) else 8
            finally:
                os._exit(ended)  # never on into pytest
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert file.read_text() == f"alice:{OLD}\n"
        assert alone(file)


def test_sqlite_as_a_store_keeps_text(lab: Labs) -> None:
    """Not a BLOB, which other programs would compare in vain."""
    with lab(None, "sqlite", {"alice": OLD}) as one:
        changed(one, OLD, NEW)
        assert isinstance(one.store, SqliteStore)
        with one.store._cursor() as cursor:
            cursor.execute("SELECT typeof(password) FROM users")
            assert cursor.fetchall() == [("text",)]
