"""Variables, as each dialect expands them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailauth.dovecot.variables import expand, values
from mailauth.dovecot.version import DIALECTS, Dialect
from mailauth.errors import CannotObserve

KNOWN: dict[Dialect, dict[str, str]] = {
    dialect: values(
        "alice@sub.example.org", original="Alice@Sub.Example.org", service="imap", dialect=dialect
    )
    for dialect in DIALECTS
}


@pytest.mark.parametrize(
    ("template", "expanded"),
    [
        ("%u", "alice@sub.example.org"),
        ("%n at %d", "alice at sub.example.org"),
        ("%Un", "ALICE"),
        ("%Rn", "ecila"),
        ("%1n", "a"),
        ("%2.3n", "ice"),
        ("%-2n", "al"),
        ("%0.-2n", "ali"),
        ("%-2.2n", "ce"),
        ("%05s", "0imap"),
        ("%Dd", "sub,dc=example,dc=org"),
        ("%{user}", "alice@sub.example.org"),
        ("%U{username}", "ALICE"),
        ("%{orig_user}", "Alice@Sub.Example.org"),
        ("%s", "imap"),
        ("%{login_user}", ""),
        ("100%%", "100%"),
        ("%{domain_first}", "sub.example.org"),
    ],
)
def test_2_3(template: str, expanded: str) -> None:
    assert expand(template, KNOWN["2.3"], "2.3") == expanded


@pytest.mark.parametrize(
    ("template", "expanded"),
    [
        ("%{user}", "alice@sub.example.org"),
        ("%{user | username}", "alice"),
        ("%{user|domain}", "sub.example.org"),
        ("%{user | username | upper}", "ALICE"),
        ("%{user | substr(1, 3)}", "lic"),
        ("%{user | truncate(5)}", "alice"),
        ("%{nothing | default('x | y')}", "x | y"),
        ("%{user | default('x')}", "alice@sub.example.org"),
        ("%{protocol}", "imap"),
        ("a %u stays, 100%%", "a %u stays, 100%%"),
    ],
)
def test_2_4(template: str, expanded: str) -> None:
    assert expand(template, KNOWN["2.4"], "2.4") == expanded


@pytest.mark.parametrize(
    ("template", "dialect", "named"),
    [
        ("%{env:HOME}", "2.3", "env:HOME"),
        ("%{uid}", "2.3", "uid"),
        ("%w", "2.3", "password"),
        ("%r", "2.3", "the client's connection"),
        ("%{remote_ip}", "2.4", "the client's connection"),
        ("%{protocol}", "2.3", "protocol"),
        ("%{username}", "2.4", "username"),
        ("%{process:pid}", "2.4", "process:pid"),
        ("%{user | encrypt(key='x')}", "2.4", "encrypt"),
        ("%{unheard}", "2.4", "unheard"),
    ],
)
def test_what_is_not_expanded_is_named(template: str, dialect: Dialect, named: str) -> None:
    with pytest.raises(CannotObserve, match=named):
        expand(template, KNOWN[dialect], dialect)


@pytest.mark.parametrize("dialect", ["2.3", "2.4"])
@given(user=st.text(max_size=40))
def test_a_value_is_escaped_once_and_never_expanded_again(dialect: Dialect, user: str) -> None:
    template = "'%u'" if dialect == "2.3" else "'%{user}'"
    known = values(user, original=user, service="imap", dialect=dialect)
    quoted = expand(template, known, dialect, lambda text: text.replace("'", "''"))
    assert quoted == "'" + user.replace("'", "''") + "'"
