"""The rules.  One file a rule; a code stays for ever; this table is their list."""

from mailauth.finding import Rule
from mailauth.rules.auth001_fails_all_the_same import fails_all_the_same
from mailauth.rules.hash001_never_matches import never_matches
from mailauth.rules.hash002_weak_and_refused import weak_and_refused
from mailauth.rules.hash003_unknown_scheme import unknown_scheme
from mailauth.rules.hash004_no_prefix import no_prefix
from mailauth.rules.mem001_hash_exceeds_vsz_limit import hash_exceeds_vsz_limit
from mailauth.rules.mem002_limit_not_reloaded import limit_not_reloaded
from mailauth.rules.mem003_thin_margin import thin_margin
from mailauth.rules.pass001_wrong_password import wrong_password
from mailauth.rules.user001_unknown_user import unknown_user
from mailauth.rules.user002_no_password import no_password
from mailauth.rules.user003_refused_character import refused_character

RULES: tuple[Rule, ...] = (
    hash_exceeds_vsz_limit,
    limit_not_reloaded,
    thin_margin,
    never_matches,
    weak_and_refused,
    unknown_scheme,
    no_prefix,
    unknown_user,
    no_password,
    refused_character,
    wrong_password,
    fails_all_the_same,
)
