"""What mailauth asks Dovecot by: a user whom no server has, and sessions that no client has.

Source: auth_user_info_parse_arg(), src/doveadm/doveadm-auth.c of Dovecot 2.3.13, 2.3.19.1 and 2.4.1, for -x.
"""

NOBODY = "mailauth-nobody"
SESSION, LOOKUP = "mailauth", "mailauth-lookup"  # of its own logins, and of lookups that are none
AS_LOOKUP = ("-x", f"session={LOOKUP}")  # options of doveadm user -u and doveadm auth lookup
