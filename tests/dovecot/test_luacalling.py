"""A Lua script that is run on demand can do no harm, and what it asks for in vain is known."""

import ctypes
import errno
import os
import tempfile
from pathlib import Path

import pytest

from mailauth.dovecot import children, liblua, luacalling
from mailauth.dovecot.luacalling import Call, LuaEnd, Returned
from mailauth.dovecot.luascript import LuaType
from mailauth.errors import CannotObserve, NoAnswerInTime

pytestmark = pytest.mark.skipif(liblua.load() is None, reason="no Lua library is here")
SECRET = b"correct horse"


def run(body: str, *, password: bytes | None = SECRET, cpu: int = 2, seconds: float = 20.0) -> Returned:
    source = f"function auth_passdb_lookup(request)\n{body}\nend\n".encode()
    call = Call(source, "/script.lua", password, {"user": "alice"}, ("remote_ip", "first passdb"))
    return children.confined(
        lambda: luacalling.call(call), Returned, cpu=cpu, seconds=seconds, memory=64 * 1024 * 1024
    )


def test_what_comes_back() -> None:
    """Types and values as Dovecot takes them; nothing was refused."""
    told = run("return dovecot.auth.PASSDB_RESULT_OK, {user = request.user, n = 3.0, yes = true, no = {}}")
    assert (told.ended, told.result, told.kind, told.refused) == (LuaEnd.CALLED, 1, LuaType.TABLE, ())
    values = dict(zip(told.values[::2], told.values[1::2], strict=True))
    assert values == {"user": "alice", "n": "3", "yes": "yes"}
    assert run('return "1", nil').result == 1
    assert run("return {}, nil").ended is LuaEnd.NO_NUMBER
    assert run("return 1, {[true] = 1}").ended is LuaEnd.ODD_KEY
    assert run("return 1, print").other == "function"
    told = run("return 0, 5")
    assert (told.kind, told.values) == (LuaType.STRING, ("5",))
    assert run('return 1, {password = "a\\0b\\xff"}').values[1] == "a\0b\udcff"
    told = run("local x = nil; return x.y")
    assert told.ended is LuaEnd.ERROR
    assert "/script.lua:2: attempt to index a nil value" in told.words
    assert SECRET.decode() not in repr(run('return 1, "correct horse"'))
    told = run('return request:password_verify("{PLAIN}x", "y"), {}')
    assert told.asks == ("verify", "{PLAIN}x", "y")
    assert run('return 1, {u = request:var_expand("%u")}').asks == ("expand", "%u", "")


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ('os.execute("touch HERE")', "os.execute"),
        ('pcall(os.execute, "touch HERE")', "os.execute"),
        ('io.popen("touch HERE"):close()', "io.popen"),
        ('io.open("HERE", "w"):close()', "right to write, to HERE"),
        ('os.remove("KEPT")', "os.remove"),
        ('os.rename("KEPT", "HERE")', "os.rename"),
        ("os.exit(0)", "os.exit"),
        ("package.loadlib('libc.so.6', '*')", "package.loadlib"),
        ("dovecot.http.client({})", "dovecot.http.client"),
        ("dovecot.base64.encode('x')", "dovecot.base64.encode"),
        ('request:response_from_template("user=%u")', "response_from_template"),
        ("local a = request.remote_ip", "client's request.remote_ip"),
        ('pcall(require, "no.such.module")', "\0module no.such.module"),
    ],
)
def test_what_it_is_not_given(body: str, asked: str, tmp_path: Path) -> None:
    """Nothing happens, and that it asked is known, whatever it makes of the refusal."""
    kept, here = tmp_path / "kept", tmp_path / "here"
    kept.write_text("kept")
    for name, path in (("KEPT", kept), ("HERE", here)):
        body, asked = body.replace(name, str(path)), asked.replace(name, str(path))
    told = run(f"{body}\nreturn 1, nil")
    assert asked in told.refused
    assert kept.read_text() == "kept"
    assert not here.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="what root may, and nobody may not")
def test_it_has_no_rights_though_it_gets_at_the_real_functions(tmp_path: Path) -> None:
    """By Lua's own debug library: the kernel refuses it then."""
    kept = tmp_path / "kept"
    kept.write_text("kept")
    real = "local real; local at = 1; while true do local n, v = debug.getupvalue(io.open, at);"
    real += " if n == 'open' then real = v end; if not n then break end; at = at + 1 end\n"
    told = run(f"{real}local file, why = real('{kept}', 'w')\nreturn 0, tostring(file) .. tostring(why)")
    assert told.ended is LuaEnd.CALLED
    assert told.values[0].startswith("nil")
    assert kept.read_text() == "kept"
    told = run("for line in io.lines('/etc/shadow') do end\nreturn 1, nil")
    assert told.ended is LuaEnd.ERROR
    assert told.refused == ("the file /etc/shadow: Permission denied",)


def test_it_ends() -> None:
    """A loop, what waits, and what takes memory."""
    with pytest.raises(CannotObserve):
        run("while true do end", cpu=1)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        os.mkfifo(f"{folder}/pipe")
        with pytest.raises(NoAnswerInTime):
            run(f"io.open('{folder}/pipe'):read('a')\nreturn 1, nil\n", seconds=0.5)
    told = run("local all = {} while true do all[#all + 1] = ('x'):rep(1000000) .. #all end")
    assert "not enough memory" in told.words
    with pytest.raises(CannotObserve):
        run("return 1, ('x'):rep(2000000)")


def test_no_memory_and_no_queue_is_shared() -> None:
    """Who breaks out of Lua itself has the password, and no way to hand it to another process."""
    libc = ctypes.CDLL(None, use_errno=True)

    def tried() -> list[int]:
        found = []
        for call, words in (
            ("shmget", (0, 4096, 0o1600)),
            ("msgget", (0, 0o1600)),
            ("semget", (0, 1, 0o1600)),
        ):
            ctypes.set_errno(0)
            assert getattr(libc, call)(*words) == -1
            found.append(ctypes.get_errno())
        return found

    kind = list[int]
    refused = children.confined(tried, kind, cpu=5, seconds=60.0, memory=1 << 27)
    assert refused == [errno.EPERM] * 3
