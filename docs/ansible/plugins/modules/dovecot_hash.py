#!/usr/bin/python
"""Ansible's module mailauth.dovecot.dovecot_hash: it asks the command mailauth, and stores nothing itself."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dovecot_hash
short_description: Make a stored string for a password, as Dovecot takes it
description:
  - Makes the string that a passwd-file, a database or a directory has for a user, such as
    C({ARGON2ID}$argon2id$...).
  - Where O(stored) already is of this password, and was made with this scheme and these parameters, it is
    returned as it is, and nothing has changed. Otherwise it is another string, with a new salt.
  - Nothing is written on the host; check mode does the same.
  - Dovecot's own rules decide what matches, so that a string that Dovecot refuses is replaced.
requirements:
  - mailauth, on the host on which the module runs
options:
  password:
    description: The password. It is handed over on standard input, and never logged.
    type: str
    required: true
  stored:
    description: The string that the user has now; empty or left out, where there is none.
    type: str
    default: ""
  scheme:
    description: The password scheme, as C(mailauth list schemes) has it.
    type: str
    default: ARGON2ID
  user:
    description: The user's name, which is part of a DIGEST-MD5 hash.
    type: str
  profile:
    description: Argon2 parameters by name, such as V(owasp).
    type: str
  memory:
    description: Argon2 memory, a size such as V(64M), or a number of KiB.
    type: str
  time:
    description: Argon2 passes.
    type: int
  lanes:
    description: Argon2 lanes.
    type: int
  cost:
    description: bcrypt cost, 4 to 31.
    type: int
  rounds:
    description: Rounds of PBKDF2, SCRAM or SHA-crypt.
    type: int
  dovecot_version:
    description: Make and verify it as this Dovecot version would, such as V(2.4).
    type: str
  vsz_limit:
    description: Judge under this vsz_limit, such as V(256M), or V(unlimited).
    type: str
  executable:
    description: The command mailauth, by its name or its path.
    type: str
    default: mailauth
author:
  - The mailauth authors
attributes:
  check_mode:
    support: full
    description: It writes nothing, so that check mode does the same.
"""

EXAMPLES = r"""
- name: A user of the passwd-file has this password
  mailauth.dovecot.dovecot_hash:
    password: "{{ vault_alice }}"
    stored: "{{ now_stored }}"
    dovecot_version: "2.4"
  register: alice
  no_log: true
"""

RETURN = r"""
stored:
  description: The string to store.
  type: str
  returned: success
verdict:
  description: What Dovecot makes of O(stored) and the password - match, mismatch, malformed, ...; or empty.
  type: str
  returned: success
"""

import json
from typing import Any

from ansible.module_utils.basic import AnsibleModule

TRIES = 5
OPTIONS = ("profile", "memory", "time", "lanes", "cost", "rounds")


class Failed(Exception):  # noqa: N818 - it is a sentence
    """One sentence for whoever wrote the playbook."""


def ask(module: AnsibleModule, words: list[str], feed: str) -> dict[str, str]:
    """What mailauth hash says, as JSON; raises Failed with its own sentence."""
    program = module.get_bin_path(module.params["executable"])
    if program is None:
        name = module.params["executable"]
        raise Failed(f"{name} is not on this host; install mailauth, or name it with executable.")
    status, said, complaint = module.run_command([program, "hash", *words], data=feed, binary_data=True)
    try:
        answer: dict[str, str] = json.loads(said)
    except ValueError:
        raise Failed((complaint or said).strip() or f"mailauth ended with status {status}.") from None
    if status not in (0, 1):
        raise Failed(f"mailauth hash {words[0]}: {answer.get('reason') or status}.")
    return answer


def check(password: str) -> None:
    """Raises Failed for what the command would read as something else."""
    if not password or any(one in password for one in "\r\n\0"):
        raise Failed("password is empty, or has a line end or a NUL in it; no client could send that.")


def judged(params: dict[str, Any]) -> list[str]:
    """The options of a verification, which making has, too."""
    words = []
    if params["dovecot_version"]:
        words += ["--for", params["dovecot_version"]]
    if params["vsz_limit"]:
        words += ["--vsz-limit", params["vsz_limit"]]
    return words


def verify(module: AnsibleModule) -> tuple[str, str]:
    """The verdict on what is stored now, and the string without its salt."""
    params = module.params
    asked = {"stored": params["stored"], "password": params["password"]}
    if params["user"]:
        asked["user"] = params["user"]
    answer = ask(module, ["verify", "--batch", "-", *judged(params)], json.dumps(asked) + "\n")
    return answer["verdict"], answer["shown"]


def make(module: AnsibleModule) -> tuple[str, str]:
    """A new string, and the same without its salt."""
    params = module.params
    words = ["new", "--json", "--password-stdin", "--scheme", params["scheme"], *judged(params)]
    words += ["--user", params["user"]] if params["user"] else []
    for name in OPTIONS:
        if params[name] is not None:
            words += [f"--{name}", str(params[name])]
    for _each in range(TRIES):
        made = ask(module, words, params["password"])
        # Ansible would put asterisks in place of the password, and so destroy the string.
        if params["password"] not in made["stored"]:
            return made["stored"], made["shown"]
    raise Failed(
        "The string would have the password in it; take a longer one, or a scheme that does not store it."
    )


def main() -> None:
    text = {"type": "str"}
    number = {"type": "int"}
    module = AnsibleModule(
        argument_spec={
            "password": {"type": "str", "required": True, "no_log": True},
            "stored": {"type": "str", "default": "", "no_log": True},  # for the host's log
            "scheme": {"type": "str", "default": "ARGON2ID"},
            "user": text,
            "profile": text,
            "memory": text,
            "time": number,
            "lanes": number,
            "cost": number,
            "rounds": number,
            "dovecot_version": text,
            "vsz_limit": text,
            "executable": {"type": "str", "default": "mailauth"},
        },
        supports_check_mode=True,
    )
    now = module.params["stored"]
    if now != module.params["password"]:
        module.no_log_values.discard(now)  # else Ansible would put asterisks in place of the answer
    try:
        check(module.params["password"])
        verdict, shape = verify(module) if now else ("", "")
        stored, new_shape = make(module)
        module.params["stored"] = ""  # what the answer repeats of the question
    except Failed as why:
        module.params["stored"] = ""
        module.fail_json(msg=str(why))
    if verdict == "match" and shape == new_shape:
        module.exit_json(changed=False, stored=now, verdict=verdict)
    module.exit_json(changed=True, stored=stored, verdict=verdict)


if __name__ == "__main__":
    main()
