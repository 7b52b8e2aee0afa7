"""Our expansion of variables against the real Dovecot's, and our errors against its log.

Each template is an extra field of a user of its own in one passwd-file, so that one Dovecot is asked about
all; what escaping does to a value is seen in a query.
"""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from mailauth.dovecot.authsocket import AuthSocket
from mailauth.dovecot.environment import of_this_machine
from mailauth.dovecot.variables import ExpandError, expand, values
from mailauth.dovecot.version import Dialect, Version
from mailauth.errors import CannotObserve
from mailauth.lab import Lab

DOMAIN = "Sub.Example.org"
CLIENT = {
    "lip": "192.0.2.1",
    "rip": "198.51.100.7",
    "lport": "993",
    "rport": "50123",
    "real_lip": "192.0.2.2",
    "real_rip": "2001:db8::7",
    "real_lport": "1993",
    "real_rport": "50124",
    "secured": "TLS",
    "cert": "valid",
    "session": "Se+ss/ion1",
    "local_name": "mail.example.org",
    "client_id": "",
    "ssl_ja3_hash": "",
    "ssl_client_cert_fp": "",
    "ssl_client_cert_pubkey_fp": "",
}
SAID = (
    *(f"{name}={CLIENT[name]}" for name in ("lip", "rip", "lport", "rport")),
    *(f"{name}={CLIENT[name]}" for name in ("real_lip", "real_rip", "real_lport", "real_rport")),
    *("secured=tls", "valid-client-cert", "session=Se+ss/ion1", "local_name=mail.example.org"),
)
TEMPLATES: dict[Dialect, tuple[str, ...]] = {
    "2.3": (
        *("%u", "%n", "%d", "%s", "%h", "%l", "%r", "%m", "%c", "%a", "%b", "%k", "%!", "100%%", "%"),
        *("%Un", "%Lu", "%Rn", "%RUn", "%1n", "%3n", "%2.3n", "%0.4n", "%-2n", "%-3.2n", "%05s", "%020n"),
        *("%Dd", "%Mn", "%Xn", "%Xa", "%Tn", "%En", "%LMn", "%40n", "%-40n", "%0.-2n", "%1.-3u", "%-0.3n"),
        *(
            "%0.-40n",
            "%-40.2n",
            "%99.2n",
            "%Hu",
            "%2.256Hu",
            "%Nu",
            "%2.256Nu",
            "%8.16Nd",
            "%100Hu",
            "%3.05n",
        ),
        *("%LLLLLLLLLLn", "%LLLLLLLLLLLn", "%UHn", "%HUn"),
        *("%{user}", "%{username}", "%{domain}", "%U{username}", "%2.4{username}", "%{service}", "%{home}"),
        *("%{domain_first}", "%{domain_last}", "%{orig_user}", "%{orig_username}", "%{orig_domain}"),
        *("%{original_user}", "%{original_username}", "%{original_domain}", "%{auth_user}"),
        *("%{auth_username}", "%{auth_domain}", "%{login_user}", "%{login_username}", "%{login_domain}"),
        *("%{master_user}", "%{mech}", "%{mechanism}", "%{lip}", "%{rip}", "%{lport}", "%{rport}"),
        *("%{local_ip}", "%{remote_ip}", "%{local_port}", "%{remote_port}", "%{real_lip}", "%{real_rip}"),
        *("%{real_lport}", "%{real_rport}", "%{real_local_ip}", "%{real_remote_ip}", "%{real_local_port}"),
        *("%{real_remote_port}", "%{secured}", "%{cert}", "%{session}", "%{session_pid}", "%{local_name}"),
        *("%{client_id}", "%{hostname}", "%{env:NOTHING_OF_IT}", "%{passdb:nothing}", "%{passdb:x:given}"),
        *("%{userdb:nothing:y}", "enable%Ls%Lc", "'%r'='127.0.0.1'"),
        *("%{md5:user}", "%{sha1:domain}", "%{sha256;rounds=3,truncate=12:user}", "%{sha512;salt=a%n:user}"),
        *("%{sha3-256;format=base64:user}", "%{sha384;format=hexuc:user}", "%{size:user}", "%{SHA1:user}"),
        *("%{pkcs5;rounds=2,salt=x:user}", "%{pkcs5:user}", "%8{sha256:user}", "%U{md5:user}"),
        *("%{if;%s;eq;imap;%u;no}", "%{if;%a;>;143;high;low}", "%{if;%n;*;*Hara;%Un;x}", "%{if;%s;!=;1;a;b}"),
        *("%{if;%d;~;^sub[.];%{if;%c;eq;TLS;t;n};x}", "%{if;%s;~~;imap;a;b}", "%{if;%s;ne;imap;a}"),
        *("%{if;%s;eq}", "%{if;a;lt;b;%%;x}", "%{if;%n;!~;[0-9]+;none;some}"),
        *("%i", "%q", "%{nothing}", "%{user|lower}", "%L{nothing}", "%{protocol}", "%{id}"),
        *("%{sha256;rounds=0:user}", "%{sha256;format=x:user}", "%{nothing:user}", "%{sha256:nothing}"),
        *("%{user", "%Q", "%L", "%5.", "%{", "%{}", "%{sql:user}"),
    ),
    "2.4": (
        *("%{user}", "%{user|username}", "%{user|domain}", "%{user|upper}", "%{user|username|reverse}"),
        *("%{protocol}", "%{mechanism}", "%{original_user}", "%{auth_user}", "%{login_user}", "%{home}"),
        *("%{domain_first}", "%{domain_last}", "%{master_user}", "%{owner_user}", "%{session_pid}", "%{id}"),
        *("%{local_ip}", "%{remote_ip}", "%{local_port}", "%{remote_port}", "%{real_local_ip}", "%{cert}"),
        *("%{real_remote_ip}", "%{real_local_port}", "%{real_remote_port}", "%{secured}", "%{session}"),
        *("%{local_name}", "%{client_id}", "%{ssl_ja3_hash}", "%{ssl_client_cert_fp}"),
        *("%{ssl_client_cert_pubkey_fp}", "%{system:hostname}", "%{system:os}", "%{dovecot:name}"),
        *("%{date:year}", "%{env:NOTHING_OF_IT}", "%{passdb:nothing}", "%{userdb:nothing}"),
        *("100%%", "%u%n", "%%{user}", "%", "enable%{protocol|lower}%{secured|lower}", "%{user}%{user}"),
        *("%{user|substr(1,3)}", "%{user|substr(2)}", "%{user|substr(-3)}", "%{user|substr(1,-2)}"),
        *("%{user|substr(99)}", "%{user|substr(0,0)}", "%{user|substr(4,-40)}", "%{user|substr()}"),
        *("%{user|truncate(5)}", "%{user|truncate(99)}", "%{user|sha256|truncate(4)}", "%{user|truncate}"),
        *("%{user|sha256|truncate(bits=12)}", "%{user|truncate(bits=3)}", "%{user|truncate(-1)}"),
        *("%{user|concat('x',protocol,3)}", "%{user|default('x')}", "%{login_user|default('none')}"),
        *("%{nothing|default('x')}", "%{nothing|lower|default('x')}", "%{nothing|default(protocol)}"),
        *("%{nothing|default}", "%{user|ldap_dn}", '%{user|concat("z")}', "%{user|username|lower|upper}"),
        *("%{literal('a')|upper}", "%{lookup('user')|lower}", '%{lookup("protocol")}', "%{user|text}"),
        *("%{local_port+7}", "%{local_port-1000}", "%{local_port*-2}", "%{local_port/2}", "%{local_port%10}"),
        *(
            "%{remote_port%local_port}",
            "%{local_port/0}",
            "%{user+1}",
            "%{user|sha256%8}",
            "%{local_port/-2}",
        ),
        *("%{user|md5}", "%{user|sha1}", "%{user|sha256}", "%{user|sha384}", "%{user|sha512}"),
        *("%{user|hash('sha3-256')}", "%{user|hash('sha1',rounds=2,salt='ab')}", "%{user|hash('nothing')}"),
        *("%{user|md5(rounds=3)}", "%{user|md5(salt=protocol)}", "%{user|md5(7)}", "%{user|hash('size')}"),
        *("%{user|base64}", "%{user|base64(pad=0)}", "%{user|sha1|base64(url=1)}", "%{user|base64(pad=7)}"),
        *("%{user|base64|unbase64|text}", "%{user|base64|unbase64}", "%{user|sha1|hexlify}"),
        *("%{user|hexlify(4)}", "%{user|hexlify(99)}", "%{user|hexlify|unhexlify|text}", "%{user|unhexlify}"),
        *("%{local_port|hex}", "%{local_port|hex(8)}", "%{local_port|hex(-2)}", "%{user|hex}"),
        *("%{local_port|hex(2)}", "%{literal('ff')|unhex}", "%{user|unhex}", "%{local_port|hex(300)}"),
        *("%{user|if('=','x','a','b')}", "%{protocol|if('eq','imap','a','b')}", "%{if(1,'<',2,'y','n')}"),
        *("%{if(local_port,'>',143,user,'low')}", "%{user|if('*','*O-Hara*','a','b')}", "%{if('a','eq')}"),
        *("%{user|if('~','^t[0-9]+[.]','a',protocol)}", "%{user|if('!~','x$','a','b')}"),
        *("%{local_port|if('==',993,'s','p')}", "%{user|if('==',993,'s','p')}", "%{if('a','lt','b',1,2)}"),
        *(
            "%{user|regexp('^(.*)@(.*)$','\\\\2-\\\\1')}",
            "%{user|regexp('Hara','x')}",
            "%{user|regexp('q+','x')}",
        ),
        *("%{literal('A')|benumber}", "%{literal('AB')|lenumber}", "%{literal('ABC')|lenumber}"),
        *("%{user|index('@',0)}", "%{user|index('.',-1)}", "%{user|index('@',7)}", "%{user|index('@')}"),
        *("%{local_port|lfill(6)}", "%{local_port|rfill(6,'x')}", "%{local_port|lfill(2)}", "%{user|list}"),
        *("%{local_port|lfill(0)}", "%{protocol|switch('eq','pop3','p','imap','i')}"),
        *("%{protocol|switch('eq','pop3','p','d')}", "%{protocol|switch('eq','pop3','p')}", "%{user|safe}"),
        *(
            "%{nothing}",
            "%{user|nothing}",
            "%{username}",
            "%{domain}",
            "%{lip}",
            "%{nothing:x}",
            "%{service}",
        ),
        *("%{system:nothing}", "%{user|lower('x')}", "%{user", "%{user|}", "%{|user}", "%{}", "%{user|'x'}"),
        *("%{user|concat()}", "%{user|concat('a',)}", "%{sql:user}", "%{user|literal('\\\\x41\\\\t')}"),
    ),
}


def name_of(number: int) -> str:
    return f"t{number}.O-Hara@{DOMAIN}"


def told(lab: Lab, number: int) -> tuple[str | None, str]:
    """What Dovecot makes of a template; or None, and what it logs of it."""
    with AuthSocket(lab.auth_socket) as auth:
        reply = auth.plain(name_of(number), b"x", client=SAID)
    if reply.ok:
        return next(f for f in reply.fields if f.startswith("x_probe=<")).removeprefix("x_probe=<"), ""
    assert reply.code == "temp_fail", reply
    user = re.escape(name_of(number).lower())
    line = re.compile(rf"{user}.*Failed to expand extra field x_probe=(.*)")
    assert lab.logs("Failed to expand")
    for _ in range(1200):  # a minute: the log lags behind the reply
        if found := line.search(lab.log()):
            return None, found[1]
        lab.logs("\0", 0.05)
    raise AssertionError(lab.log()[-2000:])


@pytest.mark.parametrize("dovecot_version", ["2.3.13", "2.3.19.1", "2.4.1", "testing"], indirect=True)
def test_expanded_as_dovecot_does(lab: Callable[..., Lab], dovecot_version: str) -> None:
    """Every variable, every modifier and every filter; and what Dovecot says where it cannot."""
    version = Version.parse(dovecot_version)
    templates = TEMPLATES[version.dialect]
    settings = "auth_username_format = %Lu\n" if version.dialect == "2.3" else ""
    wrong = []
    with lab(dovecot_version, "passwd-file", {"alice": "{PLAIN}x"}, settings=settings) as one:
        lines = (
            f"{name_of(number).lower()}:{{PLAIN}}x::::::x_probe=<{template}\n"
            for number, template in enumerate(templates)
        )
        Path(one.folder / "users").write_text("".join(lines))
        one.reload()
        for number, template in enumerate(templates):
            if (ours := mine(number, template, version)) is None:
                continue
            real, why = told(one, number)
            text, reason = ours
            said = reason and ("syntax error" if reason.startswith("syntax error") else f": {reason}")
            if real != text or (said not in why if said else why):
                wrong.append((template, real, why, text, reason))
    assert not wrong, "\n".join(map(str, wrong))


def mine(number: int, template: str, version: Version) -> tuple[str | None, str] | None:
    """The text, or None and what Dovecot says; None for what crashes that Dovecot."""
    user = name_of(number).lower()
    known = CLIENT | of_this_machine() | {"env:": "", "id": "1"}
    known |= values(user, original=name_of(number), service="imap", dialect=version.dialect)
    try:
        return expand(template, known, version.dialect, version=version), ""
    except ExpandError as why:
        return None, why.says
    except CannotObserve as why:
        if "crashes auth" not in str(why):
            raise
        return None


def test_what_goes_into_a_query(lab: Callable[..., Lab], dovecot_version: str) -> None:
    """Values are escaped before a modifier changes them in 2.3, and after all filters in 2.4."""
    name = "o-ha'ra@example.org"
    parts = {
        "2.3": ("%u", "%3n", "%Ru", "%1.2n", "%U{user}", "%Mu", "%{sha1:user}", "%{if;%u;eq;x;1;%u}", "%Nn"),
        "2.4": (
            *("%{user}", "%{user | substr(0, 3)}", "%{user | reverse}", "%{user | concat(protocol, user)}"),
            *(
                "%{user | md5}",
                "%{user | upper}",
                "%{nothing | default(user)}",
                "%{user | sha1 | hexlify(6)}",
            ),
        ),
    }
    version = Version.parse(dovecot_version)
    dialect = version.dialect
    asked = "%u" if dialect == "2.3" else "%{user}"
    columns = ", ".join(f"'<{part}' AS x_{number}" for number, part in enumerate(parts[dialect]))
    query = f"SELECT '{{PLAIN}}x' AS password, {columns} FROM users WHERE userid = '{asked}'"
    known = values(name, original=name, service="imap", dialect=dialect)
    sent = expand(query, known, dialect, lambda text: text.replace("'", "''"), version)
    with lab(
        dovecot_version, "sqlite", {name: "{PLAIN}x"}, query=query, settings="auth_username_chars =\n"
    ) as one:
        reply = one.login(name, b"x")
        assert reply.ok, one.log()[-1000:]
        with closing(sqlite3.connect(str(one.store.path))) as database:
            _, *row = database.execute(sent).fetchone()
    real = [field.partition("=")[2] for field in reply.fields if field.startswith("x_")]
    assert real == row
