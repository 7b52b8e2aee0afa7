"""The ready-made configurations of docs/monitoring are taken by the programs that they are for."""

import grp
import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mailauth.check.outcome import KINDS
from mailauth.cli.check import check
from tests.check.tools import libraries, shared, tool
from tests.cli.running import ROOT

SNIPPETS = ROOT / "docs" / "monitoring"
UNITS = sorted(path.name for path in SNIPPETS.iterdir() if path.suffix in {".service", ".timer"})
# These run no command of ours: test_filters.py, test_dashboards.py, test_log_limits.py, test_zabbix.py.
OF_OTHERS = {
    *("fail2ban-filter.conf", "fail2ban-jail.conf", "crowdsec-parser.yaml", "crowdsec-scenario.yaml"),
    *("grafana-dashboard.json", "logrotate", "journald.conf", "dovecot-journal.conf"),
    "zabbix-template.yaml",
}
LEAST = 3.0  # of systemd's own scale, where 0 is shut and 10 open
USER, GROUP = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name


def run(*argv: str | Path, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [str(word) for word in argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **environment},
    )
    return done.returncode, done.stdout


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """systemd-analyze wants the program to be there: ours, in place of /usr/bin/mailauth."""
    program = Path(sys.executable).parent / "mailauth"
    for name in UNITS:
        text = (SNIPPETS / name).read_text()
        (tmp_path / name).write_text(text.replace("/usr/bin/mailauth", str(program)))
    argv: list[str | Path] = [
        tool("systemd-analyze"),
        "verify",
        "--man=no",
        *(tmp_path / name for name in UNITS),
    ]
    assert run(*argv) == (0, "")
    for name in (name for name in UNITS if name.endswith(".service")):
        _, said = run(tool("systemd-analyze"), "security", "--offline=yes", "--no-pager", tmp_path / name)
        level = re.search(r"exposure level for .*: ([0-9.]+)", said)
        assert level, said
        assert float(level[1]) < LEAST, said
    (tmp_path / UNITS[0]).write_text("[Service]\nTypo=yes\n")
    assert run(*argv)[1] != ""


def test_prometheus_takes_the_rules_and_the_configuration(tmp_path: Path) -> None:
    promtool = tool("promtool")
    for name in ("prometheus.yml", "mailauth-rules.yml"):
        shutil.copy(SNIPPETS / name, tmp_path)
    status, said = run(promtool, "check", "config", tmp_path / "prometheus.yml")
    assert status == 0, said
    assert "6 rules found" in said


def test_the_rules_fire(tmp_path: Path) -> None:
    """They are computed on series as the exporter has them."""
    shutil.copy(SNIPPETS / "mailauth-rules.yml", tmp_path)
    (tmp_path / "story.yml").write_text(STORY)
    status, said = run(tool("promtool"), "test", "rules", tmp_path / "story.yml")
    assert status == 0, said


STORY = """
rule_files: [mailauth-rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: 'mailauth_check_status{check="rows",instance="mail"}'
        values: '0x5 2x30'
      - series: 'mailauth_check_timestamp_seconds{instance="mail"}'
        values: '0+60x40'
      - series: 'mailauth_canary_up{way="imap 993 TLS",instance="mail"}'
        values: '1x5 0x30'
    alert_rule_test:
      - eval_time: 4m
        alertname: MailAuthenticationCritical
      - eval_time: 4m
        alertname: MailLoginByOneWayFails
      - eval_time: 30m
        alertname: MailAuthenticationNotWatched
      - eval_time: 30m
        alertname: MailAuthenticationCritical
        exp_alerts:
          - exp_labels: {check: rows, instance: mail, severity: critical}
            exp_annotations:
              summary: "rows is CRITICAL on mail"
              description: "On that machine, mailauth check rows says why, and mailauth diagnose finds out."
      - eval_time: 30m
        alertname: MailLoginByOneWayFails
        exp_alerts:
          - exp_labels: {way: "imap 993 TLS", instance: mail, severity: critical}
            exp_annotations: {summary: "The canary cannot log in by imap 993 TLS on mail"}
"""


def test_the_rules_name_metrics_that_there_are() -> None:
    named = set(re.findall(r"mailauth_\w+", (SNIPPETS / "mailauth-rules.yml").read_text()))
    known = {f"mailauth_{name}{'_total' if kind.counts else ''}" for name, kind in KINDS.items()}
    assert named - known == {"mailauth_check_status", "mailauth_check_timestamp_seconds"}


def test_the_document_has_every_metric_and_every_file() -> None:
    text = (ROOT / "docs" / "monitoring.md").read_text()
    for name, kind in KINDS.items():
        assert f"`{name}{'_total' if kind.counts else ''}`" in text
    for path in SNIPPETS.iterdir():
        assert f"](monitoring/{path.name})" in text


def test_icinga_takes_the_command_and_the_service(tmp_path: Path) -> None:
    """With a host that has the service: apply rules are worked out for real."""
    host = 'object Host "mail" {\n  check_command = "mailauth"\n  vars.mailauth = true\n}\n'
    main = tmp_path / "icinga2.conf"
    main.write_text("include <itl>\n" + (SNIPPETS / "icinga2.conf").read_text() + host)
    folders = {
        name: tmp_path / name
        for name in ("DataDir", "LogDir", "CacheDir", "InitRunDir", "SpoolDir", "ConfigDir")
    }
    for folder in folders.values():
        folder.mkdir()
    options = [f"-D{name}={folder}" for name, folder in folders.items()]
    argv: list[str | Path] = [
        *(tool("icinga2"), "daemon", "-C", "-c", main, "-I", shared("icinga2") / "include"),
        *(f"-DRunAsUser={USER}", f"-DRunAsGroup={GROUP}", *options),
    ]
    status, said = run(*argv, LD_LIBRARY_PATH=libraries())
    assert status == 0, said
    assert "Instantiated 1 Service" in said
    main.write_text(main.read_text().replace("apply Service", "aply Service"))
    assert run(*argv, LD_LIBRARY_PATH=libraries())[0] == 1


def test_nagios_takes_the_commands_and_the_service(tmp_path: Path) -> None:
    (tmp_path / "objects.cfg").write_text(NAGIOS + (SNIPPETS / "nagios.cfg").read_text())
    files = (
        "log_file",
        "object_cache_file",
        "precached_object_file",
        "status_file",
        "temp_file",
        "lock_file",
    )
    lines = [f"{name}={tmp_path / name}" for name in files]
    lines += [
        f"temp_path={tmp_path}",
        f"check_result_path={tmp_path}",
        f"cfg_file={tmp_path / 'objects.cfg'}",
    ]
    lines += [f"nagios_user={USER}", f"nagios_group={GROUP}", "illegal_macro_output_chars=`~$&|'<>"]
    main = tmp_path / "nagios.cfg"
    main.write_text("\n".join(lines) + "\n")
    status, said = run(tool("nagios4"), "-v", main, LD_LIBRARY_PATH=libraries())
    assert status == 0, said
    assert "Total Warnings: 0\nTotal Errors:   0" in said
    assert "Checked 1 services" in said


NAGIOS = """
define timeperiod {
    timeperiod_name 24x7
    alias always
    monday 00:00-24:00
}
define command {
    command_name tell
    command_line /bin/true
}
define contact {
    contact_name root
    host_notification_period 24x7
    service_notification_period 24x7
    host_notification_options d,r
    service_notification_options c,r
    host_notification_commands tell
    service_notification_commands tell
}
define host {
    host_name mail
    address 192.0.2.1
    check_command tell
    max_check_attempts 3
    check_period 24x7
    notification_period 24x7
    contacts root
}
"""


def test_sudo_takes_its_line_which_allows_no_arguments(tmp_path: Path) -> None:
    text = (SNIPPETS / "sudoers").read_text()
    assert text.endswith('/usr/local/sbin/check_mailauth ""\n')
    visudo = tool("visudo")
    for line, wanted in ((text, 0), (text.replace("NOPASSWD", "NOPASSWORDD"), 1)):
        (tmp_path / "sudoers").write_text(line)
        status, said = run(visudo, "-c", "-f", tmp_path / "sudoers", LD_LIBRARY_PATH=libraries())
        assert status == wanted, said


@pytest.mark.parametrize("path", sorted(SNIPPETS.iterdir()), ids=lambda path: path.name)
def test_every_command_is_one_that_mailauth_takes(path: Path) -> None:
    """The options in the snippets are those of the command."""
    commands = [
        line for line in path.read_text().splitlines() if "/bin/mailauth check" in line and "#" not in line
    ]
    for line in commands:
        words = shlex.split(line.partition("/bin/mailauth check ")[2])
        words = ["/dev/null" if "$" in word else word for word in words]
        assert check.make_context("check", words, resilient_parsing=False).params["checks"] is not None
    named = path.read_text()
    assert (
        commands or "check_mailauth" in named or path.suffix in {".timer", ".yml"} or path.name in OF_OTHERS
    )
