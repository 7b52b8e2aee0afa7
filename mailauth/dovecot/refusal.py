"""What Dovecot says of a configuration that it does not accept: which file, line and setting.

Source: the words of doveconf 2.3.19.1 and 2.4.1 for some thirty broken configurations; both stop at the
first error.
"""

import re

from mailauth.dovecot.version import Version
from mailauth.records import dataclass

_PLACE = re.compile(r"Error in configuration file (?P<file>[^:]*?)(?: line (?P<line>[0-9]+))?: (?P<what>.*)")
# 2.3: "Unknown setting: passdb { passwd_file_path"; 2.4: "Unknown setting: args (passdb_args or ...)"
_UNKNOWN = re.compile(r"Unknown (?:setting|section name): (?:.*\{ )?([^\s({]+)")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Dovecot's words, and what they name: a file, a line (0: none), an unknown setting ("": none)."""

    version: Version
    file: str  # the main file
    words: str
    at: str
    line: int
    setting: str

    @property
    def place(self) -> str:
        return f"{self.at}:{self.line}" if self.line else self.at


def read_refusal(version: Version, file: str, said: str) -> Refusal:
    """Find the complaint in what doveconf printed on its standard error."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    grave = next((line for line in lines if "Fatal" in line), None)
    words = grave or next((line for line in lines if "Error" in line), said.strip())
    words = words.removeprefix("doveconf: ").removeprefix("Fatal: ").strip()
    found = _PLACE.search(words)
    unknown = _UNKNOWN.search(words)
    return Refusal(
        version=version,
        file=file,
        words=found["what"] if found else words,
        at=found["file"] if found else file,
        line=int(found["line"] or 0) if found else 0,
        setting=unknown[1] if unknown else "",
    )
