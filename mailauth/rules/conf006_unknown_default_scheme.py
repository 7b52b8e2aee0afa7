"""The passdb's default scheme is one that this Dovecot does not have.

What you see
    Dovecot starts, and whoever has a hash without a {SCHEME} in front cannot log in; the log says
    "Unknown scheme FOO".  Users whose hash has its scheme in front are not touched.
Why
    default_pass_scheme (2.3's SQL file), scheme= (2.3's passwd-file) and default_password_scheme (2.4)
    are looked at only when a bare hash is verified.  A misspelt name, or one of another version such as
    ARGON2 on 2.3, is not complained of before.
How we know
    The stored string is bare, and the default scheme that Dovecot's configuration names is not among
    those of this version.
What to do
    Name the scheme that the bare hashes are of; doveadm pw -l lists the names.
"""

from mailauth.dovecot.authconfig import Passdb, SqlSource
from mailauth.evidence import Configured, StoredHash
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, StoreChange, rule
from mailauth.hashes import Verdict
from mailauth.hashes.damaged import Kind
from mailauth.remedies import LIST_SCHEMES, RELOAD, Setting, block, remedy

_BARE = (Kind.NO_PREFIX, Kind.PLAINTEXT)


@rule("CONF006", "The default scheme does not exist here", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def unknown_default_scheme(configured: Configured, stored: StoredHash) -> Problem | None:
    damage = stored.damage
    if stored.refused_as is not Verdict.UNSUPPORTED or damage is None or damage.kind not in _BARE:
        return None
    passdbs = configured.config.passdbs
    passdb = next((one for one in passdbs if one.number == stored.passdb), None)
    if passdb is None or passdb.default_scheme != stored.scheme:
        return None
    return Problem(
        says=f"{passdb.label} takes a hash without a prefix for {stored.scheme}, which Dovecot"
        f" {configured.version} does not have.",
        because=(stored, configured),
        certainty=Certainty.PROVEN,
        remedy=_remedy(configured, passdb, damage.scheme),
    )


def _remedy(configured: Configured, passdb: Passdb, scheme: str) -> Remedy:
    """The setting in the passdb's own words; 2.3's passwd-file has it in the middle of args."""
    if not scheme:
        return remedy(summary="Name a default scheme that this Dovecot has.", commands=(LIST_SCHEMES,))
    of_file = isinstance(passdb.source, SqlSource) or passdb.driver == "ldap"
    in_args = configured.version.dialect == "2.3" and not of_file
    if in_args:
        return Remedy(
            summary=f"Write scheme={scheme} into the args of {passdb.label}; or store the hashes with"
            f" {{{scheme}}} in front, which no default can change.",
            store=StoreChange.MEND,
        )
    file = configured.config.tree.all("passdb")[passdb.number - 1].get("args")
    of_23 = [Setting("default_pass_scheme", scheme)]
    of_24 = [block("passdb", passdb.name or passdb.driver, Setting("default_password_scheme", scheme))]
    return remedy(
        summary=f"Name {scheme}, the scheme of this hash.",
        config={"2.3": of_23, "2.4": of_24},
        file=file if configured.version.dialect == "2.3" else configured.file,
        commands=(RELOAD,),
        careful="Other bare hashes of this passdb may have another scheme.",
    )
