"""What is taken for a name, and what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailauth.render.html_anonymous import _Masks


def hide(text: str, *users: str) -> str:
    return _Masks(users, ("mx7", "mail")).hide(text)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Dovecot 2.3.19.1 runs", "Dovecot 2.3.19.1 runs"),
        ("from 192.0.2.7: refused", "from address-1: refused"),
        ("192.0.2.7:993 and 192.0.2.7", "address-1:993 and address-1"),
        ("[2001:db8::1]:143, 2001:DB8:0::1", "[address-1]:143, address-1"),
        ("127.0.0.1, ::1, 0.0.0.0 and ::", "127.0.0.1, ::1, 0.0.0.0 and ::"),
        ("at 18:04:05 on 2026-11-23", "at 18:04:05 on 2026-11-23"),
        ("from 2001:db8::1: refused; fe80::1%eth0", "from address-1: refused; address-2%eth0"),
        ("::ffff:192.0.2.1", "address-1"),
        ("192.0.2.0/24", "address-1/24"),
        ("imap.example.org:993", "host-1:993"),
        ("*.example.org, example.org", "*.host-1, host-1"),
        ("/etc/dovecot/dovecot-sql.conf.ext", "/etc/dovecot/dovecot-sql.conf.ext"),
        ("/etc/letsencrypt/live/mx.example.org/fullchain.pem", "/etc/letsencrypt/live/host-1/fullchain.pem"),
        ("/usr/lib/libsodium.so.23.3.0", "/usr/lib/libsodium.so.23.3.0"),
        ("%{user | domain} %{passdb.home}", "%{user | domain} %{passdb.home}"),
        ("bob@Example.org then bob at example.org", "user-1@host-1 then user-1 at host-1"),
        ("BOB, bob2, /home/bob/mail", "user-1, bob2, /home/user-1/mail"),
        ("sql(carl+x@example.net,192.0.2.1)", "sql(user-1@host-1,address-1)"),
        ("MX7 sends mail", "host-1 sends mail"),
        ("the user 'o\\'brien' is unknown", "the user 'user-1' is unknown"),
        ("{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$...", "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$..."),
    ],
)
def test_what_is_hidden(text: str, hidden: str) -> None:
    assert hide(text, "bob", "o'brien\"", "o\\'brien") == hidden


@given(
    st.lists(st.text("abcxyz-_.+@<>&\"' \\é\u202e", min_size=4, max_size=12), min_size=1, max_size=5),
    st.text("0123456789 ,:;()", max_size=10),
)
def test_no_name_that_was_seen_is_left(users: list[str], between: str) -> None:
    text = hide(f" {between} ".join(f"({user})" for user in users), *users)
    for user in users:
        assert f"({user})" not in text
