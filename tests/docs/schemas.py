"""The JSON schemas that are made of records: ``python -m tests.docs.generated`` writes all of them."""

from collections.abc import Callable
from functools import partial

from mailauth.dovecot.logreport import FromLogReport
from mailauth.fix import report
from mailauth.meaning import Meaning
from mailauth.memory.schemas import REPORTS
from mailauth.render import load
from mailauth.render.audit import audit_schema
from mailauth.render.check import check_schema
from mailauth.render.json import schema, to_json
from mailauth.render.login import login_schema
from mailauth.render.migrate_import import import_schema
from mailauth.schema import schema_of
from tests.cli.running import ROOT

FOLDER = ROOT / "mailauth" / "schemas"

RECORDS: dict[str, Callable[[], object]] = {
    "audit": audit_schema,
    "check": check_schema,
    "diagnosis": schema,
    "explain": lambda: schema_of(Meaning),
    "fix": report.schema,
    "from-log": lambda: schema_of(FromLogReport),
    "load": load.schema,
    "login": login_schema,
    "migrate-import": import_schema,
    **{name: partial(schema_of, record) for name, record in REPORTS.items()},
}
"""What each is made of, by the file's name."""

BY_HAND = frozenset({"hash-convert", "hash-new", "hash-show", "hash-verify"})
"""Of dictionaries, which have no record: their tests hold what is printed to them."""


def text(name: str) -> str:
    return to_json(RECORDS[name]()) + "\n"


def write() -> None:
    for name in RECORDS:
        (FOLDER / f"{name}.json").write_text(text(name))
