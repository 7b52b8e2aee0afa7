"""Rows of the store have no {SCHEME}: a default that changes between versions says what they are.

What you see
    Nothing yet.  After an upgrade, all these users cannot log in.
Why
    The default scheme is MD5 for SQL and CRYPT for passwd-file on 2.3, PLAIN on 2.4.0 to 2.4.2, and
    CRYPT since 2.4.3.  Under PLAIN a hash matches only itself.
How we know
    Every row; and that no default scheme is set in the configuration.
What to do
    Put the scheme before each: mailauth migrate plan --prefix; of passwords that stand there as they are,
    make hashes: mailauth migrate plan --rehash=ARGON2ID.  Or set the default: default_pass_scheme in
    2.3's SQL file, scheme= in a passwd-file's args, passdb_default_password_scheme in 2.4.
"""

from mailauth.evidence import Surveys
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.hashes.schemes import AS_TEXT
from mailauth.remedies import remedy
from mailauth.rules import store_case
from mailauth.stores.rows import HashClass


@rule(
    "STORE005", "Rows of the store have no {SCHEME}, and a default decides", Severity.RISK, bears=Bears.ROWS
)
def default_scheme_decides(surveys: Surveys) -> Problem | None:
    found = store_case.which(surveys, lambda one: one.damage is None and not one.prefixed)
    # What static has stands in the configuration itself, as it is; what accounts have crypt(3) reads.
    found = [
        (one, classes)
        for one, classes in found
        if not (one.default_is_set or one.of_the_system or one.passdb.driver == "static")
    ]
    if not found:
        return None
    defaults = ", ".join(sorted({store.passdb.default_scheme for store, _ in found}))
    return Problem(
        says=f"The default scheme of Dovecot {surveys.version}, {defaults}, says what they are: "
        + store_case.told(found, lambda one: one.scheme),
        because=(surveys,),
        certainty=Certainty.LIKELY,
        remedy=remedy(
            summary="Put the scheme before each hash, and make hashes of passwords, before the next upgrade.",
            commands=store_case.plans(surveys, found, _action),
        ),
    )


def _action(classes: list[HashClass]) -> str:
    """Nothing tells a password from another one: no {PLAIN} is put before it."""
    return "--rehash=ARGON2ID" if all(one.scheme in AS_TEXT for one in classes) else "--prefix"
