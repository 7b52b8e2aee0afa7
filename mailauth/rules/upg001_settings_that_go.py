"""Settings of this configuration are refused by the version that was asked about.

What you see
    Nothing yet.  After the upgrade Dovecot does not start.
Why
    2.4 renamed or removed many settings of 2.3, and takes none of the old names.
How we know
    The files were read, with the table of renamed settings.
What to do
    Rewrite the lines named while 2.3 still runs, and try them with the new doveconf.
"""

from mailauth.evidence import Foreseen
from mailauth.finding import Bears, Certainty, Problem, Severity, Trait, rule
from mailauth.rules import misfit_remedy


@rule(
    "UPG001",
    "The version asked about refuses settings of this configuration",
    Severity.BLOCKS_LOGIN,
    bears=Bears.NOTHING,
    traits=[Trait.OF_UPGRADE],
)
def settings_that_go(foreseen: Foreseen) -> Problem | None:
    if not foreseen.misfits:
        return None
    return Problem(
        says=(
            f"Dovecot {foreseen.version} refuses or misreads:"
            f" {misfit_remedy.told(foreseen.misfits, len(foreseen.misfits))}"
        ),
        because=(foreseen,),
        certainty=Certainty.LIKELY,
        remedy=misfit_remedy.remedy(f"Write these lines as {foreseen.version} does.", foreseen.misfits),
    )
