"""The attribute that 2.3's pass_attrs makes the password, where it is plain which."""

import pytest

from mailauth.dovecot.ldap_settings import _password_of


@pytest.mark.parametrize(
    ("attributes", "attribute"),
    [
        ("uid=user,userPassword=password", "userPassword"),
        ("mail=user, sambaNTPassword=password , =home=/vmail/%{ldap:uid}", "sambaNTPassword"),
        ("userPassword=password=%$", "userPassword"),
        ("uid=user", ""),
        ("=password={PLAIN}%{ldap:a}", ""),
        ("userPassword=password,otherPassword=password", ""),
        ("uid=user,userPassword=password,=nopassword=y", ""),
    ],
)
def test_the_attribute_of_the_password(attributes: str, attribute: str) -> None:
    assert _password_of(attributes) == attribute
