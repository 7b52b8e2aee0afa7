"""An audit of a directory reads plain entries a short way: it comes to what the long way comes to."""

import pytest

from mailauth.dovecot import entryfields
from mailauth.dovecot.entryfields import Field
from mailauth.dovecot.ldap_settings import Directory
from mailauth.dovecot.version import Version
from mailauth.stores import directory_rows
from mailauth.stores.libldap import Entry

_VALUES: tuple[tuple[bytes, ...], ...] = (
    (),
    (b"",),
    (b"{SSHA}x",),
    (b"first", b"second"),
    (b"up to\0here",),
    (b"\0",),
    (b"\xff\xed\xa0\x80 no UTF-8",),
    ("Grüße".encode(),),
    (b"50% of %u and %{ldap:uid}",),
)


def _new(text: str) -> tuple[Field, ...]:
    return tuple(Field(name, "", template) for name, template in (one.split("=") for one in text.split()))


@pytest.mark.parametrize(
    ("version", "fields", "short"),
    [
        (Version(2, 3, 19, 1), entryfields.of_23("uid=user,userPassword=password"), True),
        (Version(2, 3, 19, 1), entryfields.of_23("userPassword=password_noscheme, MAIL=user"), True),
        (Version(2, 3, 19, 1), entryfields.of_23("userPassword=password_noscheme,mail=password"), True),
        (Version(2, 3, 19, 1), entryfields.of_23("userPassword=password,uid=x"), True),
        (Version(2, 3, 19, 1), entryfields.of_23("userPassword=password,mail=password"), False),
        (Version(2, 3, 19, 1), entryfields.of_23("=password={CRYPT}%{ldap:userPassword},uid=user"), False),
        (Version(2, 3, 19, 1), entryfields.of_23("dn=user,userPassword=password"), False),
        (Version(2, 4, 1), _new("user=%{ldap:uid} password=%{ldap:userPassword}"), True),
        (Version(2, 4, 1), _new("password_noscheme=%{ldap:uid} password=%{ldap:userPassword}"), True),
        (Version(2, 4, 1), _new("password={CRYPT}%{ldap:userPassword}"), False),
        (Version(2, 4, 1), _new("user=%{ldap:dn} password=%{ldap:userPassword}"), False),
        (Version(2, 4, 1), _new("user=%{ldap:uid|upper} password=%{ldap:userPassword}"), False),
    ],
)
def test_the_short_way_is_the_long_way(version: Version, fields: tuple[Field, ...], short: bool) -> None:
    directory = Directory(*("", "", "", "", "", "", "", ""), False, (), False, "", "", fields=fields)
    counted, made = directory_rows.counted_of(directory, version), directory_rows.made_of(directory, version)

    for user in _VALUES:
        for password in _VALUES:
            for name in ("uid=a,dc=lab", "uid=\udcff"):
                entry = Entry(name, (("uid", user), ("userpassword", password), ("mail", user[::-1])))
                stored, told = made(entry)
                expected = None if stored is None else stored.encode("utf-8", "surrogateescape")
                shown = (told or name).encode("utf-8", "surrogateescape")
                assert counted(entry) == (expected, shown), (user, password)

    assert ("_made" not in counted.__qualname__) is short
