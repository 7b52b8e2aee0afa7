"""How each stack is broken: at least three ways a stack."""

import os
from collections.abc import Callable

from mailauth.hashes import Password, generate
from tests.field.rig import Rig
from tests.field.stacks import SECRET, Break
from tests.proofs.story import MiB, argon2id


def sql(*statements: str) -> Callable[[Rig], None]:
    """What the administrator, or the panel, did to the tables; nothing: only the user is another."""
    return lambda rig: rig.sql(*statements) if statements else None


def edit(file: str, old: str, new: str) -> Callable[[Rig], None]:
    return lambda rig: rig.edit(file, old, new)


def found(*codes: str) -> frozenset[str]:
    return frozenset(codes)


def everybody(stored: str, table: str = "mailbox", column: str = "password") -> Callable[[Rig], None]:
    """This stored string for every user."""
    return sql(f"UPDATE {table} SET {column} = '{stored}'")


def passwd(file: str, change: Callable[[str], str]) -> Callable[[Rig], None]:
    """A passwd-file written anew, as a script would."""

    def do(rig: Rig) -> None:
        rig.write(file, change((rig.folder / file).read_text()))

    return do


def made(scheme: str, **cost: int) -> str:
    return generate(scheme, Password.of(SECRET), user="", **cost)


def unreadable(file: str) -> Callable[[Rig], None]:
    """Of a group that Dovecot is not in, as another program leaves it."""

    def do(rig: Rig) -> None:
        os.chown(rig.folder / file, 0, 0)
        (rig.folder / file).chmod(0o640)

    return do


BREAKS = (
    Break("postfixadmin", "the mailbox is off", sql("UPDATE mailbox SET active = 0"), found("USER007")),
    Break("postfixadmin", "the domain is off", sql("UPDATE domain SET active = 0"), found("USER007")),
    Break(
        "postfixadmin",
        "a column has another name",
        sql("ALTER TABLE mailbox RENAME COLUMN password TO crypted"),
        found("DB004"),
    ),
    Break(
        "iredmail",
        "no IMAP for this user",
        sql("UPDATE mailbox SET enableimap = 0, enableimapsecured = 0, enableimaptls = 0"),
        found("USER007"),
    ),
    Break("iredmail", "the domain is a backup", sql("UPDATE domain SET backupmx = 1"), found("USER007")),
    Break(
        "iredmail",
        "a prefix of another scheme",
        sql("UPDATE mailbox SET password = REPLACE(password, '{SSHA512}', '{SHA512}')"),
        found("HASH012"),
    ),
    Break("mailinabox", "the user was removed", sql("DELETE FROM users WHERE id = 1"), found("USER001")),
    Break(
        "mailinabox",
        "two prefixes",
        sql("UPDATE users SET password = '{SHA512-CRYPT}' || password"),
        found("HASH009"),
    ),
    Break(
        "mailinabox",
        "a line's end is stored along",
        sql("UPDATE users SET password = password || char(10)"),
        found("HASH007"),
    ),
    Break(
        "modoboa",
        "the mailbox may only send",
        sql("UPDATE admin_mailbox SET is_send_only = TRUE"),
        found("USER007"),
    ),
    Break("modoboa", "the domain is off", sql("UPDATE admin_domain SET enabled = FALSE"), found("USER007")),
    Break("modoboa", "the account is off", sql("UPDATE core_user SET is_active = FALSE"), found("USER007")),
    Break(
        "dockermailserver",
        "a carriage return",
        passwd("userdb", lambda text: text.replace(":65534:65534", "\r:65534:65534")),
        found("HASH007"),
    ),
    Break(
        "dockermailserver",
        "the scheme's name is misspelled",
        passwd("userdb", lambda text: text.replace("{SHA512-CRYPT}", "{SHA512-CRPYT}")),
        found("HASH003"),
    ),
    Break(
        "dockermailserver",
        "the user's line is gone",
        passwd("userdb", lambda text: text.replace("alice", "carol")),
        found("USER001"),
    ),
    Break(
        "ispmail",
        "the column is too narrow",
        sql(
            "UPDATE virtual_users SET password = LEFT(password, 60)",
            "ALTER TABLE virtual_users MODIFY password VARCHAR(60) NOT NULL",
        ),
        found("HASH006"),
    ),
    Break("ispmail", "another port", edit("dovecot-sql.conf.ext", "port=@PORT@", "port=1"), found("DB001")),
    Break(
        "ispmail",
        "the table has another name",
        sql("RENAME TABLE virtual_users TO virtual_mailboxes"),
        found("DB003"),
    ),
    Break("ispconfig", "no IMAP", sql("UPDATE mail_user SET disableimap = 'y'"), found("USER007")),
    Break("ispconfig", "of another server", sql("UPDATE mail_user SET server_id = 2"), found("USER007")),
    Break(
        "ispconfig",
        "the mail is root's",
        sql("UPDATE mail_user SET uid = 0"),
        found("USERDB003"),
        login=True,
    ),
    Break("froxlor", "no IMAP", sql("UPDATE mail_users SET imap = 0"), found("USER007")),
    Break(
        "froxlor",
        "the panel was moved to Argon2id",
        everybody(argon2id(memory=256 * MiB), "mail_users", "password_enc"),
        found("MEM001"),
    ),
    Break(
        "froxlor",
        "the login process asks for a column that is gone",
        sql("ALTER TABLE mail_users DROP COLUMN pop3"),
        found("DB004"),
    ),
    Break("hestia", "a domain of another server", sql(), found("USER001"), user="alice@example.com"),
    Break(
        "hestia", "the file is another group's", unreadable("domains/example.org/passwd"), found("CONF012")
    ),
    Break("hestia", "no such user", sql(), found("USER001"), user="carol@example.org"),
    Break("vpopmail", "no IMAP", sql("UPDATE vpopmail SET pw_gid = 8"), found("USER007")),
    Break("vpopmail", "no password", sql("UPDATE vpopmail SET pw_passwd = NULL"), found("USER002")),
    Break(
        "vpopmail",
        "the hash is cut",
        sql("UPDATE vpopmail SET pw_passwd = LEFT(pw_passwd, 30)"),
        found("HASH005"),
    ),
    Break("vexim", "the account is off", sql("UPDATE users SET enabled = 0"), found("USER007")),
    Break(
        "vexim",
        "the query asks for a function that is not there",
        edit("dovecot-sql.conf", "`crypt` AS", "decrypt(`crypt`) AS"),
        found("DB008"),
    ),
    Break(
        "vexim",
        "the name of the database is another",
        edit("dovecot-sql.conf", "dbname=@NAME@", "dbname=vexim_gone"),
        found("DB006"),
    ),
    Break("postfixadmin24", "the domain is off", sql("UPDATE domain SET active = 0"), found("USER007")),
    Break(
        "postfixadmin24",
        "hashes that 2.4 refuses",
        everybody(made("MD5-CRYPT").partition("}")[2]),
        found("HASH002"),
    ),
    Break(
        "postfixadmin24",
        "a table is gone",
        sql("RENAME TABLE domain TO domains"),
        found("DB003"),
    ),
    Break("manual24", "no password", sql("UPDATE users SET password = ''"), found("HASH029")),
    Break(
        "manual24",
        "the mail is root's",
        sql("UPDATE users SET uid = 0"),
        found("USERDB003"),
        login=True,
    ),
    Break(
        "manual24",
        "a variable of 2.3",
        edit("conf.d/20-sql.conf", "%{user | domain}'\n}\nuserdb", "%d'\n}\nuserdb"),
        found("CONF003"),
    ),
)
