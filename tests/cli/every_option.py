"""For each command: the options that all its modes use, and by mode those that it refuses.

A mode is the words behind the command; an option may have its value behind a "=".  A run without ``--apply``
takes the options of the one with it: it is the same command, typed once more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """``used``: in every mode, or by one of the refusals' other modes."""

    used: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)


_PASSWORDS = "--ask-password --password-fd --password-stdin"
_CASE = "--service --from-address=127.0.0.1 --host --mechanism=PLAIN --login"
_DOVECOT = "--config --pid --container"
_STORE = f"{_DOVECOT} --passdb --url --url-fd --rows-query --default-scheme --dovecot"
_BIND = "--bind-dn --bind-password-fd --bind-password-file --insecure"
_RULES_OF_STRINGS = "--rules --prefix --prefix-default --trim --relabel --convert --mend --origin --only"
_RULES = f"{_RULES_OF_STRINGS} --rehash --prove"
_SEAL = "--seal-to --no-undo-for-plaintexts --rate"
_OF_A_STORE = {
    "": "--default-scheme=PLAIN --insecure --bind-password-fd --bind-password-file",
    "--url sqlite:x": "--config=x --pid=1 --passdb=1 --bind-dn=x",
}
_OF_NO_RULE = {
    "--prefix": "--profile",
    "--rehash ARGON2ID": "--only=PLAIN",
    "--rehash BLF-CRYPT": "--profile",
}

WITHOUT_PASSWORD = {"diagnose": "alice"}
"""Commands whose options are a record's fields, which say which of them this mode refuses."""

ROWS: dict[str, Row] = {
    "": Row("--version"),
    "checkup": Row(f"{_DOVECOT} --as-if --rows-query --json"),
    "log": Row(
        f"{_DOVECOT} --log --since --rotated --top --max-seconds --json",
        {"": "--log-timestamp=%s", "--log x": "--config=x --pid=1", "--log -": "--rotated --log=x"},
    ),
    "fix": Row(
        f"{_DOVECOT} --json",
        {
            "MEM001": f"{_PASSWORDS} {_CASE}",
            "MEM001 alice": "--login",
            "--undo x": f"--apply {_PASSWORDS} {_CASE}",
            "MEM001 --apply": "--undo=x",
        },
    ),
    "explain": Row("--json"),
    "hash convert": Row(
        "--to --default-scheme",
        {
            "--to list": f"--stored-fd --batch=x {_PASSWORDS} --from=md5 --csv=x --user --for=2.4.1 --json",
            "--to php x": "--from=md5 --for=2.4.1",
            "--batch x": f"--stored-fd {_PASSWORDS} --user --json",
            "--csv x": f"--stored-fd --batch=x {_PASSWORDS} --user --json",
            "x": "--stored-fd --jobs",
        },
    ),
    "hash new": Row(
        "--scheme --memory --time --lanes --cost --rounds --kind --for --allow-weak --vsz-limit --idle",
        {
            "--profile list": f"--fit --csv=x {_PASSWORDS} --user --json --jobs",
            "--profile owasp": "--fit",
            "--fit": "--profile=owasp",
            "--csv x": f"{_PASSWORDS} --user --json",
            "-p": "--jobs",
        },
    ),
    "hash show": Row(
        "--batch --for --allow-weak --default-scheme",
        {"--batch x": "--stored-fd --json", "x": "--jobs --stored-fd"},
    ),
    "hash verify": Row(
        "--batch --for --allow-weak --default-scheme --vsz-limit --max-memory --max-seconds",
        {"--batch x": f"--stored-fd {_PASSWORDS} --user --json", "x": "--jobs --stored-fd --idle=30M"},
    ),
    "audit": Row(
        "--container --rows-query --dovecot --names --picture --url --url-fd",
        {
            "": "--default-scheme=PLAIN --ask-password --password-fd",
            "--url sqlite:x": "--config=x --pid=1",
            "--csv": "--json --prove=x",
            "--json": "--csv",
        },
    ),
    "report": Row(
        f"{_DOVECOT} --output --load --anonymous --rows-query", {"": _PASSWORDS, "-o -": "--force"}
    ),
    "migrate plan": Row(
        f"{_STORE} {_BIND} {_RULES} --max-seconds --users-out --json",
        _OF_NO_RULE | {f"--prefix {mode}": refused for mode, refused in _OF_A_STORE.items()},
    ),
    "migrate apply": Row(
        f"{_STORE} {_BIND} {_RULES} {_SEAL} --batch --users-out --json --apply --resume",
        _OF_NO_RULE
        | {
            "--prefix": "--profile --jobs --dask --accept-mechanism-loss",
            **{f"--prefix --apply {mode}": refused for mode, refused in _OF_A_STORE.items()},
        },
    ),
    "migrate default-scheme": Row(
        f"{_DOVECOT} --passdb --rows-query --prefix --prefix-undecided --origin {_SEAL} --batch"
        " --users-out --apply --json",
        {"PLAIN": "--prove=-"},
    ),
    "migrate import": Row(
        f"{_STORE} {_BIND} {_SEAL} --batch --jobs --dask --users-out --json --encoding --delimiter --quote"
        " --user-column --password-column --scheme --long-passwords --accept-mechanism-loss",
        {
            **{f"x {mode}": refused for mode, refused in _OF_A_STORE.items()},
            "x --verify-only": f"--set --apply --scheme=CRYPT --profile --cost --rounds {_SEAL}"
            " --long-passwords=leave --accept-mechanism-loss",
            "x --set": "--verify-only",
            "x -s ARGON2ID": "--cost --rounds",
            "x -s BLF-CRYPT": "--profile",
            "x --user-column u": "--password-column=",
        },
    ),
    "migrate keygen": Row(),
    "migrate ldif": Row(
        f"{_RULES_OF_STRINGS} --attribute --default-scheme --dovecot --out --undo-out --users-out --json",
        {"x --prefix": "--profile"},
    ),
    "migrate move": Row(
        f"{_STORE} --to --to-passdb --to-rows-query --to-dovecot=2.4.1 --fill --domain"
        f" --accept-field-loss --seal-to --rate --users-out --apply --json {_BIND}",
        {
            "--to sqlite:x": "--to-fd --to-passdb=1 --default-scheme=PLAIN --bind-dn=x --insecure"
            " --bind-password-fd --bind-password-file",
            "--to-passdb 1": "--to-dovecot=2.4.1 --insecure --bind-password-fd --bind-password-file",
        },
    ),
    "migrate on-login disable": Row(f"{_DOVECOT} --name --apply --json"),
    "migrate on-login enable": Row(
        f"{_DOVECOT} --scheme --port --long-passwords --accept-unprivileged-port --name"
        " --accept-mechanism-loss --apply --json --bind-dn",
        {
            "": "--insecure --bind-password-fd --bind-password-file",
            "-s ARGON2ID": "--cost --rounds",
            "-s BLF-CRYPT": "--profile",
        },
    ),
    "migrate on-login serve": Row("--pid --container --workers --name"),
    "migrate on-login status": Row("--name --json --rows --picture", {"": "--users-out"}),
    "migrate on-login unit": Row("--socket --name"),
    "migrate status": Row("--json"),
    "migrate undo": Row(f"{_STORE} {_BIND} --store --key --rate --users-out --apply --json"),
    "login": Row(
        f"{_DOVECOT} {_PASSWORDS} --way --mechanism --tls --every --host --from-address --refusals --timeout",
        {
            "alice": "--insecure",
            "alice --way imap": "--smtp=25 --smtps=465",
            "alice --json": "--watch",
            "alice --watch 9": "--json",
        },
    ),
    "memory show": Row(
        "--measure --time --lanes --json", {"x": "--runs --library --stdin", "--stdin": "--fd --memory=1M"}
    ),
    "memory fit": Row(
        "--container --vsz-limit --driver --json",
        {
            "": "--use-worker --idle=30M --workers --lanes --stdin --fd --memory=1M",
            "--vsz-limit 1G --driver pgsql": "--config=x --pid=1 --rows-query",
            "--vsz-limit 1G --driver passwd-file --memory 1M": "--workers",
        },
    ),
    "memory recommend": Row(
        "--container --driver --use-worker --vsz-limit --ram --cores --users --peak --latency --idle"
        " --seconds --apply-to --try-huge-pages --json",
        {"": "--workers --dovecot=2.4.1", "--driver mysql": "--config=x --pid=1 --rows-query"},
    ),
    "memory bench": Row(
        "--results --most --quick --runs --seconds --picture --json", {"": "--limit=1G --latency"}
    ),
    "inside": Row("--pid --container"),
    "load": Row(
        f"{_DOVECOT} --lab --by --sources --in-flight --timeout --stop-failures --stop-p95 --stop-errors"
        " --wrong --warm-up --json --picture",
        {
            "--lab": f"--config=x --pid=1 --socket=x --host --tls --users=x --user --i-own-this-server"
            f" --penalties {_PASSWORDS}",
            "--user x": "--dovecot=2.4.1 --store=sqlite --scheme=CRYPT --profile=owasp --lab-users"
            " --settings=/dev/null",
            "--by auth": "--host --tls --penalties",
            "--by imap": "--socket=x --connections",
            "--rate 5": "--ramp=1:2 --max --find-knee --p95 --step --wait --same-address",
            "--find-knee": "--rate --ramp=1:2 --duration --attack",
            "--attack": "--wrong --ramp=1:2 --max --p95 --stop-failures --stop-p95 --stop-errors",
            "--by imap --users /dev/null": _PASSWORDS,
        },
    ),
    "check": Row(
        f"{_DOVECOT} --timeout --state",
        {
            "server": "--canary=x --smtp=25 --smtps=465 --insecure --login-time --pause --headroom --rows"
            " --survey-age --rows-query --log-window --failures --window --interval --listen",
            "canary": "--host --greeting --certificate",
            "serve": "--format=json --textfile=x.prom --json",
            "--json": "--format=json",
        },
    ),
    "lab fetch": Row(),
    "lab list": Row(),
    "lab run": Row(
        "--dovecot --store --user --users --settings --protocol --postfix --json",
        {"--users /dev/null": "--stored", "--user x": "--tls"},
    ),
    "demo": Row("--dovecot"),
}
