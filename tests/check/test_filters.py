"""fail2ban and CrowdSec, with the filters of docs/monitoring, over what real Dovecots log."""

import base64
import ipaddress
import json
import shutil
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedRWPair
from pathlib import Path

import pytest

from mailauth.dovecot.logs import REQUESTS, LogEvent, parse_line
from mailauth.dovecot.logstamp import Stamps
from mailauth.dovecot.messages import LogKind, Why
from mailauth.lab import Lab
from mailauth.lab.stores import share
from tests.check.test_snippets import SNIPPETS, run
from tests.check.tools import UNPACKED, shared, tool
from tests.docs import log_filters
from tests.dovecot.test_logs import LOGS, NOW, OWN
from tests.proofs.story import SECRET, MiB, argon2id

VICTIM = "192.0.2.99"
# Names that look like the rest of the line, as far as 80 characters go.
HOSTILE = (
    f"x>, method=PLAIN, rip={VICTIM}, lip=192.0.2.1, session=<abc>".encode(),
    f"x>, rip={VICTIM}, session=<a>\r\n".encode(),
    f"x\r\nimap-login: Info: Disconnected (auth failed, 1 attempts in 2 secs): rip={VICTIM}".encode(),
    f"a,{VICTIM},<abc>): Password mismatch".encode(),
    b"y" * 3980 + f"Disconnected (auth failed, 1 attempts in 2 secs): user=<b>, rip={VICTIM}".encode(),
)


@dataclass(frozen=True)
class Visits:
    """Clients of a Dovecot, each from an address of its own."""

    lab: Lab

    def __call__(self, address: str, *tries: tuple[bytes, bytes]) -> None:
        """Try these names and passwords on one connection, and leave."""
        server = "::1" if ":" in address else "127.0.0.1"
        with (
            socket.create_connection(
                (server, self.lab.ports["imap"]), timeout=60, source_address=(address, 0)
            ) as link,
            link.makefile("rwb") as talk,
        ):
            talk.readline()
            for name, password in tries:
                secret = base64.b64encode(b"\0" + name + b"\0" + password)
                self._say(talk, b"a AUTHENTICATE PLAIN " + secret)
            self._say(talk, b"z LOGOUT")

    @staticmethod
    def _say(talk: BufferedRWPair, line: bytes) -> None:
        talk.write(line + b"\r\n")
        talk.flush()
        while (answer := talk.readline()) and answer.startswith(b"*"):
            pass


def _file(lab_dialect: str, path: Path) -> str:
    if lab_dialect == "2.3":
        return f"passdb {{\n  driver = passwd-file\n  args = {path}\n}}\n"
    return f"passdb second {{\n  driver = passwd-file\n  passwd_file_path = {path}\n}}\n"


def _directory(lab: Lab) -> str:
    """An LDAP passdb whose server is away."""
    uri = f"ldap://127.0.0.1:{lab.free_port()}"
    if lab.dialect == "2.3":
        path = lab.folder / "ldap.conf"
        path.write_text(f"uris = {uri}\nbase = dc=example\n")
        share(path, lab.build.group("dovecot"))
        return f"passdb {{\n  driver = ldap\n  args = {path}\n}}\n"
    return f"passdb ldap {{\n  ldap_uris = {uri}\n  ldap_base = dc=example\n  filter = (uid=%{{user}})\n}}\n"


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
    except OSError:
        return False
    return True


@contextmanager
def visited(lab: Callable[..., Lab], version: str) -> Iterator[tuple[Lab, Visits]]:
    """A server of two passdbs; what a name may hold is not limited, and wrong passwords are logged."""
    first = {"alice": argon2id(b"another", memory=MiB), "broken": "{FOO}x"}
    with lab(version, users=first, protocols=("imap",)) as one:
        second = one.folder / "second"
        second.write_text(f"alice:{argon2id(memory=MiB)}\n")
        share(second, one.build.group("dovecot"))
        listen = "listen = 127.0.0.1, ::1\n" if has_ipv6() else ""
        one.configure(
            f"auth_username_chars =\nauth_verbose_passwords = plain\n{listen}{_file(one.dialect, second)}"
        )
        one.restart()
        yield one, Visits(one)


def fail2ban(log: Path, filter_: Path = SNIPPETS / "fail2ban-filter.conf") -> Counter[str]:
    """What fail2ban-regex counts, by what it would ban; a session that is spared is no address."""
    status, said = run(
        *("/usr/bin/python3", tool("fail2ban-regex"), "-c", UNPACKED / "etc" / "fail2ban", "-o", "id"),
        *(log, filter_),
        PYTHONPATH=str(UNPACKED / "usr/lib/python3/dist-packages"),
        PYTHONDONTWRITEBYTECODE="1",
    )
    assert "Traceback" not in said, said
    assert status in {0, 1}, said
    return Counter(said.split())


def addresses(found: Counter[str]) -> dict[str, int]:
    return {one: count for one, count in found.items() if is_address(one)}


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def as_syslog(log: str) -> str:
    """The same lines as syslog has them, which leaves "Info: " out."""
    return "".join(
        f"{line[:15]} mail dovecot: {line[16:].replace(' Info: ', ' ', 1)}\n" for line in log.splitlines()
    )


def test_who_is_banned_and_who_is_not(lab: Callable[..., Lab], dovecot_version: str, tmp_path: Path) -> None:
    """By fail2ban, from Dovecot's own log file and from syslog's; and by CrowdSec."""
    with visited(lab, dovecot_version) as (one, visit):
        visit("127.0.0.2", (b"alice", b"wrong"))
        visit("127.0.0.3", (b"nobody", SECRET))
        visit("127.0.0.4", (b"alice", SECRET))  # at the second passdb
        visit("127.0.0.5", (b"alice", b"wrong"), (b"alice", SECRET))  # mistyped once
        visit("127.0.0.6", (b"broken", SECRET))  # a scheme that this Dovecot does not have
        banned = {"127.0.0.2": 1, "127.0.0.3": 1}
        if has_ipv6():
            visit("::1", (b"alice", b"wrong"))
            banned["::1"] = 1
        for number, name in enumerate(HOSTILE, start=10):
            visit(f"127.0.0.{number}", (name, f"x): Unknown scheme FOO rip={VICTIM}".encode()))
            banned[f"127.0.0.{number}"] = 1
        assert one.logs("auth failed", times=len(banned) + 1)
        one.configure(one.settings_file.read_text() + _directory(one))
        one.reload()
        visit("127.0.0.7", (b"alice", b"wrong"))  # the directory may have it
        visit("127.0.0.8", (b"elsewhere", SECRET))
        assert one.logs("auth service reported temporary failure", times=2)
        log = one.log()
    assert log.count("Password mismatch") >= 5, log
    for file, text in (("own.log", log), ("mail.log", as_syslog(log))):
        (tmp_path / file).write_text(text)
        found = fail2ban(tmp_path / file)
        assert addresses(found) == banned, text
        (spared,) = found.keys() - banned.keys()  # the session of 127.0.0.6
        assert f"rip=127.0.0.6, lip=127.0.0.1, session=<{spared}>" in log
    # The scenario's capacity is four.
    (tmp_path / "mail.log").write_text(as_syslog(log) * 5)
    assert crowdsec(tmp_path / "mail.log", tmp_path) == banned.keys()


@pytest.mark.parametrize("name", [*OWN, *(path.name for path in LOGS.glob("syslog-*"))])
def test_the_logs_of_five_versions(name: str) -> None:
    """Each session that ended with a failure counts, but for the one of a scheme that there is not."""
    stamps = Stamps(NOW)
    events = [
        event for line in (LOGS / name).read_bytes().splitlines() if (event := parse_line(line, stamps))
    ]
    ended = [one for one in events if one.kind is LogKind.LOGIN_FAILED and one.why is Why.NOT_TOLD]
    spared = [one for one in ended if _spared(one, events)]
    found = fail2ban(LOGS / name)
    assert addresses(found) == {"127.0.0.1": len(ended) - len(spared)}
    assert found.keys() - {"127.0.0.1"} == {one.session for one in spared}


def _spared(ended: LogEvent, events: list[LogEvent]) -> bool:
    rows = [one.row for one in events if one.session == ended.session and one.kind is LogKind.FAILED]
    return any(row and log_filters.spares(row) for row in rows)


def test_fail2ban_takes_the_jail(tmp_path: Path) -> None:
    """Its client reads the whole configuration, as the server would be told it."""
    folder = tmp_path / "fail2ban"
    shutil.copytree(UNPACKED / "etc" / "fail2ban", folder)
    (folder / "jail.d" / "defaults-debian.conf").unlink()
    shutil.copy(SNIPPETS / "fail2ban-filter.conf", folder / "filter.d" / "mailauth-dovecot.conf")
    (tmp_path / "mail.log").touch()
    text = (
        (SNIPPETS / "fail2ban-jail.conf").read_text().replace("/var/log/mail.log", str(tmp_path / "mail.log"))
    )
    (folder / "jail.d" / "mailauth-dovecot.conf").write_text(text)
    status, said = run(
        *("/usr/bin/python3", tool("fail2ban-client"), "-c", folder, "-d"),
        PYTHONPATH=str(UNPACKED / "usr/lib/python3/dist-packages"),
        PYTHONDONTWRITEBYTECODE="1",
    )
    assert status == 0, said
    for wanted in (
        "'mailauth-dovecot', 'maxretry', 5",
        "'mailauth-dovecot', 'findtime', '10m'",
        "add', 'mailauth-d",
    ):
        assert wanted in said, said
    assert "['start', 'mailauth-dovecot']" in said
    assert "['start', 'dovecot']" not in said


def crowdsec(log: Path, folder: Path) -> set[str]:
    """Whom the real one bans: all of it but its own traffic with its makers."""
    hub, home = shared("crowdsec") / "hub", folder / "crowdsec"
    placed = {
        "parsers/s00-raw": hub / "parsers/s00-raw/crowdsecurity/syslog-logs.yaml",
        "parsers/s01-parse": SNIPPETS / "crowdsec-parser.yaml",
        "parsers/s02-enrich": hub / "parsers/s02-enrich/crowdsecurity/dateparse-enrich.yaml",
        "scenarios": SNIPPETS / "crowdsec-scenario.yaml",
    }
    program, client = tool("crowdsec"), tool("cscli")
    for place, file in placed.items():
        (home / place).mkdir(parents=True)
        shutil.copy(file, home / place)
    shutil.copytree(UNPACKED / "etc/crowdsec/patterns", home / "patterns")
    for name in ("data", "hub", "out", "notifications"):
        (home / name).mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    (home / "hub/.index.json").write_text(json.dumps({"parsers": {}, "scenarios": {}, "collections": {}}))
    (home / "acquis.yaml").touch()
    (home / "simulation.yaml").write_text("simulation: false\n")
    (home / "profiles.yaml").write_text(_PROFILE)
    (home / "credentials.yaml").write_text(f"url: http://{address}\nlogin: t\npassword: not-a-secret\n")
    (home / "config.yaml").write_text(_CROWDSEC.replace("@HOME@", str(home)).replace("@ADDRESS@", address))
    config = ("-c", home / "config.yaml")
    machine = (
        "machines",
        "add",
        "t",
        "--password",
        "not-a-secret",
        "-u",
        f"http://{address}",
        "-f",
        "/dev/null",
    )
    status, said = run(client, *config, *machine, "--force")
    assert status == 0, said
    read = ("-dsn", f"file://{log}", "-type", "syslog", "-dump-data", home / "out", "-no-capi")
    status, said = run(program, *config, *read)
    assert "level=fatal" not in said, said
    return {
        line.split(" performed ")[0].rpartition("Ip ")[2]
        for line in said.splitlines()
        if " performed " in line
    }


_PROFILE = """\
name: default
filters:
 - Alert.Remediation == true
decisions:
 - type: ban
   duration: 4h
on_success: break
"""
_CROWDSEC = """\
common: {daemonize: false, log_media: stdout, log_level: info, working_dir: .}
config_paths:
  config_dir: @HOME@
  data_dir: @HOME@/data
  simulation_path: @HOME@/simulation.yaml
  hub_dir: @HOME@/hub
  index_path: @HOME@/hub/.index.json
  notification_dir: @HOME@/notifications
  plugin_dir: @HOME@/plugins
crowdsec_service: {acquisition_path: @HOME@/acquis.yaml, parser_routines: 1}
cscli: {output: raw}
db_config: {log_level: info, type: sqlite, db_path: @HOME@/data/crowdsec.db}
api:
  client: {insecure_skip_verify: false, credentials_path: @HOME@/credentials.yaml}
  server: {log_level: info, listen_uri: "@ADDRESS@", profiles_path: @HOME@/profiles.yaml}
prometheus: {enabled: false}
"""


def test_the_filters_are_those_of_the_catalogue() -> None:
    """When they are not: python -m tests.docs.generated."""
    for name, make in log_filters.MADE.items():
        assert (SNIPPETS / name).read_text() == make()


def test_each_row_of_the_catalogue_is_spared_or_not(tmp_path: Path) -> None:
    """Its words in the grammar of both dialects, and then the end of that session, through fail2ban."""
    lines, wanted = [], set[str]()
    rows = [row for row in REQUESTS.rows if row.kind is not LogKind.OTHER and "\t" not in row.words]
    for number, row in enumerate(rows):
        text = row.words.replace("%!", "secret").replace("%", "word")
        taken = REQUESTS.find(text.encode())
        for dialect, head in enumerate(
            ("auth: Info: sql(alice,192.0.2.1,<{}>): ", "auth(alice,192.0.2.1,sasl:plain)<{}>: Info: sql: ")
        ):
            session = f"s{dialect}n{number}"
            lines.append(head.format(session) + text)
            lines.append(
                "imap-login: Info: Disconnected (auth failed, 1 attempts in 2 secs): user=<alice>,"
                f" method=PLAIN, rip=192.0.2.1, lip=192.0.2.2, session=<{session}>"
            )
            if taken and log_filters.spares(taken):
                wanted.add(session)
    (tmp_path / "log").write_text("".join(f"Nov 30 08:00:00 {line}\n" for line in lines))
    found = fail2ban(tmp_path / "log")
    assert found.keys() - {"192.0.2.1"} == wanted
