"""A Lua script run on demand: it comes to what Dovecot makes of it, or to nothing that is claimed."""

from collections.abc import Callable

from mailauth.diagnosing import Target, look
from mailauth.dovecot.doveadm import at_pid
from mailauth.hashes import Password
from tests.cli.running import mailauth
from tests.proofs.story import SECRET, MiB, Proof, argon2id, record
from tests.proofs.test_lua import script

Make = Callable[..., Proof]
SMALL, LARGE = argon2id(memory=1 * MiB), argon2id(memory=512 * MiB)
WORD = SECRET.decode()


def lookup(body: str) -> str:
    return f"function auth_passdb_lookup(request)\n  {body}\nend\n"


def verify(body: str) -> str:
    return f"function auth_password_verify(request, password)\n  {body}\nend\n"


AWAY = "return dovecot.auth.PASSDB_RESULT_INTERNAL_FAILURE"
OK = "return dovecot.auth.PASSDB_RESULT_OK, "
NO = 'return dovecot.auth.PASSDB_RESULT_PASSWORD_MISMATCH, "no"'
HASHED = verify(f'if request:password_verify("{SMALL}", password) == 1 then {OK}{{}} end {NO}')
KEPT = verify(f'if password == "{WORD}" then {OK}{{ user = request.user }} end {NO}')
NAMED = lookup(
    'if request.user == "alice" and request.domain == nil and request.home == nil then\n'
    f'    {OK}{{ password = request:var_expand("{{PLAIN}}{WORD}") }}\n'
    f'  end\n  return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN, ""'
)
OF_STRING = lookup(f'{OK}"password={SMALL} userdb_uid=vmail"')
# What each comes to: logins with the right and a wrong password, and the findings with the right one.
EVERYWHERE: tuple[tuple[str, str, bool, set[str]], ...] = (
    ("a table with a hash", lookup(f'{OK}{{ password = "{SMALL}" }}'), True, set()),
    ("a hash that needs 512 MiB", lookup(f'{OK}{{ password = "{LARGE}" }}'), False, {"MEM001"}),
    ("request:password_verify()", HASHED, True, set()),
    ("the password compared", KEPT, True, set()),
    ("variables of the request", NAMED, True, set()),
    ("another password", lookup(f'{OK}{{ password = "{{PLAIN}}entirely other" }}'), False, {"PASS001"}),
    ("a mismatch", verify(NO), False, {"LUA005"}),
    ("disabled", lookup('return dovecot.auth.PASSDB_RESULT_USER_DISABLED, "x"'), False, {"LUA005"}),
    ("unknown", lookup('return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN, "x"'), False, {"USER001"}),
    ("an error", lookup("local none = nil; return none.more"), False, {"LUA006"}),
    ("an internal failure", lookup(f'{AWAY}, "x"'), False, {"LUA006"}),
)


def asked(one: Proof, password: bytes = SECRET) -> tuple[set[str], set[str], str]:
    """What is found, what is undecided, and why."""
    given = Password(password)
    found = look(Target(one.user, at_pid(one.lab.master_pid, None), given, asks_lua=True)).diagnosis
    assert SMALL not in repr(found)
    why = "; ".join(each.missing.reason for each in found.undecided)
    return {each.rule.code for each in found.findings}, {each.rule.code for each in found.undecided}, why


def said(*words: str, feed: str = "") -> str:
    done = mailauth(*words, feed=feed)
    assert not done.stderr
    return " ".join(done.stdout.split())


def test_what_a_script_returns(proof: Make, dovecot_version: str) -> None:
    """Each is what Dovecot makes of it; nothing is undecided."""
    one = proof(dovecot_version, "lua", {"alice": SMALL})
    old = dovecot_version < "2.4"
    of_string = ("a string", OF_STRING, old, set() if old else {"LUA003"})
    for name, text, lets_in, codes in (*EVERYWHERE, of_string):
        script(one.lab, text)
        one.lab.reload()
        assert one.lab.login("alice", SECRET).ok is lets_in, name
        found, undecided, why = asked(one)
        assert found == codes, name
        assert undecided <= {"LUA005"}, (name, why)
        if codes & {"LUA005", "LUA006"}:
            record(one.lab, f"lua, run on demand: {name}", tuple(codes))
    script(one.lab, KEPT)
    one.lab.reload()
    assert not one.lab.login("alice", b"another").ok
    assert asked(one, b"another")[0] == {"LUA005"}


def test_what_stays_open(proof: Make, dovecot_version: str) -> None:
    """What a script asks of others has no answer here, and so has the script."""
    one = proof(dovecot_version, "lua", {"alice": SMALL})
    assert one.lab.login("alice", SECRET).ok
    found, undecided, why = asked(one)
    assert (found, "MEM001" in undecided) == (set(), True)
    assert "lua-users: Permission denied" in why, "it reads a file that is Dovecot's alone"
    script(one.lab, verify(f'os.execute("true"); {OK}{{}}'))
    target = ("diagnose", "alice", "--pid", str(one.lab.master_pid))
    told = said(*target, "--ask-lua", "--password-stdin", feed="another\n")
    assert "not given (os.execute)" in told
    told = said(*target, "--ask-lua")
    assert "auth_password_verify, which is called with a password: add -p" in told
    assert "mailauth diagnose --ask-lua USER runs it" in said(*target), "not without being asked"
    script(one.lab, verify(f'error("not {WORD}: " .. password)'))
    told = said(*target, "--ask-lua", "--password-stdin", feed="swordfish\n")
    assert "its words have the password in them" in told
    assert "swordfish" not in told
