"""Manual pages and shell completion, made of the commands: ``python -m mailauth.cli.manual FOLDER``.

The wheel and the Debian package are built with what this writes, so neither can drift from --help.  Other
generators of manual pages do not escape what roff takes for a request, and need the commands imported.
Source of the format: groff_man(7) of groff 1.22.4.
"""

import os
import re
import sys
import textwrap
import time
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

import click
from click.shell_completion import ShellComplete, get_completion_class

from mailauth.cli.commands import COMMANDS, COMPLETING, EXIT_STATUSES, help_text
from mailauth.cli.main import cli

# Where a package puts them, below its prefix.
COMPLETIONS = {
    "bash": "share/bash-completion/completions/mailauth",
    "zsh": "share/zsh/site-functions/_mailauth",
    "fish": "share/fish/vendor_completions.d/mailauth.fish",
}
_MAN = "share/man/man1"
_WIDTH = 70  # escapes make a line longer, which should not pass 80


def files(version: str) -> dict[str, str]:
    """All of them: the path below the prefix, and the text."""
    pages = {f"{_MAN}/{_page_name(ctx)}.1": page(ctx, version) for ctx in contexts()}
    return pages | {path: completion(shell) for shell, path in COMPLETIONS.items()}


def completion(shell: str) -> str:
    """The script that has a shell ask mailauth what may come next, for the shell's own folder."""
    kind = get_completion_class(shell)
    assert kind is not None
    # Not the class's own source(): bash's looks for a bash on the machine that builds.
    script = ShellComplete.source(kind(cli, {}, "mailauth", COMPLETING))
    if shell == "zsh":
        # Click 8.5's script completes when zsh loads it, and only registers itself at the second try.
        script, found, _ = script.partition("\nif [[ $zsh_eval_context")
        assert found
        script += '\n_mailauth_completion "$@"'
    return f"{script.rstrip()}\n"


def contexts() -> Iterator[click.Context]:
    """Every command, the outermost first."""
    yield from _below(click.Context(cli, info_name="mailauth", **cli.context_settings))


def _below(ctx: click.Context) -> Iterator[click.Context]:
    yield ctx
    for name, command in _commands(ctx):
        yield from _below(click.Context(command, info_name=name, parent=ctx))


def _commands(ctx: click.Context) -> list[tuple[str, click.Command]]:
    group = ctx.command
    if not isinstance(group, click.Group):
        return []
    found = [(name, group.get_command(ctx, name)) for name in group.list_commands(ctx)]
    return [(name, command) for name, command in found if command is not None and not command.hidden]


def page(ctx: click.Context, version: str) -> str:
    """One manual page."""
    name = _page_name(ctx)
    date = time.strftime("%Y-%m-%d", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))))
    lines = [
        f'.TH {_escaped(name.upper())} 1 {date} "mailauth {version}" "mailauth manual"',
        ".SH NAME",
        f"{_escaped(name)} \\- {_escaped(_short(ctx))}",
        ".SH SYNOPSIS",
        f".B {_escaped(ctx.command_path)}",
        *(_escaped(piece) for piece in ctx.command.collect_usage_pieces(ctx)),
        ".SH DESCRIPTION",
        *_description(ctx),
    ]
    parameters = [one for one in ctx.command.get_params(ctx) if isinstance(one, click.Option)]
    options = [record for one in parameters if (record := one.get_help_record(ctx))]
    if options:
        lines.append(".SH OPTIONS")
        for switches, text in options:
            lines += [".TP", _switches(switches), *_filled(text)]
    if commands := _commands(ctx):
        lines.append(".SH COMMANDS")
        for sub, command in commands:
            below = click.Context(command, info_name=sub, parent=ctx)
            lines += [".TP", f".BR {_escaped(_page_name(below))} (1)", *_filled(_short(below))]
    if ctx.parent is None:
        lines.append(".SH EXIT STATUS")
        for status, meaning in EXIT_STATUSES:
            lines += [".TP", str(status), *_filled(meaning)]
    if others := _see_also(ctx):
        lines.append(".SH SEE ALSO")
        lines += [f".BR {_escaped(other)} (1)," for other in others[:-1]]
        lines.append(f".BR {_escaped(others[-1])} (1)")
    return "\n".join(lines) + "\n"


def _page_name(ctx: click.Context) -> str:
    return ctx.command_path.replace(" ", "-")


def _short(ctx: click.Context) -> str:
    """What the command does, as one line without a full stop."""
    listed = {name: text for name, _, text in COMMANDS}
    if ctx.parent is None:
        text = "find out why a Dovecot login fails, and prove it"
    elif ctx.parent.parent is None:
        text = listed[ctx.info_name or ""]
    else:
        text = ctx.command.get_short_help_str(limit=200)
    begins = text[:2] if text[:2].isupper() else text[:2].lower()  # HTML stays HTML
    return begins + text[2:].removesuffix(".")


def _description(ctx: click.Context) -> Iterator[str]:
    if ctx.parent is None:
        about = help_text().partition("\n\n")[2].partition("\n\n")[0]
        yield from _filled(textwrap.dedent(about))
        return
    paragraphs = re.split(r"\n\s*\n", cleandoc(ctx.command.help or ""))
    for number, paragraph in enumerate(paragraphs):
        if number:
            yield ".PP"
        head, mark, rest = paragraph.partition("\b\n")
        if mark and not head.strip():  # Click's mark of lines that are kept as they are
            yield from (".nf", *(_escaped(line.rstrip()) for line in rest.splitlines()), ".fi")
        else:
            yield from _filled(paragraph)


def _filled(text: str) -> Iterator[str]:
    """Lines of running text; roff wants each sentence to begin one."""
    for sentence in re.split(r"(?<=[.?!:])\s{2,}", " ".join(text.splitlines())):
        yield from (_escaped(line) for line in textwrap.wrap(sentence, _WIDTH, break_on_hyphens=False))


def _switches(text: str) -> str:
    """``-c, --config FILE``: what is typed in bold, what stands for something else in italics."""
    return "".join(
        f"\\f{'B' if word.startswith('-') else 'I'}{_escaped(word)}\\fR" if word[0] not in " ,/" else word
        for word in re.findall(r"[ ,/]+|[^ ,/]+", text)
    )


def _see_also(ctx: click.Context) -> list[str]:
    """The command above; at the top what it is about."""
    return [_page_name(ctx.parent)] if ctx.parent else ["doveadm", "doveconf", "dovecot"]


def _escaped(text: str) -> str:
    """As roff shows it, whatever it begins with."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    text = text.replace("^", "\\(ha").replace("~", "\\(ti")
    return f"\\&{text}" if text[:1] in (".", " ") else text


def write(folder: Path, version: str) -> list[Path]:
    """Put them all below ``folder``."""
    written = []
    for name, text in files(version).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        written.append(path)
    return written


if __name__ == "__main__":
    from importlib.metadata import version as version_of

    write(Path(sys.argv[1]), version_of("mailauth"))
