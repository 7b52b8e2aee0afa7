"""What a configuration file says, read by us and by the real doveconf of each version."""

from collections.abc import Callable

import pytest

from mailauth.dovecot import conf, conffiles
from mailauth.dovecot.releases import HERE_DOCUMENTS
from mailauth.lab import Lab

HEAD = {"2.3": "", "2.4": "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n"}
VALUES = (
    "plain # a comment",
    "glued#comment",
    '"in # quotes" # and not',
    "'in # other quotes'",
    "it's # an open quote",
    '"one" and "two"',
    'say "a#b" now # c',
    r'"a \" b \\ c"',
    "a = b = c",
    "one \\\n  two \\\n  three",
    "one \\ # said\n  two",
    "'  '",
    "  blanks around  ",
    "no-break\u00a0",
    "{ braces }",
    "<<",
    "",
)
LOST = "one \\\n# between\nlogin_trusted_networks = 127.0.0.1"
DOCUMENTS = (
    "<<SQL\nSELECT a\n  FROM b } # no comment\npassdb x {\nlast \\\nSQL",
    "<<  AN END # of it\nAN END \n'text'\nAN END",
    '<<"E"\n\n"E"',
)


def test_values(dovecot_version: str, lab: Callable[..., Lab]) -> None:
    with lab(dovecot_version, users={"alice": "{PLAIN}x"}) as one:
        for value in (*VALUES, LOST, *(DOCUMENTS if HERE_DOCUMENTS.holds(one.version) else ())):
            said = _agree(one, f"{HEAD[one.dialect]}login_greeting = {value}\nverbose_proctitle = yes\n")
            assert said.get("verbose_proctitle") == "yes", value


def _agree(one: Lab, text: str) -> conf.Block:
    """What both say, which must be the same."""
    file = one.folder / "values.conf"
    file.write_text(text)
    ran = one.run("doveconf", "-c", str(file), "-a", "-P")
    assert ran.returncode == 0, (text, ran.stderr)
    ours, theirs = conffiles.read(file), conf.parse_printed(ran.stdout)
    assert ours.settings
    for name in {setting.name for setting in ours.settings}:
        assert ours.get(name) == theirs.get(name), (text, name)
    return theirs


@pytest.mark.dovecot(">= 2.4.5")
def test_a_query_of_many_lines_is_in_its_block(dovecot_version: str, lab: Callable[..., Lab]) -> None:
    query = "SELECT 'x' AS password\n }\n  FROM nowhere { -- # 1\n"
    text = f"passdb sql {{\n  query = <<SQL\n{query}SQL\n  default_password_scheme = PLAIN\n}}\n"
    with lab(dovecot_version, users={"alice": "{PLAIN}x"}) as one:
        file = one.folder / "query.conf"
        file.write_text(f"{HEAD['2.4']}sql_driver = sqlite\n{text}protocols = imap\n")
        ran = one.run("doveconf", "-c", str(file), "-a", "-P")
        for tree in (conffiles.read(file), conf.parse_printed(ran.stdout)):
            [passdb] = tree.all("passdb")
            assert (passdb.get("query"), passdb.get("default_password_scheme")) == (query, "PLAIN")
        assert (tree.get("sql_driver"), tree.blocks[-1].kind) == ("sqlite", "passdb")
        found = conffiles.read(file).all("passdb")[0].find("query")
        assert found
        assert (found.line, found.last) == (5, 9)


def test_a_query_goes_on_after_a_comment_in_the_file_of_2_3() -> None:
    text = "password_query = SELECT \\\n # one\n\n  a \\\n  FROM b\nx = 1\n"
    tree = conf.parse(text, ext=True)
    assert (tree.get("password_query"), tree.get("x")) == ("SELECT a FROM b", "1")
    assert conf.parse(text).get("x") == "1"
