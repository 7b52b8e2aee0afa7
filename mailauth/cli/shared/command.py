"""A command in two modules: what it is called with, and what it does.

``cli/X.py`` has the options and the help, and imports next to nothing: a shell completes from it, ``--help``
prints it.  ``cli/X_run.py`` has a function of the same name that does it, and imports at its top all that it
needs.  It is imported here, when the command is called.
"""

import importlib
from typing import Any

import click


class Command(click.Command):
    """Runs the function of the same name in ``<module>_run``, with the options by their names."""

    def invoke(self, ctx: click.Context) -> Any:
        """Without Click's check for deprecated commands, of which there are none."""
        asked = self.callback
        assert asked is not None
        work = importlib.import_module(f"{asked.__module__}_run")
        return ctx.invoke(getattr(work, asked.__name__), **self.given(ctx))

    def given(self, ctx: click.Context) -> dict[str, Any]:
        """What that function takes: the options by their names."""
        return ctx.params
