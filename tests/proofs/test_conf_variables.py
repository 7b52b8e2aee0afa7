"""Variables of the other dialect: CONF003 and CONF004.  Dovecot starts, and finds nobody."""

from collections.abc import Callable

import pytest

from mailauth.lab import Lab
from tests.proofs.story import Fault, MiB, Proof, argon2id

Make = Callable[..., Proof]
GOOD = argon2id(memory=1 * MiB)
SELECT = "SELECT userid AS user, password FROM users WHERE userid = '%s'"


def in_its_file(old: str, new: str) -> Callable[[Lab], None]:
    """Change the main file and 2.3's SQL file where they stand."""

    def do(lab: Lab) -> None:
        for file in (lab.config, lab.folder / "dovecot-sql.conf.ext"):
            if file.exists():
                file.write_text(file.read_text().replace(old, new))

    return do


@pytest.mark.dovecot(">= 2.4")
@pytest.mark.parametrize("variable", ["%u", "%Lu", "%n"])
def test_conf003_in_a_query(proof: Make, dovecot_version: str, variable: str) -> None:
    told = proof(dovecot_version, "sqlite", {"alice": GOOD})
    fault = Fault(do=in_its_file("'%{user}'", f"'{variable}'"), name="2.3's variable in 2.4's query")
    found = told.story(fault, {"CONF003"}, answers=[False])
    assert variable in found[0].problem.says


@pytest.mark.dovecot(">= 2.4")
@pytest.mark.parametrize("kind", ["mysql", "pgsql"])
def test_conf003_in_other_stores(proof: Make, dovecot_version: str, kind: str) -> None:
    told = proof(dovecot_version, kind, {"alice": GOOD})
    fault = Fault(do=in_its_file("'%{user}'", "'%u'"), name="2.3's variable in 2.4's query")
    told.story(fault, {"CONF003"}, answers=[False])


@pytest.mark.dovecot(">= 2.4")
def test_conf003_in_the_name(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    fault = Fault("auth_username_format = %Lu\n", name="2.3's auth_username_format on 2.4")
    told.story(fault, {"CONF003"}, answers=[False])


@pytest.mark.core
@pytest.mark.dovecot(">= 2.4")
def test_conf003_in_a_path(proof: Make, dovecot_version: str) -> None:
    """One passwd-file a domain."""
    told = proof(dovecot_version, "passwd-file", {"alice@example.org": GOOD})
    told.user = "alice@example.org"
    lab = told.lab
    users = lab.folder / "users"
    users.rename(lab.folder / "example.org")
    lab.config.write_text(lab.config.read_text().replace(str(users), f"{lab.folder}/%{{user | domain}}"))
    lab.reload()
    fault = Fault(do=in_its_file("%{user | domain}", "%d"), name="2.3's variable in a passwd-file's path")
    told.story(fault, {"CONF003"}, answers=[False])


@pytest.mark.dovecot("< 2.4")
@pytest.mark.parametrize("kind", ["sqlite", "mysql", "pgsql"])
def test_conf004_in_a_query(proof: Make, dovecot_version: str, kind: str) -> None:
    told = proof(dovecot_version, kind, {"alice": GOOD})
    fault = Fault(do=in_its_file("'%u'", "'%{user | lower}'"), name="2.4's filter in 2.3's query")
    told.story(fault, {"CONF004"}, answers=[False])


@pytest.mark.dovecot("< 2.4")
def test_conf004_in_the_name(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    fault = Fault("auth_username_format = %{user|username|lower}\n", name="2.4's auth_username_format on 2.3")
    told.story(fault, {"CONF004"}, answers=[False])


def test_percent_signs_that_are_no_variables(proof: Make, dovecot_version: str) -> None:
    """LIKE's, and this version's own variables."""
    own = "%u" if dovecot_version < "2.4" else "%{user}"
    double = "%%" if dovecot_version < "2.4" else "%"
    query = SELECT % own + f" AND (password LIKE '{double}ARGON2{double}' OR 'x' NOT LIKE '{double}user')"
    told = proof(dovecot_version, "sqlite", {"alice": GOOD}, query=query)
    assert told.logins() == [True]
    told.finds(set(), password=told.password)


def test_long_names_are_known_to_both(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "sqlite", {"alice": GOOD}, query=SELECT % "%{user}")
    assert told.logins() == [True]
    told.finds(set(), password=told.password)


@pytest.mark.parametrize(
    ("wrong_23", "wrong_24"),
    [
        ("%{protocol}", "%{username}"),
        ("%i", "%{user | lowr}"),
        ("%{nothing:x}", "%{nothing:x}"),
        ("%{if;a;is;b;c}", "%{user | lower(as=1)}"),
    ],
    ids=["the other dialect's name", "misspelled", "no such prefix", "another comparison, or key"],
)
def test_conf024(proof: Make, dovecot_version: str, wrong_23: str, wrong_24: str) -> None:
    """A condition of a query that this Dovecot cannot expand: no lookup is made."""
    own, wrong = ("%u", wrong_23) if dovecot_version < "2.4" else ("%{user}", wrong_24)
    told = proof(dovecot_version, "sqlite", {"alice": GOOD})
    fault = Fault(
        do=in_its_file(f"= '{own}'", f"= '{own}' AND '{wrong}' <> ''"),
        undo=in_its_file(f" AND '{wrong}' <> ''", ""),
        name="a variable that this Dovecot does not know",
    )
    found = told.story(fault, {"CONF024"}, answers=[False], mend=lambda lab: lab.reload())
    says = found[0].problem.says
    assert any(word in says for word in ("Unknown", "No such", "No value", "Unsupported")), says
