"""Our expansion of variables against the real Dovecot's: each template is a column that the login returns."""

from collections.abc import Callable

import pytest

from mailauth.dovecot.variables import expand, values
from mailauth.dovecot.version import Dialect
from mailauth.lab import Lab

GIVEN = "Alice.O-Hara@Sub.Example.org"
LOOKED_UP = GIVEN.lower()
TEMPLATES: dict[Dialect, tuple[str, ...]] = {
    "2.3": (
        *("%u", "%n", "%d", "%Un", "%Lu", "%Rn", "%RUn", "%1n", "%3n", "%2.3n", "%0.4n", "%-2n", "%-3.2n"),
        *("%05s", "%020n", "%Dd", "%Mn", "%Xn", "%Tn", "%En", "%{user}", "%{username}", "%{domain}"),
        *("%U{username}", "%2.4{username}", "%{orig_user}", "%{orig_username}", "%{orig_domain}", "%s"),
        *("%{service}", "100%%", "%{domain_first}", "%{domain_last}", "%m", "%{mech}", "%{original_user}"),
        *(
            "%{auth_user}",
            "%40n",
            "%-40n",
            "%{login_user}",
            "%{master_user}",
            "%0.-2n",
            "%1.-3{user}",
            "%-0.3n",
        ),
    ),
    "2.4": (
        *(
            "%{user}",
            "%{user | username}",
            "%{user | domain}",
            "%{user|upper}",
            "%{user | username | reverse}",
        ),
        *("%{user | substr(1, 3)}", "%{user | substr(2)}", "%{user | truncate(5)}", "%{protocol}"),
        *("%{user | concat('x', 'y')}", "%{nothing | default('x | y')}", "%{user | default('x')}", "100%%"),
        *(
            "%{original_user}",
            "%{auth_user}",
            "%{mechanism}",
            "%{domain_first}",
            "%u %n",
            "%{user | ldap_dn}",
        ),
        *("%{login_user | default('none')}", "%{user | username | lower | upper}", '%{user | concat("z")}'),
        *("%{master_user | default('')}", "%{user | substr(-3)}", "%{user | substr(1, -2)}"),
    ),
}


def real(make: Callable[..., Lab], version: str, template: str) -> str | None:
    """What that Dovecot makes of it; None when it fails the login over it."""
    variable = "%u" if version < "2.4" else "%{user}"
    query = (
        f"SELECT '{{PLAIN}}x' AS password, '<' || '{template}' || '>' AS x_probe"
        f" FROM users WHERE userid = '{variable}'"
    )
    with make(version, "sqlite", {LOOKED_UP: "{PLAIN}x"}, query=query) as lab:
        reply = lab.login(GIVEN, b"x")
    found = [field for field in reply.fields if field.startswith("x_probe=")]
    return found[0].removeprefix("x_probe=<").removesuffix(">") if reply.ok and found else None


@pytest.mark.parametrize(
    ("dovecot_version", "template"),
    [
        pytest.param(version, template, id=f"{version} {template}")
        for version, dialect in (("2.3.19.1", "2.3"), ("2.4.1", "2.4"))
        for template in TEMPLATES[dialect]  # type: ignore[index]
    ],
    indirect=["dovecot_version"],
)
def test_expanded_as_dovecot_does(lab: Callable[..., Lab], dovecot_version: str, template: str) -> None:
    dialect: Dialect = "2.3" if dovecot_version < "2.4" else "2.4"
    known = values(LOOKED_UP, original=GIVEN, service="imap", dialect=dialect)
    # A quote in a template ends the SQL literal it stands in: written doubled, for SQL and for us.
    told = real(lab, dovecot_version, template)
    assert told == expand(template, known, dialect)
