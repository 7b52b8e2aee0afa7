"""A passwd-file in a folder of an ordinary user, who exchanges what is in it while it is changed."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path

import pytest

from mailauth.dovecot.authconfig import FileSource
from mailauth.errors import CannotObserve, MailauthError, Refused
from mailauth.hashes.damaged import Reader
from mailauth.stores import change, file_counts, listing, passwd_file, replace, sqlite_client, string_counts
from mailauth.stores.database import NotChangedError, ServerDownError
from mailauth.stores.file_table import FileTable
from mailauth.stores.sqlite import DATABASE as SQLITE
from tests.met import in_time

USER = 12345
OLD, NEW = b"{PLAIN}old", b"{PLAIN}new"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root writes in others' folders")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The user's own, in a folder of theirs."""
    folder = tmp_path / "home" / "mail"
    folder.mkdir(parents=True)
    file = folder / "passwd"
    file.write_bytes(b"alice:" + OLD + b"\n")
    for one in (folder.parent, folder, file):
        os.chown(one, USER, USER)
    return file


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    """A file of root's that has the same line."""
    folder = tmp_path / "roots"
    folder.mkdir()
    (folder / "passwd").write_bytes(b"alice:" + OLD + b"\n")
    return folder / "passwd"


def write(file: Path) -> None:
    change.in_file(file, "alice", OLD, NEW)


def test_a_folder_that_is_a_link(file: Path, roots: Path) -> None:
    """It leads to root's file, and an ordinary user laid it."""
    shutil.rmtree(file.parent)
    file.parent.symlink_to(roots.parent)
    os.lchown(file.parent, USER, USER)
    with pytest.raises(Refused, match=f"symbolic link that belongs to user {USER}"):
        write(file)
    assert OLD in roots.read_bytes()


def _counted(file: Path) -> object:
    return list(file_counts.of_files([file], "", string_counts.Question(Reader((2, 4, 1), "PLAIN"))).classes)


@pytest.mark.parametrize("part", ["file", "folder"])
@pytest.mark.parametrize(
    "reading",
    [
        lambda file: FileTable(file).page(None, 10),
        lambda file: list(listing.listed(FileSource(str(file), ""))),
        lambda file: passwd_file.lookup(file, "alice"),
        _counted,
    ],
    ids=["table", "listing", "lookup", "counts"],
)
def test_a_link_that_root_is_to_read_through(
    file: Path, roots: Path, part: str, reading: Callable[[Path], object]
) -> None:
    """To root's hashes, which migrate move would put into the user's store.  A link of root's counts."""
    roots.chmod(0o600)
    shutil.rmtree(file.parent) if part == "folder" else file.unlink()
    (link := file.parent if part == "folder" else file).symlink_to(
        roots.parent if part == "folder" else roots
    )
    os.lchown(link, USER, USER)
    with pytest.raises(MailauthError, match=f"symbolic link that belongs to user {USER}"):
        reading(file)
    os.lchown(link, 0, 0)
    assert reading(file)


@pytest.mark.parametrize("part", ["file", "folder"])
@pytest.mark.parametrize(
    "using",
    [
        lambda host: SQLITE.stream(host).close(),
        lambda host: SQLITE.table(host).close(),
        lambda host: entered(SQLITE.ask(host, 1.0, "")),
        lambda host: entered(SQLITE.change(host)),
    ],
    ids=["stream", "table", "ask", "change"],
)
def test_a_database_behind_a_link(
    file: Path, roots: Path, part: str, using: Callable[[dict[str, str]], object]
) -> None:
    """SQLite would follow it: to root's rows, to read and to write.  A link of root's counts."""
    database(roots)
    shutil.rmtree(file.parent) if part == "folder" else file.unlink()
    (link := file.parent if part == "folder" else file).symlink_to(
        roots.parent if part == "folder" else roots
    )
    os.lchown(link, USER, USER)
    with pytest.raises((MailauthError, ServerDownError), match=f"symbolic link that belongs to user {USER}"):
        using({"path": str(file)})
    os.lchown(link, 0, 0)
    using({"path": str(file)})


def entered(made: AbstractContextManager[object]) -> None:
    with made:
        pass


def database(path: Path, *, logged: bool = False) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as link:
        link.execute(f"PRAGMA journal_mode = {'WAL' if logged else 'DELETE'}")
        link.execute("CREATE TABLE users (userid TEXT, password TEXT)")
        link.commit()


def test_a_database_whose_folder_becomes_a_link(
    file: Path, roots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After it was looked at, and before SQLite opens it; without that, SQLite has the file that was seen."""
    database(file)
    database(roots)
    real = sqlite3.connect
    opened: list[sqlite3.Connection] = []

    def late(*words: object, **more: object) -> sqlite3.Connection:
        file.parent.rename(file.parent.with_name("away"))
        file.parent.symlink_to(roots.parent)
        opened.append(real(*words, **more))  # type: ignore[call-overload]
        return opened[-1]

    SQLITE.table({"path": str(file)}).close()
    monkeypatch.setattr(sqlite3, "connect", late)
    with pytest.raises(CannotObserve, match="exchanged while it was opened"):
        SQLITE.table({"path": str(file)})
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")


@pytest.mark.parametrize("end", ["-journal", "-wal", "-shm"])
def test_a_link_beside_a_database(file: Path, roots: Path, end: str) -> None:
    """SQLite follows none."""
    database(file, logged=end != "-journal")
    file.with_name(file.name + end).symlink_to(roots)
    with pytest.raises((CannotObserve, NotChangedError, ServerDownError)):
        _add(file)
    assert roots.read_bytes() == b"alice:" + OLD + b"\n"


@pytest.mark.parametrize("logged", [False, True], ids=["journal", "log"])
def test_a_database_whose_folder_becomes_a_link_once_it_is_open(
    file: Path, roots: Path, monkeypatch: pytest.MonkeyPatch, logged: bool
) -> None:
    """Then SQLite opened the log of root's database, and our rows went there."""
    database(file, logged=logged)
    database(roots, logged=logged)
    times = iter((0, 1))

    def late(_number: int) -> int:
        if found := next(times):
            file.parent.rename(file.parent.with_name("away"))
            file.parent.symlink_to(roots.parent)
        return found

    monkeypatch.setattr(sqlite_client, "_times", late)
    with pytest.raises((CannotObserve, NotChangedError, ServerDownError)):
        _add(file)
    with closing(sqlite3.connect(roots)) as link:
        assert not link.execute("SELECT * FROM users").fetchall()
    assert [one.name for one in roots.parent.iterdir()] == [roots.name]


def _add(file: Path) -> None:
    with SQLITE.change({"path": str(file)}) as (_, run):
        run("INSERT INTO users VALUES ('eve', 'x')", ())


def test_a_folder_that_becomes_a_link(file: Path, roots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After it was looked at, and before it is opened."""
    real = replace._real

    def late(path: Path, shown: str) -> Path:
        found = real(path, shown)
        file.parent.rename(file.parent.with_name("away"))
        file.parent.symlink_to(roots.parent)
        return found

    monkeypatch.setattr(replace, "_real", late)
    with pytest.raises(Refused, match="cannot be changed"):
        write(file)
    assert OLD in roots.read_bytes()


def _fifo(file: Path, _roots: Path) -> None:
    os.mkfifo(file)


def _link(file: Path, roots: Path) -> None:
    file.symlink_to(roots)


def _folder(file: Path, _roots: Path) -> None:
    file.mkdir()


def _anothers(file: Path, roots: Path) -> None:
    """A hard link, where the kernel allows it."""
    file.hardlink_to(roots)


@pytest.mark.parametrize("puts", [_fifo, _link, _folder, _anothers])
def test_a_file_that_becomes_something_else(
    file: Path, roots: Path, monkeypatch: pytest.MonkeyPatch, puts: Callable[[Path, Path], None]
) -> None:
    """While the lock is waited for; nothing hangs, and nothing of root's is read or written."""
    taken = replace._dotlock

    def late(place: replace.Place, deadline: float) -> object:
        with suppress(FileNotFoundError):
            file.unlink()
        puts(file, roots)
        return taken(place, deadline)

    monkeypatch.setattr(replace, "_dotlock", late)
    with pytest.raises(Refused):
        write(file)
    assert roots.read_bytes() == b"alice:" + OLD + b"\n"
    assert roots.stat().st_uid == 0
    assert not list(file.parent.glob(".passwd.mailauth-*"))


def _exchanged(file: Path, roots: Path, puts: Callable[[Path, Path], None]) -> Iterator[bytes]:
    """The new content, and after it another file has the name of the new one."""
    yield b"alice:" + NEW + b"\n"
    (new,) = file.parent.glob(".*.mailauth-*")
    new.unlink()
    puts(new, roots)


@pytest.mark.parametrize("puts", [_fifo, _link, _anothers])
def test_a_new_file_that_becomes_something_else(
    file: Path, roots: Path, puts: Callable[[Path, Path], None]
) -> None:
    """Before it gets the owner of the old one; what the user put there is not waited for or given away."""
    with replace.opened(file) as place, pytest.raises(Refused, match="exchanged by someone else"), in_time():
        replace.replace(place, _exchanged(file, roots, puts))
    assert OLD in file.read_bytes()
    assert roots.stat().st_uid == 0
    assert not list(file.parent.glob(".*.mailauth-*"))


def test_a_made_file_that_becomes_roots(file: Path, roots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it gets the owner of another one."""
    written = replace._written

    @contextmanager
    def late(folder: int, name: str, _: Iterable[bytes], shown: str) -> Iterator[object]:
        with written(folder, name, _exchanged(file, roots, _anothers), shown) as new:
            yield new

    monkeypatch.setattr(replace, "_written", late)
    with pytest.raises(Refused, match="exchanged by someone else"):
        replace.create(file.with_name("more"), b"", like=file)
    assert roots.stat().st_uid == 0
    assert not file.with_name("more").exists()


def test_a_lock_that_is_a_fifo(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replace, "_WAIT", 0.1)
    os.mkfifo(file.with_name("passwd.lock"))
    with pytest.raises(Refused, match=r"passwd\.lock has been held"):
        write(file)
    assert file.with_name("passwd.lock").exists()


def test_a_table_that_is_a_fifo(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "passwd")
    with pytest.raises(Refused, match="no regular file"):
        FileTable(tmp_path / "passwd").page(None, 10)


def test_a_line_that_is_too_long_stays_as_it_is(file: Path) -> None:
    """It goes through in pieces; the line behind it is changed."""
    long = b"mallory:{PLAIN}" + b"alice:{PLAIN}old" * 200_000 + b"\n"
    file.write_bytes(long + b"alice:" + OLD + b"\n")
    write(file)
    assert file.read_bytes() == long + b"alice:" + NEW + b"\n"
    file.write_bytes(b"alice:" + OLD + b"::::::" + b"x" * 3_000_000 + b"\nbob:" + OLD + b"\n")
    with pytest.raises(Refused, match="too long to be changed"):
        write(file)
    table = FileTable(file)
    assert [row.user for row in table.page(None, 10)] == ["bob"]
    assert len(table.passed_over) == 1
