"""A user's name on the command line."""

import click


def sayable(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """What is no UTF-8 can be said in no query, no log and no JSON."""
    try:
        (value or "").encode()
    except UnicodeEncodeError:
        raise click.BadParameter(f"{value!r} is not UTF-8; give the name as clients send it.") from None
    return value
