"""A "#" cuts a value of the SQL settings short.

What you see
    Nothing, if the rest of the line is not needed.  If it was a part of a password, the database
    refuses Dovecot.  When it starts, Dovecot logs "Ambiguous '#' character in line, treating it as comment".
Why
    In dovecot-sql.conf.ext, and in 2.4's dovecot.conf, a "#" outside of quotes begins a comment, with or
    without a blank before it.
How we know
    The file was read by Dovecot's own rules.
What to do
    Put the whole value in quotes if the "#" belongs to it: connect = "host=... password=...", on 2.4
    password = "...".  If it begins a comment, put a blank before it.
"""

from mailauth.dovecot.authconfig import SqlSource
from mailauth.evidence import Configured
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule


@rule("DB015", 'A "#" cuts a value of the SQL settings short', Severity.NOTE)
def cut_by_a_hash(configured: Configured) -> Problem | None:
    config = configured.config
    kept = [*(one.source for one in config.passdbs), *(one.source for one in config.userdbs)]
    sources = [source for source in kept if isinstance(source, SqlSource)]
    places = list(dict.fromkeys(place for source in sources for place in source.cut))
    if not places:
        return None
    return Problem(
        says=f"{', '.join(places)}: Dovecot takes what follows the # for a comment"
        " (\"Ambiguous '#' character in line, treating it as comment\").",
        because=(configured,),
        certainty=Certainty.PROVEN,
        remedy=Remedy(
            summary=f"Put the whole value at {places[0]} in quotes if the # belongs to it; else put a blank"
            " before the #."
        ),
    )
