"""Every kind of string under six default schemes in each store: who is locked out?  Dovecot judges.

All rules at once, over strings of 40 kinds and more; everyone logs in before and after, with the password and
with the old string; and the undo is to be exact.  tests/migrate/test_real_judge.py does four of these.

Then by each of LOGIN, CRAM-MD5, SCRAM-SHA-1 and SCRAM-SHA-256: whoever loses one must be somebody whose
plaintext is made into a hash, as the plan says, and nothing is begun without --accept-mechanism-loss.

    nice -n 10 python -m bench.migrate_strings [--only sqlite ...] [--write]

--write puts each into bench/results/migrate-strings.json as it ends.
"""

import argparse
import datetime as dt
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from itertools import product
from pathlib import Path

from mailauth.lab import Lab
from mailauth.lab.databases import SERVERS
from tests.migrate.by_mechanism import FLAG, OFFERED, judged_by_mechanism
from tests.migrate.test_apply import Store
from tests.migrate.test_real_judge import carried_out, extra_of, strings_of, words_of

RESULTS = Path(__file__).parent / "results" / "migrate-strings.json"
SCHEMES = ("PLAIN", "CRYPT", "MD5", "SHA512-CRYPT", "BLF-CRYPT", "PLAIN-MD5")
STORES = {"passwd-file": "2.4.1", "sqlite": "2.3.19.1", "mysql": "2.3.19.1", "pgsql": "2.4.1"}


def one(store: str, scheme: str, stack: ExitStack) -> dict[str, object]:
    version, strings, began = STORES[store], strings_of(store), time.monotonic()
    server = stack.enter_context(SERVERS[store]()) if store in SERVERS else None
    extra = extra_of(version, store, scheme)
    state = stack.enter_context(tempfile.TemporaryDirectory())
    lab = stack.enter_context(Lab(version, store, dict(strings), OFFERED, database=server, **extra))  # type: ignore[arg-type]
    made = Store(lab, Path(state))
    by = judged_by_mechanism(made, words_of(strings), Path(state))
    found = carried_out(made, strings, FLAG)
    return {
        "dovecot": version,
        "store": store,
        "default scheme": scheme,
        "rows": found.rows,
        "could log in": found.logged_in,
        "changed": found.written,
        "undecided": found.undecided,
        "broken": found.broken,
        "users and mechanisms that let them in": by.ways,
        "lost, as the plan named them": by.lost,
        "wrong": found.wrong + by.wrong,
        "seconds": round(time.monotonic() - began, 1),
    }


def kept(found: dict[str, object]) -> None:
    """Into the results, in place of the last ones for this store and default scheme."""
    before = json.loads(RESULTS.read_text())["each"] if RESULTS.exists() else []
    same = ("store", "default scheme")
    each = [found if all(one[name] == found[name] for name in same) else one for one in before]
    summary = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "load": round(os.getloadavg()[0], 2),
        "each": each if found in each else [*each, found],
    }
    RESULTS.write_text(json.dumps(summary, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", choices=list(STORES))
    parser.add_argument("--schemes", nargs="*", choices=SCHEMES)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    every = []
    for store, scheme in product(given.only or STORES, given.schemes or SCHEMES):
        with ExitStack() as stack:
            every.append(one(store, scheme, stack))
        print(every[-1], flush=True)
        if given.write:
            kept(every[-1])
    sys.exit(1 if any(one["wrong"] for one in every) else 0)


if __name__ == "__main__":
    main()
