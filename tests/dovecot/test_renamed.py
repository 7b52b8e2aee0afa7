"""The table of renamed settings against what the doveconf of each version lists."""

import re
from collections.abc import Callable

import pytest

from mailauth.dovecot import conf
from mailauth.dovecot.misfits import misfits
from mailauth.dovecot.renamed import RENAMED, Scope, in_23, in_24
from mailauth.dovecot.version import Version
from mailauth.lab import Lab, builds
from tests.conftest import missing

VERSIONS = [release.version for release in builds.RELEASES]
SCOPES: tuple[Scope, ...] = ("", "passdb", "userdb", "service")
# Dovecot hides it: doveconf -a does not list it, and takes it.
HIDDEN = {"mail_ext_attachment_hash"}


@pytest.fixture(params=VERSIONS)
def listed(request: pytest.FixtureRequest, lab: Callable[..., Lab]) -> tuple[str, conf.Block]:
    """A version, and all that its doveconf lists."""
    version = str(request.param)
    if builds.available(version) is None:
        if version in ("2.3.19.1", "2.4.1"):
            missing(f"Dovecot {version} is not here; fetch it with: mailauth lab fetch {version}")
        pytest.skip(f"Dovecot {version} is not here")
    with lab(version, "sqlite", {"alice": "{PLAIN}x"}, protocols=("imap", "pop3", "submission")) as one:
        done = one.run("doveconf", "-a")
    assert done.returncode == 0, done.stderr
    return one.dialect, conf.parse(done.stdout)


def names(tree: conf.Block, scope: Scope, dialect: str) -> set[str]:
    """The settings that this Dovecot takes there."""
    if scope == "" or dialect == "2.4":
        found = {setting.name for setting in tree.settings} | {block.kind for block in tree.blocks}
        if scope == "":
            return found
        inside = {name.removeprefix(f"{scope}_") for name in found if name.startswith(f"{scope}_")}
        return inside | {name.split("_", 1)[1] for name in inside if "_" in name}
    blocks = tree.all(scope)
    return {setting.name for block in blocks for setting in block.settings}


def test_what_a_dovecot_takes_is_no_misfit(listed: tuple[str, conf.Block]) -> None:
    """ssl_client_ca_dir stands in Debian 12's own file, and was called a setting of 2.4."""
    dialect, tree = listed
    renamed = in_24 if dialect == "2.4" else in_23
    for scope in SCOPES:
        there = names(tree, scope, dialect)
        assert there
        assert [name for name in sorted(there) if renamed(scope, name)] == []


def test_the_table_names_settings_that_are_there(listed: tuple[str, conf.Block]) -> None:
    dialect, tree = listed
    wrong = []
    for row in RENAMED:
        name = row.new if dialect == "2.4" else row.old
        scope: Scope = "" if row.scope == "plugin" else row.scope
        theirs = dialect == "2.3" and (row.scope == "plugin" or name == "plugin")
        if row.scope == "sql" or not re.fullmatch(r"\w+", name) or theirs or name in HIDDEN:
            continue
        if name not in names(tree, scope, dialect):
            wrong.append(name)
    assert wrong == []


def test_a_list_of_plugins_has_no_settings() -> None:
    """``mail_plugins { quota = yes }`` is 2.4; quota alone is a setting of 2.3."""
    text = "mail_plugins {\n  quota = yes\n}\nprotocol imap {\n  mail_plugins {\n    quota = yes\n  }\n}\n"
    tree = conf.parse(text + "plugin {\n  quota_grace = 1M\n}\n", "f")
    found = misfits(tree, Version.parse("2.4.1"), lambda _file, _line: "")
    assert [one.name for one in found] == ["plugin", "quota_grace", "}"]
