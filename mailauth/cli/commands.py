"""The commands, one line each.  Imports none of them: the top-level help is printed from this table."""

from collections.abc import Sequence

COMMANDS: tuple[tuple[str, str, str], ...] = (
    # name, "module:object" that is imported when it is called, what it does
    ("diagnose", "mailauth.cli.diagnose:diagnose", "Find out why a login fails, and prove it."),
    ("checkup", "mailauth.cli.checkup:checkup", "Check the whole server and every row of its stores."),
    ("log", "mailauth.cli.log:log", "Report from the log who fails to log in, and why."),
    ("fix", "mailauth.cli.fix:fix", "Print the remedy of a finding as a patch, or apply and test it."),
    ("explain", "mailauth.cli.explain:explain", "Explain a finding, or a line of the log."),
    ("hash", "mailauth.cli.hash:hash_", "Make, verify, explain and convert password hashes."),
    ("audit", "mailauth.cli.audit:audit", "List what a store holds, and how a Dovecot version judges it."),
    ("report", "mailauth.cli.report:report", "Write one HTML file with all results."),
    ("migrate", "mailauth.cli.migrate:migrate", "Change stored hashes, at once or when users log in."),
    (
        "login",
        "mailauth.cli.login:login",
        "Log in by every protocol, and name the layer that refuses.",
    ),
    (
        "memory",
        "mailauth.cli.memory:memory",
        "Measure what a hash costs, and whether it fits into vsz_limit.",
    ),
    (
        "inside",
        "mailauth.cli.inside:inside",
        "Run a program in a container's Dovecot, with that Dovecot's rights.",
    ),
    ("load", "mailauth.cli.load:load", "Measure the login rate that Dovecot sustains."),
    ("check", "mailauth.cli.check:check", "Monitoring checks for Nagios, Icinga and Prometheus."),
    ("lab", "mailauth.cli.lab:lab", "Start a real, disposable Dovecot with a real store."),
    (
        "demo",
        "mailauth.cli.demo:demo",
        "Show a failing login, its diagnosis and its fix, in a lab.",
    ),
)

# Old spellings that go on working: command, option, the command that it became.
RENAMED: tuple[tuple[str, str, str], ...] = (
    ("diagnose", "--all", "checkup"),
    ("diagnose", "--from-log", "log"),
)

# Old spellings of an option: the command, the option, and what it is called now.
RESPELLED: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("audit",), "--png", "--picture"),
    (("migrate", "on-login", "status"), "--png", "--picture"),
)

COMPLETING = "_MAILAUTH_COMPLETE"  # in the environment: a shell wants to complete a line


def modern(words: Sequence[str]) -> tuple[list[str], str]:
    """A command line as it is spelled today, and what to say of an old spelling ("" for none)."""
    for command, option, now in RENAMED:
        options = words[1 : words.index("--")] if "--" in words else words[1:]
        if words[:1] == [command] and option in options:
            rest = list(words[1:])
            rest.remove(option)
            return [now, *rest], f"{command} {option} is a command of its own now: mailauth {now}"
    for called, option, now in RESPELLED:
        end = words.index("--") if "--" in words else len(words)
        old = [at for at in range(len(called), end) if words[at].partition("=")[0] == option]
        if tuple(words[: len(called)]) == called and old:
            respelled = [one.replace(option, now, 1) if at in old else one for at, one in enumerate(words)]
            return respelled, f"{' '.join(called)} {option} is called {now} now"
    return list(words), ""


EXIT_STATUSES: tuple[tuple[int, str], ...] = (
    (0, "nothing found, and every rule was decided"),
    (1, "something was found"),
    (2, "wrong usage: the message says what to change"),
    (3, "nothing found, but something could not be looked at"),
    (70, "a bug in mailauth"),
    (130, "interrupted"),
)


def help_text() -> str:
    width = max(len(name) for name, _, _ in COMMANDS)
    lines = [
        "Usage: mailauth COMMAND [OPTIONS] [ARGUMENTS]",
        "",
        "  mailauth finds out why a Dovecot login fails, and proves it.  It changes",
        "  nothing and makes no login unless you ask for it, and it never prints a",
        "  password.",
        "",
        "Commands:",
        *(f"  {name:<{width}}  {text}" for name, _, text in COMMANDS),
        "",
        "Exit status:",
        *(f"  {status:<{width}}  {text}" for status, text in EXIT_STATUSES),
        "",
        "  mailauth COMMAND --help has more.  Start with: mailauth diagnose USER",
        "",
    ]
    return "\n".join(lines)


def version_text() -> str:
    from importlib.metadata import version  # noqa: PLC0415 - 15 ms that --help must not pay

    return f"mailauth {version('mailauth')}\n"
