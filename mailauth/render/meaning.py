"""What some words mean, as text."""

import textwrap
from collections.abc import Iterator

from mailauth.meaning import Meaning

_SHOWN = 12  # findings with their titles


def meaning_text(meaning: Meaning, width: int) -> str:
    """A page for a person, of ``width`` columns.  Nothing of what was pasted is in it but the user's name."""
    return "\n".join(_lines(meaning, width)) + "\n"


def _lines(meaning: Meaning, width: int) -> Iterator[str]:
    for one in meaning.messages:
        yield f"{one.words}  ({one.kind}{f'; {one.source}' if one.source else ''})"
        says = one.says[:1].upper() + one.says[1:]
        yield from textwrap.wrap(f"{says}.", width, initial_indent="  ", subsequent_indent="  ")
    if meaning.findings:
        if meaning.messages:
            yield ""
        yield from _findings(meaning, width)
    if meaning.next:
        yield ""
        yield f"  next   {meaning.next}"
        if "USER" in meaning.next.split():
            yield "         mailauth log    names the users who fail"
        if meaning.findings:
            yield f"  more   mailauth explain {meaning.findings[0].code}"


def _findings(meaning: Meaning, width: int) -> Iterator[str]:
    found = meaning.findings
    yield "It can stand for, among others:" if meaning.messages else "Findings with these words:"
    longest = max(len(one.code) for one in found[:_SHOWN])
    for one in found[:_SHOWN]:
        yield f"  {one.code:<{longest}}  {one.title}"
    if rest := found[_SHOWN:]:
        codes = f"and {', '.join(one.code for one in rest)}"
        yield from textwrap.wrap(codes, width, initial_indent="  ", subsequent_indent="  ")
