"""What commands print with, and the status that a diagnosis ends with."""

import sys
from shutil import get_terminal_size

from mailauth.evidence import Unobserved
from mailauth.finding import Diagnosis


def width() -> int:
    """As wide as the terminal, at most 100; a file or a pipe gets 100."""
    return min(get_terminal_size((100, 24)).columns, 100) if sys.stdout.isatty() else 100


def exit_status(diagnosis: Diagnosis) -> int:
    """0 nothing found and all decided; 1 found; 3 something undecided; 70 a probe of ours broke."""
    if any(isinstance(fact, Unobserved) and fact.bug for fact in diagnosis.evidence):
        return 70
    if diagnosis.findings:
        return 1
    return 3 if diagnosis.open else 0
