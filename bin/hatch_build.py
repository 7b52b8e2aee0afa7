"""Hatchling's hook: the wheel carries the manual pages and shell completions, made of the commands."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManualHook(BuildHookInterface):
    """Adds what ``mailauth.cli.manual`` writes to a wheel's data; a tree that is used in place has none."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        from mailauth.cli.manual import write  # noqa: PLC0415 - of this very tree

        self.folder = tempfile.TemporaryDirectory()
        for path in write(Path(self.folder.name), self.metadata.version):
            build_data["shared_data"][str(path)] = str(path.relative_to(self.folder.name))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        if version != "editable":
            self.folder.cleanup()
