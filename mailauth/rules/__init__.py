"""The rules.  One file a rule; a code stays for ever; this table is their list."""

from mailauth.finding import Rule
from mailauth.rules.acct001_locked import locked
from mailauth.rules.acct002_expired import expired
from mailauth.rules.acct003_shadow_closed import shadow_closed
from mailauth.rules.acct004_hash_elsewhere import hash_elsewhere
from mailauth.rules.auth001_fails_all_the_same import fails_all_the_same
from mailauth.rules.auth002_cleartext_without_tls import cleartext_without_tls
from mailauth.rules.auth003_mechanism_needs_another_scheme import mechanism_needs_another_scheme
from mailauth.rules.auth004_cache_refuses import cache_refuses
from mailauth.rules.auth005_cache_lets_old_password_in import cache_lets_old_password_in
from mailauth.rules.auth006_held_back import held_back
from mailauth.rules.auth007_worker_queue import worker_queue
from mailauth.rules.auth008_client_limit import client_limit
from mailauth.rules.auth009_process_limit import process_limit
from mailauth.rules.auth010_auth_blocked import auth_blocked
from mailauth.rules.auth011_crashed import crashed
from mailauth.rules.auth012_no_answer import no_answer
from mailauth.rules.auth013_mail_service_fails import mail_service_fails
from mailauth.rules.auth014_does_not_start import auth_does_not_start
from mailauth.rules.auth015_session_ends import session_ends
from mailauth.rules.auth016_unexplained import unexplained
from mailauth.rules.auth017_server_behind_fails import server_behind_fails
from mailauth.rules.auth018_postfix_cannot_ask import postfix_cannot_ask
from mailauth.rules.auth019_too_many_sessions import too_many_sessions
from mailauth.rules.auth020_fails_in_the_log import fails_in_the_log
from mailauth.rules.auth021_unseen_passdb_refuses import unseen_passdb_refuses
from mailauth.rules.auth022_not_reached import not_reached
from mailauth.rules.auth023_oauth2_without_mechanism import oauth2_without_mechanism
from mailauth.rules.conf001_settings_of_2_3 import settings_of_2_3
from mailauth.rules.conf002_settings_of_2_4 import settings_of_2_4
from mailauth.rules.conf003_variables_of_2_3 import variables_of_2_3
from mailauth.rules.conf004_filters_of_2_4 import filters_of_2_4
from mailauth.rules.conf006_unknown_default_scheme import unknown_default_scheme
from mailauth.rules.conf008_vsz_limit_zero import vsz_limit_zero
from mailauth.rules.conf009_driver_missing import driver_missing
from mailauth.rules.conf010_mechanisms import mechanisms
from mailauth.rules.conf011_mismatch_before_success import mismatch_before_success
from mailauth.rules.conf012_unreadable import unreadable
from mailauth.rules.conf013_open_secrets import open_secrets
from mailauth.rules.conf014_no_passdb import no_passdb
from mailauth.rules.conf015_file_missing import file_missing
from mailauth.rules.conf016_not_loaded import not_loaded
from mailauth.rules.conf017_login_socket import login_socket
from mailauth.rules.conf018_not_running import not_running
from mailauth.rules.conf019_refused import refused
from mailauth.rules.conf020_worker_socket import worker_socket
from mailauth.rules.conf022_password_in_the_statement import password_in_the_statement
from mailauth.rules.conf024_unknown_variable import unknown_variable
from mailauth.rules.db001_server_unreachable import server_unreachable
from mailauth.rules.db002_credentials_refused import credentials_refused
from mailauth.rules.db003_no_such_table import no_such_table
from mailauth.rules.db004_no_such_column import no_such_column
from mailauth.rules.db005_slow import slow
from mailauth.rules.db006_wrong_database import wrong_database
from mailauth.rules.db007_permission_denied import permission_denied
from mailauth.rules.db008_query_not_understood import query_not_understood
from mailauth.rules.db009_file_unusable import file_unusable
from mailauth.rules.db010_no_password_field import no_password_field
from mailauth.rules.db011_no_connection_left import no_connection_left
from mailauth.rules.db012_one_of_several_down import one_of_several_down
from mailauth.rules.db013_tls_with_the_database import tls_with_the_database
from mailauth.rules.db014_settings_not_understood import settings_not_understood
from mailauth.rules.db015_cut_by_a_hash import cut_by_a_hash
from mailauth.rules.hash001_never_matches import never_matches
from mailauth.rules.hash002_weak_and_refused import weak_and_refused
from mailauth.rules.hash003_unknown_scheme import unknown_scheme
from mailauth.rules.hash004_no_prefix import no_prefix
from mailauth.rules.hash005_cut_off import cut_off
from mailauth.rules.hash006_cut_by_the_column import cut_by_the_column
from mailauth.rules.hash007_blanks_at_the_edges import blanks_at_the_edges
from mailauth.rules.hash008_quotes_around import quotes_around
from mailauth.rules.hash009_two_prefixes import two_prefixes
from mailauth.rules.hash010_dollars_eaten import dollars_eaten
from mailauth.rules.hash011_newline_hashed_in import newline_hashed_in
from mailauth.rules.hash012_wrong_label import wrong_label
from mailauth.rules.hash013_newer_name import newer_name
from mailauth.rules.hash014_foreign_name import foreign_name
from mailauth.rules.hash015_argon2d import argon2d
from mailauth.rules.hash016_argon2_old_version import argon2_old_version
from mailauth.rules.hash017_argon2_short import argon2_short
from mailauth.rules.hash018_argon2_parameters import argon2_parameters
from mailauth.rules.hash019_base64_form import base64_form
from mailauth.rules.hash020_bcrypt_minor import bcrypt_minor
from mailauth.rules.hash021_bcrypt_salt import bcrypt_salt
from mailauth.rules.hash022_libc_lacks_it import libc_lacks_it
from mailauth.rules.hash023_lets_anyone_in import lets_anyone_in
from mailauth.rules.hash024_the_hash_logs_in import the_hash_logs_in
from mailauth.rules.hash025_empty_password import empty_password
from mailauth.rules.hash026_below_today import below_today
from mailauth.rules.hash027_takes_too_long import takes_too_long
from mailauth.rules.hash028_plaintext import plaintext
from mailauth.rules.hash029_nothing_stored import nothing_stored
from mailauth.rules.hash030_foreign_format import foreign_format
from mailauth.rules.hash031_broken_braces import broken_braces
from mailauth.rules.hash032_another_notation import another_notation
from mailauth.rules.hash033_case_lost import case_lost
from mailauth.rules.hash034_never_done_in_time import never_done_in_time
from mailauth.rules.hash035_lock_is_the_password import lock_is_the_password
from mailauth.rules.hash036_another_column import another_column
from mailauth.rules.ldap001_no_answer import directory_gives_no_answer
from mailauth.rules.ldap002_several_entries import several_entries
from mailauth.rules.ldap003_no_such_base import no_such_base
from mailauth.rules.ldap004_no_password_comes import no_password_comes
from mailauth.rules.ldap005_no_entry import no_entry
from mailauth.rules.ldap006_password_refused import password_refused
from mailauth.rules.ldap007_account_refused import account_refused
from mailauth.rules.ldap008_password_to_be_changed import password_to_be_changed
from mailauth.rules.ldap009_attribute_twice import attribute_twice
from mailauth.rules.log001_grows_without_bound import grows_without_bound
from mailauth.rules.log002_container_log import container_log
from mailauth.rules.log003_disk_full import disk_full
from mailauth.rules.log005_not_written import not_written
from mailauth.rules.log006_flood import flood
from mailauth.rules.lua001_not_loaded import not_loaded as lua_not_loaded
from mailauth.rules.lua002_no_function import no_function
from mailauth.rules.lua003_value_not_taken import value_not_taken
from mailauth.rules.lua004_everybody_mismatches import everybody_mismatches
from mailauth.rules.mem001_hash_exceeds_vsz_limit import hash_exceeds_vsz_limit
from mailauth.rules.mem002_limit_not_reloaded import limit_not_reloaded
from mailauth.rules.mem003_thin_margin import thin_margin
from mailauth.rules.mem004_wrong_service_raised import wrong_service_raised
from mailauth.rules.mem005_cache_of_no_use import cache_of_no_use
from mailauth.rules.mem006_does_not_start import does_not_start
from mailauth.rules.mem007_workers_exceed_memory import workers_exceed_memory
from mailauth.rules.mem008_cache_exceeds_limit import cache_exceeds_limit
from mailauth.rules.net001_nothing_listens import nothing_listens
from mailauth.rules.net002_listens_elsewhere import listens_elsewhere
from mailauth.rules.net003_certificate_expired import certificate_expired
from mailauth.rules.net004_certificate_for_another_name import certificate_for_another_name
from mailauth.rules.net005_address_not_here import address_not_here
from mailauth.rules.net006_forwarding_off import forwarding_off
from mailauth.rules.net007_certificate_unusable import certificate_unusable
from mailauth.rules.net009_not_let_through import not_let_through
from mailauth.rules.net010_haproxy_only import haproxy_only
from mailauth.rules.pam001_service_lets_nobody_in import service_lets_nobody_in
from mailauth.rules.pam002_module_refuses import module_refuses
from mailauth.rules.pam003_any_password import any_password
from mailauth.rules.pass001_wrong_password import wrong_password
from mailauth.rules.pass002_other_case import other_case
from mailauth.rules.pass003_blanks import blanks
from mailauth.rules.pass004_keyboard_layout import keyboard_layout
from mailauth.rules.pass005_other_charset import other_charset
from mailauth.rules.pass006_longer_than_read import longer_than_read
from mailauth.rules.pass007_client_sends_old import client_sends_old
from mailauth.rules.pass008_sent_encoded import sent_encoded
from mailauth.rules.pass009_only_the_beginning import only_the_beginning
from mailauth.rules.pass010_refused_characters import refused_characters
from mailauth.rules.pass012_database_refuses import database_refuses
from mailauth.rules.store001_never_match import never_match
from mailauth.rules.store002_refused_as_weak import refused_as_weak
from mailauth.rules.store003_unknown_schemes import unknown_schemes
from mailauth.rules.store004_largest_does_not_fit import largest_does_not_fit
from mailauth.rules.store005_default_scheme_decides import default_scheme_decides
from mailauth.rules.store006_weak_by_todays_numbers import weak_by_todays_numbers
from mailauth.rules.store007_column_too_narrow import column_too_narrow
from mailauth.rules.store008_names_twice_in_file import names_twice_in_file
from mailauth.rules.store009_several_rows import several_rows
from mailauth.rules.store010_locks_that_open import locks_that_open
from mailauth.rules.store011_names_nobody_types import names_nobody_types
from mailauth.rules.store012_nobody_can_log_in import nobody_can_log_in
from mailauth.rules.upg001_settings_that_go import settings_that_go
from mailauth.rules.user001_unknown_user import unknown_user
from mailauth.rules.user002_no_password import no_password
from mailauth.rules.user003_refused_character import refused_character
from mailauth.rules.user004_other_spelling import other_spelling
from mailauth.rules.user005_nologin import nologin
from mailauth.rules.user006_address_not_allowed import address_not_allowed
from mailauth.rules.user007_disabled import disabled
from mailauth.rules.user008_two_rows import two_rows
from mailauth.rules.user009_denied import denied
from mailauth.rules.user010_master_user import master_user
from mailauth.rules.user011_renamed_to_nothing import renamed_to_nothing
from mailauth.rules.user012_rules_refuse import rules_refuse
from mailauth.rules.user013_line_misread import line_misread
from mailauth.rules.user014_alias import alias
from mailauth.rules.user015_some_clients import some_clients
from mailauth.rules.userdb001_unknown_to_userdb import unknown_to_userdb
from mailauth.rules.userdb002_nowhere_to_keep_mail import nowhere_to_keep_mail
from mailauth.rules.userdb003_id_not_allowed import id_not_allowed
from mailauth.rules.userdb004_mail_folder_closed import mail_folder_closed
from mailauth.rules.userdb005_lookup_fails import lookup_fails
from mailauth.rules.userdb006_no_uid import no_uid

RULES: tuple[Rule, ...] = (
    nothing_listens,
    listens_elsewhere,
    certificate_expired,
    certificate_for_another_name,
    address_not_here,
    forwarding_off,
    certificate_unusable,
    not_let_through,
    haproxy_only,
    cleartext_without_tls,
    mechanism_needs_another_scheme,
    hash_exceeds_vsz_limit,
    limit_not_reloaded,
    thin_margin,
    wrong_service_raised,
    cache_of_no_use,
    does_not_start,
    workers_exceed_memory,
    cache_exceeds_limit,
    never_matches,
    weak_and_refused,
    unknown_scheme,
    no_prefix,
    cut_off,
    cut_by_the_column,
    blanks_at_the_edges,
    quotes_around,
    two_prefixes,
    dollars_eaten,
    wrong_label,
    newer_name,
    foreign_name,
    argon2d,
    argon2_old_version,
    argon2_short,
    argon2_parameters,
    base64_form,
    bcrypt_minor,
    bcrypt_salt,
    libc_lacks_it,
    lets_anyone_in,
    the_hash_logs_in,
    empty_password,
    below_today,
    takes_too_long,
    plaintext,
    nothing_stored,
    foreign_format,
    broken_braces,
    another_notation,
    case_lost,
    never_done_in_time,
    lock_is_the_password,
    another_column,
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
    refused_characters,
    database_refuses,
    settings_of_2_3,
    settings_of_2_4,
    variables_of_2_3,
    filters_of_2_4,
    vsz_limit_zero,
    unknown_default_scheme,
    mismatch_before_success,
    login_socket,
    driver_missing,
    mechanisms,
    unreadable,
    open_secrets,
    no_passdb,
    file_missing,
    not_loaded,
    not_running,
    refused,
    worker_socket,
    password_in_the_statement,
    cache_refuses,
    cache_lets_old_password_in,
    worker_queue,
    client_limit,
    process_limit,
    crashed,
    no_answer,
    mail_service_fails,
    auth_does_not_start,
    session_ends,
    server_behind_fails,
    postfix_cannot_ask,
    too_many_sessions,
    fails_in_the_log,
    unseen_passdb_refuses,
    not_reached,
    oauth2_without_mechanism,
    unexplained,
    grows_without_bound,
    client_sends_old,
    server_unreachable,
    credentials_refused,
    no_such_table,
    no_such_column,
    slow,
    wrong_database,
    permission_denied,
    query_not_understood,
    file_unusable,
    no_password_field,
    no_connection_left,
    one_of_several_down,
    tls_with_the_database,
    settings_not_understood,
    cut_by_a_hash,
    directory_gives_no_answer,
    several_entries,
    no_such_base,
    no_password_comes,
    no_entry,
    password_refused,
    account_refused,
    password_to_be_changed,
    attribute_twice,
    service_lets_nobody_in,
    shadow_closed,
    module_refuses,
    locked,
    expired,
    hash_elsewhere,
    any_password,
    lua_not_loaded,
    no_function,
    value_not_taken,
    everybody_mismatches,
    other_spelling,
    nologin,
    address_not_allowed,
    disabled,
    two_rows,
    denied,
    master_user,
    renamed_to_nothing,
    rules_refuse,
    line_misread,
    some_clients,
    unknown_variable,
    alias,
    unknown_to_userdb,
    nowhere_to_keep_mail,
    id_not_allowed,
    mail_folder_closed,
    lookup_fails,
    no_uid,
    fails_all_the_same,
    never_match,
    refused_as_weak,
    unknown_schemes,
    largest_does_not_fit,
    default_scheme_decides,
    weak_by_todays_numbers,
    column_too_narrow,
    names_twice_in_file,
    several_rows,
    locks_that_open,
    names_nobody_types,
    nobody_can_log_in,
    settings_that_go,
    held_back,
    container_log,
    disk_full,
    not_written,
    flood,
    auth_blocked,
)
