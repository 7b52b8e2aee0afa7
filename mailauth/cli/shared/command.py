"""A command in two modules: what it is called with, and what it does.

``cli/X.py`` has the options and the help, and imports next to nothing: a shell completes from it, ``--help``
prints it.  ``cli/X_run.py`` has a function of the same name that does it, and imports at its top all that it
needs.  It is imported here, when the command is called.
"""

import gc
import importlib
from typing import Any

import click

_ALLOCATIONS = 50_000  # objects between two looks for circles, while a command runs


class Command(click.Command):
    """Runs the function of the same name in ``<module>_run``, with the options by their names."""

    def invoke(self, ctx: click.Context) -> Any:
        """Without Click's check for deprecated commands, of which there are none."""
        asked = self.callback
        assert asked is not None
        work = importlib.import_module(f"{asked.__module__}_run")
        if (
            gc.get_threshold()[0] > _ALLOCATIONS
        ):  # so __main__ has set it; other programs collect as they like
            gc.freeze()  # what is imported stays, and no child copies it to look through it
            gc.set_threshold(_ALLOCATIONS)
        return ctx.invoke(getattr(work, asked.__name__), **self.given(ctx))

    def given(self, ctx: click.Context) -> dict[str, Any]:
        """What that function takes: the options by their names."""
        return ctx.params
