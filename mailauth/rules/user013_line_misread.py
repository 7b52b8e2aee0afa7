"""A line of the passwd-file has the user, but Dovecot reads it differently.

What you see
    Every password fails for this user, and often for all, or for the one in the first line.  The log
    says "unknown user".  The file looks right in an editor.
Why
    Dovecot takes the bytes from the beginning of a line to the first colon for the name: a byte order
    mark that an editor of Windows put first, a blank, a tab or a quote before or after the name count.
    So a tab or a comma in the colon's place makes the whole line a name, a # makes it a comment, lines
    that end in CR alone are one line, and a file in UTF-16 has no name that anybody could type.
How we know
    No passdb knows the name, and the file was read for lines that have it with such bytes around it.
What to do
    Write the line as Dovecot reads it: name:{SCHEME}hash.  Write the file in UTF-8 without a byte order
    mark, with LF at the ends of lines.
"""

from mailauth.evidence import LookedUp, UserName
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule


@rule(
    "USER013",
    "Dovecot reads a line of the passwd-file differently than intended",
    Severity.BLOCKS_LOGIN,
    bears=Bears.ENTRY,
)
def line_misread(name: UserName, lookups: LookedUp) -> Problem | None:
    near = lookups.near[0] if lookups.near else None
    if near is None or not near.misread or name.refused or name.requested or not lookups.unknown:
        return None
    wanted = near.wanted or name.looked_up
    return Problem(
        says=f"{near.passdb} ({near.place}) is not read as {wanted!r}: {near.misread}.",
        because=(name, lookups),
        certainty=Certainty.PROVEN,
        remedy=Remedy(summary=f"Have the line begin with {wanted + ':'!r}, in UTF-8 and ended by LF."),
    )
