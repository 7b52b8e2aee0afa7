"""What others write may be as long as they like: no look at it takes more than its length, times a number.

At these lengths a pattern that tries each place from each place would need hours.
"""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailauth.dovecot import comparing, conf, conffiles, luascript, templates
from mailauth.dovecot.variables import ExpandError, expand, used
from mailauth.dovecot.version import Version
from mailauth.errors import CannotObserve, UsageError
from mailauth.probes import postfix_link, process
from mailauth.stores import loosened, option_files, pam_files, query, schema

_SECONDS = 60  # what has to be given up


@pytest.fixture(autouse=True)
def given_up() -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("text", ["a" * 300_000, "a." * 150_000, "a" + " " * 300_000 + "b", "a_=" * 100_000])
@pytest.mark.parametrize(
    "look",
    [
        query.read,
        query.other_fields,
        query.user_of,
        query.columns_of_the_user,
        loosened.any_case,
        loosened.any_blanks,
        schema.width,
        pam_files._actions,
        process._mapped,
    ],
    ids=lambda look: getattr(look, "__name__", ""),
)
def test_a_long_query(look: Callable[[str], object], text: str) -> None:
    look(text)
    look(f"SELECT {text} FROM users WHERE userid = '%u'")
    look(f"SELECT password FROM users WHERE {text} = '%u'")


@pytest.mark.parametrize("text", [b"postfix" * 40_000, b"/" * 250_000, b"char" * 60_000])
def test_a_long_line_of_postfix(text: bytes) -> None:
    assert not postfix_link._SAYS.findall(text)


def test_option_files_that_include_themselves(tmp_path: Path) -> None:
    """Each twice, 64 deep, as the C client has it."""
    (file := tmp_path / "my.cnf").write_text(f"!include {tmp_path}/my.cnf\n" * 2)
    with pytest.raises(CannotObserve, match="more than 1000 files"):
        option_files.read(str(file), "")


def test_many_documents_that_do_not_end() -> None:
    text = "".join(f"a{number} = <<b{number}\n" for number in range(50_000))
    assert len(conf.parse(text).settings) == 50_000
    assert len(conf.parse_printed(text).settings) == 50_000


def test_documents_end_where_dovecot_ends_them() -> None:
    text = "a = <<X\none\nX\ntwo\nX\nb = <<X\nthree\nX\nc = <<Y\nd = <<X\n"
    found = {one.name: (one.value, one.line, one.last) for one in conf.parse(text).settings}
    assert found == {"a": ("one\n", 1, 3), "b": ("three\n", 6, 8), "c": ("<<Y", 9, 9), "d": ("<<X", 10, 10)}


def test_a_value_without_end(tmp_path: Path) -> None:
    """Also in a file that is included: it is not passed over, as one that may not be read."""
    long = f"password_query = {'a' * (conf.LONGEST + 1)}\n"
    (main := tmp_path / "main.conf").write_text("!include long.conf\n")
    (tmp_path / "long.conf").write_text(long)
    words = "value of password_query has more than 65536 characters"
    with pytest.raises(CannotObserve, match=words):
        conffiles.read(main)
    with pytest.raises(CannotObserve, match=words):
        conf.parse_printed(long)


_24, _23 = Version.parse("2.4.1 (x)"), Version.parse("2.3.19.1 (x)")


@pytest.mark.parametrize(
    ("version", "template"),
    [
        (_23, "%{sha256;rounds=999999999999:user}"),
        (_23, "%{pkcs5;rounds=999999999:user}"),
        (_23, "%09999999999u"),
        (_23, "%0" + "9" * 5000 + "u"),
        (_23, "%99999999999.0Hu"),
        (_23, "%{if;%u;==;%u;" * 3000 + "}" * 3000),
        (_23, "%{if;%u;~;(.*)*(.*)*(.*)*x;a;b}"),
        (_23, "%{if;%u;~;(a|a|a|a)(a|a|a|a)(a|a|a|a)(a|a|a|a)(a|a|a|a)(a|a|a|a)(a|a|a|a)(a|a|a|a)x;a;b}"),
        (_24, "%{user | sha256(rounds=999999999999)}"),
        (_24, "%{user | lfill(9999999999)}"),
        (_24, "%{user | hexlify(9999999999)}"),
        (_24, "%{literal('1') | hex(9999999999)}"),
        (_24, "%{user" + " | hexlify" * 64 + "}"),
        (_24, "%{user" + " | regexp('(.*)', '\\\\1\\\\1')" * 64 + "}"),
        (_24, "%{user | regexp('((.+)+)+x', 'y')}"),
        (_24, "%{literal('9') | calculate('*', 9223372036854775807)}"),
        (_24, "%{literal('9') | calculate('*', " + "9" * 6000 + ")}"),
    ],
)
def test_a_variable_that_asks_for_the_machine(version: Version, template: str) -> None:
    known = {"user": "a" * 60, "username": "a" * 60}
    with pytest.raises(CannotObserve):
        expand(template, known, version.dialect, version=version)


def test_wildcards_are_matched_in_one_pass() -> None:
    """As an expression, each "*" would be tried at each place."""
    assert not comparing.wild(b"a" * 1000, b"*a" * 300 + b"b")
    for text, mask, is_one in [
        (b"", b"", True), (b"", b"*", True), (b"", b"?", False), (b"a", b"?", True), (b"ab", b"?", False),
        (b"info@example.org", b"*@example.*", True), (b"info@example.com", b"*@*.org", False),
        (b"aXbXc", b"a*X?", True), (b"ab", b"a*b*b", False), (b"abb", b"a*b*b", True), (b"a", b"a*a", False),
        (b"x.y", b"x?y", True), (b"xay", b"x.y", False), (b"a\nb", b"a*b", True), (b"abc", b"**", True),
    ]:  # fmt: skip
        assert comparing.wild(text, mask) is is_one, (text, mask)


@pytest.mark.parametrize("pattern", [rb"^(.*)@(.*)$", rb"^([a-z]+)\+.*@(.+)$", rb"(ab)*c?"])
def test_expressions_as_they_are_used_are_tried(pattern: bytes) -> None:
    comparing.expression(pattern)


def test_bytes_that_are_no_text_stay_what_they_are() -> None:
    with pytest.raises(ExpandError):
        expand("%{no\udcff}", {}, "2.3", version=_23)


@pytest.mark.parametrize("text", ["%{if;%u;==;%u;" * 4000 + "}" * 4000, "'%u' " * 13_000])
def test_a_template_of_many_variables(text: str) -> None:
    templates.to_24(text)
    templates.misread(text, "2.4")
    used(text, "2.3")


def test_what_calls_itself_a_version() -> None:
    """A container's doveconf may say 8 MiB; Python makes no number of more than 4,300 digits."""
    with pytest.raises(UsageError) as why:
        Version.parse("0" * 8_000_000)
    assert len(str(why.value)) < 1000
    with pytest.raises(UsageError):
        Version.known(f"2.{'3' * 5000}")


def test_a_long_string_of_a_script() -> None:
    """Lua takes it: a quote is looked at once, also one behind which no other comes on its line."""
    script = 'auth = "' + "\\'" * 200_000 + '\\z\n"\n'
    assert not luascript.read(script).returns


def test_a_value_of_a_script_that_is_too_long_to_be_plain() -> None:
    """What follows the table is not looked at."""
    head = "function auth_passdb_lookup(r)\nreturn dovecot.auth.PASSDB_RESULT_OK, {"
    for many, kind in ((10, luascript.LuaType.TABLE), (3000, luascript.LuaType.UNKNOWN)):
        script = luascript.read(f"{head}{'1,' * many}}}\nend")
        assert [one.value for one in script.returns] == [kind]
