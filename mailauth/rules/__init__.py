"""The rules.  One file a rule; a code stays for ever; this table is their list."""

from mailauth.finding import Rule
from mailauth.rules.auth001_fails_all_the_same import fails_all_the_same
from mailauth.rules.hash001_never_matches import never_matches
from mailauth.rules.hash002_weak_and_refused import weak_and_refused
from mailauth.rules.hash003_unknown_scheme import unknown_scheme
from mailauth.rules.hash004_no_prefix import no_prefix
from mailauth.rules.hash011_newline_hashed_in import newline_hashed_in
from mailauth.rules.mem001_hash_exceeds_vsz_limit import hash_exceeds_vsz_limit
from mailauth.rules.mem002_limit_not_reloaded import limit_not_reloaded
from mailauth.rules.mem003_thin_margin import thin_margin
from mailauth.rules.pass001_wrong_password import wrong_password
from mailauth.rules.pass002_other_case import other_case
from mailauth.rules.pass003_blanks import blanks
from mailauth.rules.pass004_keyboard_layout import keyboard_layout
from mailauth.rules.pass005_other_charset import other_charset
from mailauth.rules.pass006_longer_than_read import longer_than_read
from mailauth.rules.pass008_sent_encoded import sent_encoded
from mailauth.rules.pass009_only_the_beginning import only_the_beginning
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
    newline_hashed_in,
    other_case,
    blanks,
    keyboard_layout,
    other_charset,
    longer_than_read,
    sent_encoded,
    only_the_beginning,
    fails_all_the_same,
)
