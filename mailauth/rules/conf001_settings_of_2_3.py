"""The configuration is written for Dovecot 2.3, and this is 2.4; or it names no version that 2.4 knows.

What you see
    Dovecot does not start: "Unknown setting: disable_plaintext_auth", "passdb { } is missing section
    name", "The first setting must be dovecot_config_version".  One that runs already goes on with what
    it read before, and doveadm does not work any more.
Why
    2.4 renamed or removed many settings and takes none of the old names; it also wants
    dovecot_config_version as the first setting, and a value that it knows: at most its own version.
How we know
    doveconf was asked, and its words are shown.  It stops at the first line that it does not know, so
    the files were read for all the others, with the table of renamed settings.
What to do
    Change the lines named.  2.3's dovecot-sql.conf.ext becomes a part of dovecot.conf.
"""

from mailauth.evidence import Accepted
from mailauth.finding import Bears, Certainty, Edit, Problem, Severity, rule
from mailauth.rules import misfit_remedy

_TITLE = "The configuration is not written for this Dovecot, which is 2.4"


@rule("CONF001", _TITLE, Severity.BLOCKS_LOGIN, bears=Bears.NOTHING)
def settings_of_2_3(accepted: Accepted) -> Problem | None:
    if not accepted.words or accepted.version.dialect != "2.4":
        return None
    found = [one for one in accepted.misfits if not misfit_remedy.is_limit(one)]
    head = _version_edit(accepted)
    if not found and head is None:
        return None
    says = f"Dovecot {accepted.version} says of {accepted.place}: {accepted.words}."
    if found:
        says += f" These belong to 2.3: {misfit_remedy.told(found)}"
    return Problem(
        says=says,
        because=(accepted,),
        certainty=Certainty.PROVEN,
        remedy=misfit_remedy.remedy("Write these lines as 2.4 does.", found, [head] if head else []),
    )


def _version_edit(accepted: Accepted) -> Edit | None:
    """The first lines that 2.4 wants, where the complaint is of them."""
    if "dovecot_config_version" not in accepted.words and "dovecot_storage_version" not in accepted.words:
        return None
    version = accepted.version
    number = f"{version.major}.{version.minor}.{version.patch}"
    line, old = accepted.first_line
    new = f"dovecot_config_version = {number}"
    if "Invalid" not in accepted.words:
        storage = f"\ndovecot_storage_version = {number}"
        new = f"{old}{storage}" if "storage_version" in accepted.words else f"{new}\n{old}"
    return Edit(accepted.file, line, old, new)
