"""Dovecot's files as they will be, line by line."""

from dataclasses import field

from mailauth.dovecot.doveadm import Installation
from mailauth.errors import CannotObserve
from mailauth.fix.plan import FileChange, read
from mailauth.records import dataclass


@dataclass
class Desk:
    """The files as they will be, by lines."""

    dovecot: Installation
    before: dict[str, bytes] = field(default_factory=dict)
    after: dict[str, list[str]] = field(default_factory=dict)

    def lines(self, file: str) -> list[str]:
        """The lines of a file, to be changed in place."""
        if file not in self.after:
            content = read(self.dovecot, file)
            if content is None:
                raise CannotObserve(f"{file}: is not there any more.")
            self.before[file] = content
            self.after[file] = content.decode("utf-8", "surrogateescape").splitlines(keepends=True)
        return self.after[file]

    def changed(self) -> list[FileChange]:
        new = {file: "".join(lines).encode("utf-8", "surrogateescape") for file, lines in self.after.items()}
        return [
            FileChange(file, self.before[file], text)
            for file, text in new.items()
            if text != self.before[file]
        ]
