"""What answers mean, without a server: plain values in, layers out."""

from dataclasses import replace

import pytest

from mailauth.clients.door import Answer, Door, Step, Tls
from mailauth.login.judge import Breaks, judge
from mailauth.login.logged import cause_of
from mailauth.login.way import NO_ENTRY, PROXIED, Attempt, Layer, Way

YES, NO, FAILS = Answer.IN, Answer.REFUSED, Answer.TEMPORARY
BREAKS, ABSENT = Answer.BROKEN, Answer.UNREACHABLE


def hashed(answer: Answer) -> Attempt:
    return Attempt(Way(Layer.HASH), answer)


def doveadm(answer: Answer) -> Attempt:
    return Attempt(Way(Layer.TEST), answer)


def logged(answer: Answer) -> Attempt:
    return Attempt(Way(Layer.LOGIN), answer)


def asked(answer: Answer, service: str = "imap", mechanism: str = "PLAIN") -> Attempt:
    return Attempt(Way(Layer.SOCKET, service, mechanism), answer)


def came(
    answer: Answer,
    step: Step | None = None,
    service: str = "imap",
    said: str = "",
    tls: Tls = "plain",
    mechanism: str = "PLAIN",
) -> Attempt:
    door = Door(service, "127.0.0.1", 1, tls)
    return Attempt(Way(Layer.DOOR, service, mechanism, door), answer, step, said)


ASKED = [hashed(YES), doveadm(YES), logged(YES), asked(YES)]
CASES: list[tuple[str, list[Attempt], list[tuple[Breaks, str]]]] = [
    ("all agree", [*ASKED, came(YES)], []),
    ("nothing was tried", [], []),
    ("a wrong password", [hashed(NO), doveadm(NO), asked(NO), came(NO, Step.AUTH)], [(Breaks.HASH, "")]),
    (
        "nobody has such a user",
        [replace(hashed(NO), code=NO_ENTRY), doveadm(NO), asked(NO), came(NO, Step.AUTH)],
        [(Breaks.PASSDB, "")],
    ),
    ("the hash is not to be seen", [hashed(Answer.UNSEEN), doveadm(NO), asked(NO)], [(Breaks.PASSDB, "")]),
    ("auth says no to what matches", [hashed(YES), doveadm(NO), asked(NO)], [(Breaks.PASSDB, "")]),
    ("auth cannot find out", [hashed(YES), doveadm(FAILS), asked(FAILS)], [(Breaks.PASSDB, "")]),
    ("a cache lets an old password in", [hashed(NO), doveadm(YES), asked(YES)], [(Breaks.HASH, "")]),
    ("no auth process", [hashed(YES), doveadm(ABSENT), asked(ABSENT)], [(Breaks.AUTH, "")]),
    (
        "pop3 is not allowed",
        [*ASKED, asked(NO, "pop3"), came(YES), came(NO, Step.AUTH, "pop3")],
        [(Breaks.PASSDB_OF_SERVICE, "pop3")],
    ),
    (
        "auth lets in, and IMAP's login process is told no",
        [*ASKED, came(NO, Step.AUTH)],
        [(Breaks.PASSDB_OF_SERVICE, "imap")],
    ),
    (
        "one mechanism",
        [*ASKED, asked(NO, mechanism="CRAM-MD5"), came(NO, Step.AUTH, mechanism="CRAM-MD5"), came(YES)],
        [(Breaks.MECHANISM, "CRAM-MD5")],
    ),
    (
        "what only follows from the userdb",
        [
            hashed(YES),
            doveadm(YES),
            logged(FAILS),
            asked(YES),
            came(FAILS, Step.AUTH),
            came(BREAKS, Step.MAIL),
        ],
        [(Breaks.USERDB, "")],
    ),
    ("nothing listens", [*ASKED, came(ABSENT, Step.CONNECT)], [(Breaks.LISTENER, "imap")]),
    ("the greeting breaks off", [*ASKED, came(BREAKS, Step.GREETING)], [(Breaks.LOGIN_PROCESS, "imap")]),
    (
        "the greeting does not come",
        [*ASKED, came(BREAKS, Step.GREETING, said="timed out")],
        [(Breaks.LOGIN_SOCKET, "imap")],
    ),
    ("TLS", [*ASKED, came(YES), came(BREAKS, Step.TLS, tls="tls")], [(Breaks.TLS, "imap")]),
    (
        "STARTTLS is not offered, though it is configured",
        [*ASKED, came(YES), came(Answer.NOT_OFFERED, Step.TLS, tls="starttls")],
        [(Breaks.TLS, "imap")],
    ),
    (
        "passwords over TLS only are as it should be",
        [*ASKED, came(Answer.NOT_OFFERED, Step.OFFER), came(YES, tls="starttls")],
        [],
    ),
    (
        "passwords over TLS only, and TLS is broken",
        [*ASKED, came(Answer.NOT_OFFERED, Step.OFFER), came(BREAKS, Step.TLS, tls="tls")],
        [(Breaks.TLS, "imap")],
    ),
    (
        "nowhere is it offered",
        [*ASKED, came(Answer.NOT_OFFERED, Step.OFFER), came(Answer.NOT_OFFERED, Step.OFFER, tls="tls")],
        [(Breaks.MECHANISM, "PLAIN")],
    ),
    (
        "auth could not be asked, and the port refuses",
        [hashed(Answer.UNSEEN), doveadm(Answer.UNSEEN), asked(Answer.UNSEEN), came(NO, Step.AUTH)],
        [(Breaks.PASSDB, "")],
    ),
    (
        "auth could not be asked, and one service refuses",
        [asked(Answer.UNSEEN), came(YES), came(NO, Step.AUTH, "pop3")],
        [(Breaks.PASSDB_OF_SERVICE, "pop3")],
    ),
    (
        "the server that the user is passed on to",
        [hashed(YES), replace(doveadm(YES), code=PROXIED), asked(YES), came(FAILS, Step.AUTH)],
        [(Breaks.BACKEND, "imap")],
    ),
    ("the mail", [*ASKED, came(FAILS, Step.MAIL)], [(Breaks.MAIL, "imap")]),
    (
        "submission has no relay",
        [*ASKED, came(FAILS, Step.AUTH, "submission", said="451 4.3.5 Internal error")],
        [(Breaks.RELAY, "submission")],
    ),
    (
        "submission has no relay, and does not always say so",
        [
            *ASKED,
            came(BREAKS, Step.MAIL, "submission"),
            came(FAILS, Step.MAIL, "submission", said="421 4.4.0 Failed to connect to relay server"),
        ],
        [(Breaks.RELAY, "submission")],
    ),
    (
        "Postfix says 454",
        [*ASKED, asked(YES, "smtp"), came(FAILS, Step.AUTH, "smtp", said="454 4.7.0")],
        [(Breaks.POSTFIX, "smtp")],
    ),
    (
        "what listens there is no Postfix",
        [*ASKED, came(FAILS, Step.GREETING, "smtp", said="-1 2.0-OpenSSH_9")],
        [(Breaks.LISTENER, "smtp")],
    ),
    (
        "Postfix offers no AUTH",
        [*ASKED, asked(YES, "smtp"), came(Answer.NOT_OFFERED, Step.OFFER, "smtp", tls="tls")],
        [(Breaks.POSTFIX, "smtp")],
    ),
    (
        "two of one layer, in the order that they were tried",
        [*ASKED, came(FAILS, Step.MAIL), came(FAILS, Step.MAIL, "pop3")],
        [(Breaks.MAIL, "imap"), (Breaks.MAIL, "pop3")],
    ),
    (
        "two faults, in the order of the layers",
        [*ASKED, came(FAILS, Step.MAIL), came(ABSENT, Step.CONNECT, "pop3")],
        [(Breaks.LISTENER, "pop3"), (Breaks.MAIL, "imap")],
    ),
]


@pytest.mark.parametrize(
    ("attempts", "breaks"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_the_layer_that_breaks(attempts: list[Attempt], breaks: list[tuple[Breaks, str]]) -> None:
    assert [(fault.breaks, fault.service) for fault in judge(attempts).faults] == breaks


def test_what_could_not_be_seen_is_said() -> None:
    judged = judge([hashed(Answer.UNSEEN), doveadm(YES), asked(YES)])
    assert judged.faults == ()
    assert [one.way.layer for one in judged.unseen] == [Layer.HASH]


def test_a_layer_is_named_with_its_process() -> None:
    fault = judge([*ASKED, came(BREAKS, Step.GREETING, "sieve")]).first
    assert fault
    assert fault.name == "login process (managesieve-login)"


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (
            "stat(/home/quota/x/tmp) failed: Permission denied (euid=5000)",
            "no permission for the mail's folder",
        ),
        (
            "Home directory not set for user. Can't expand ~/ for mail root dir in: ~/Maildir",
            "the home folder",
        ),
        ("Mailbox INBOX: open(/srv/x) failed: Disk quota exceeded", "the disk takes nothing"),
        ("something else", ""),
    ],
)
def test_a_path_in_the_log_is_no_cause(said: str, cause: str) -> None:
    assert cause_of(said) == cause
