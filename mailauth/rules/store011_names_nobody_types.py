"""A passwd-file has names with characters that nobody types.

What you see
    One user cannot log in, often the one in the first line; the log says "unknown user", and the line looks
    right in an editor.
Why
    Dovecot takes the bytes from the beginning of a line to the first colon for the name: a byte order mark
    that an editor of Windows put first, a blank or a quote around the name, a non-breaking blank or a
    character without width that came with a copy from a web page.  A line that ends in CR LF is no fault:
    Dovecot takes the CR off.
How we know
    Every line's name (src/auth/db-passwd-file.c of Dovecot 2.3.19.1 and 2.4.1).
What to do
    Write the names as they are typed, in UTF-8 without a byte order mark.
"""

from mailauth.evidence import Surveys
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, Trait, rule

_SHOWN = 5


@rule(
    "STORE011",
    "A passwd-file has names that nobody types",
    Severity.BLOCKS_LOGIN,
    bears=Bears.ROWS,
    watch="rows",
    traits=[Trait.SOUND_ROWS],
)
def names_nobody_types(surveys: Surveys) -> Problem | None:
    found = [(store.passdb.label, one) for store in surveys.stores for one in store.survey.odd]
    if not found:
        return None
    told = "; ".join(f"{label}, {one}" for label, one in found[:_SHOWN])
    more = f"; and {len(found) - _SHOWN:,} lines more" if len(found) > _SHOWN else ""
    return Problem(
        says=f"{told}{more}.",
        because=(surveys,),
        certainty=Certainty.PROVEN,
        remedy=Remedy(summary="Write these names as they are typed, in UTF-8 without a byte order mark."),
    )
