"""Does ``mailauth load`` count every request once, and as Dovecot does, whatever happens to Dovecot?

A load at a fixed rate, with wrong passwords in it, while auth-workers are killed (SIGKILL), Dovecot is
reloaded and the database is killed and started, in turn.  Both sides' counts are compared at the end:
see tests/load/faults.py.

    python -m bench.load_faults --seconds 600 --write      to bench/results/load-faults.json
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from bench.threshold import about
from mailauth.lab.databases import SERVERS
from tests.load.faults import Books, keep_books

RESULTS = Path(__file__).parent / "results" / "load-faults.json"


def summary(books: Books) -> dict[str, object]:
    result = asdict(books.result)
    kept = (
        "target",
        "dovecot",
        "rate",
        "seconds",
        "ended",
        "counts",
        "latency",
        "latency_wrong",
        "workers_most",
    )
    return {
        **{name: result[name] for name in kept},
        "faults": books.faults,
        "problems": books.problems,
        "dovecot_counted": books.dovecot,
        "exported": dict(zip(("requests", "twice", "unknown"), books.exported, strict=True)),
        "unheard": books.unheard,
        "explained": books.explained,
        "stats_processes_ended": books.ended,
        "each_once": books.each_once,
        "agree": books.agree,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0, help="all versions together")
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--pause", type=float, default=4.0)
    parser.add_argument("--driver", choices=sorted(SERVERS), default="mysql")
    parser.add_argument("--versions", nargs="+", default=["2.3.19.1", "2.4.1"])
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    rows = []
    for version in given.versions:
        with SERVERS[given.driver]() as server:
            books = keep_books(
                version,
                server,
                seconds=given.seconds / len(given.versions),
                rate=given.rate,
                pause=given.pause,
            )
        rows.append(summary(books))
        print(json.dumps(rows[-1], indent=1), flush=True)
    if given.write:
        new = RESULTS.with_suffix(".new")
        new.write_text(json.dumps({"about": about(), "runs": rows}, indent=1) + "\n")
        new.replace(RESULTS)


if __name__ == "__main__":
    main()
