"""The configuration is written for Dovecot 2.4, and this is 2.3.

What you see
    Dovecot does not start: "Unknown setting: dovecot_config_version", "Unknown setting: mail_driver",
    "Invalid size: unlimited".  One that runs already goes on with what it read before, and doveadm
    does not work any more.
Why
    The names and blocks of 2.4 are unknown to 2.3: the text was copied from 2.4's manual, or the
    packages were taken back to 2.3 and the files were not.
How we know
    doveconf was asked, and its words are shown.  It stops at the first line that it does not know, so
    the files were read for all the others, with the table of renamed settings.
What to do
    Change the lines named.  What 2.4 writes into a passdb block goes into args and
    dovecot-sql.conf.ext.
"""

from mailauth.evidence import Accepted
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.rules import misfit_remedy


@rule(
    "CONF002",
    "The configuration has settings of Dovecot 2.4, and this is 2.3",
    Severity.BLOCKS_LOGIN,
    bears=Bears.NOTHING,
)
def settings_of_2_4(accepted: Accepted) -> Problem | None:
    if not accepted.words or accepted.version.dialect != "2.3" or not accepted.misfits:
        return None
    return Problem(
        says=f"Dovecot {accepted.version} says of {accepted.place}: {accepted.words}."
        f" These belong to 2.4: {misfit_remedy.told(accepted.misfits)}",
        because=(accepted,),
        certainty=Certainty.PROVEN,
        remedy=misfit_remedy.remedy("Write these lines as 2.3 does.", accepted.misfits),
    )
