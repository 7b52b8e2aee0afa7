"""A server's state as one HTML file: no script, nothing fetched, fit for a phone, for paper and the dark.

Everything is shown as text: names, log lines and settings were written by others.
"""

import base64
import hashlib
from dataclasses import field

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from mailauth.dovecot.sizes import show_limit, show_size
from mailauth.load.result import LoadResult
from mailauth.memory.fitting import PassdbFit
from mailauth.records import dataclass
from mailauth.render.audit import STRENGTHS, AuditReport, StoreReport
from mailauth.render.html_curves import load_curves, number
from mailauth.render.html_picture import Chart, memory_chart, stores_chart
from mailauth.render.json import DiagnosisReport, FindingReport, SeenReport, UndecidedReport
from mailauth.visible import visible


@dataclass(frozen=True, slots=True)
class Unseen:
    """A part of the report that could not be looked at, and why."""

    part: str
    reason: str


@dataclass(frozen=True, slots=True)
class Page:
    """All that the report shows, as plain data without a secret.

    ``made``: when, as people write it.  ``diagnoses``: of the server, and perhaps of a user.
    """

    made: str
    mailauth: str
    host: str
    dovecot: str
    dialect: str
    anonymous: bool
    diagnoses: list[DiagnosisReport]
    audit: AuditReport | None
    memory: list[PassdbFit]
    load: LoadResult | None = None
    unseen: list[Unseen] = field(default_factory=list)

    @property
    def findings(self) -> list[FindingReport]:
        """Each once, what blocks logins first, and of that what is proven."""
        found: list[FindingReport] = []
        for diagnosis in self.diagnoses:
            found += [one for one in diagnosis.findings if one not in found]
        return sorted(found, key=lambda one: (_ORDER.index(one.severity), one.certainty != "proven"))

    @property
    def undecided(self) -> dict[str, list[UndecidedReport]]:
        """The rules that could not be asked, by the reason; each once."""
        reasons: dict[str, dict[str, UndecidedReport]] = {}
        for diagnosis in self.diagnoses:
            for one in diagnosis.undecided:
                reasons.setdefault(one.reason, {}).setdefault(one.code, one)
        return {reason: list(rules.values()) for reason, rules in reasons.items()}

    @property
    def evidence(self) -> list[list[SeenReport]]:
        """What was seen for each diagnosis; what was seen before is not told again."""
        told: list[list[SeenReport]] = []
        for diagnosis in self.diagnoses:
            told.append([one for one in diagnosis.evidence if not any(one in before for before in told)])
        return told

    @property
    def user(self) -> str:
        """The user who was asked about, or ""."""
        return next((one.user for one in self.diagnoses if one.user), "")


_MOST_ROWS = 40  # of a table
_ORDER = ("blocks login", "risk", "note")
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
)


def page_html(page: Page) -> str:
    """The file's text."""
    environment = Environment(
        loader=PackageLoader("mailauth.render"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    environment.filters |= {
        "size": show_size,
        "limit": show_limit,
        "slug": _slug,
        "number": number,
        "ms": _ms,
    }
    css = environment.get_template("report.css").render()
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return environment.get_template("report.html").render(
        page=page,
        css=Markup(css),  # noqa: S704 - our own file
        policy=_POLICY.format(digest=digest),
        counts={level: sum(one.severity == level for one in page.findings) for level in _ORDER},
        stores=_stores(page),
        most_rows=_MOST_ROWS,
        strengths=STRENGTHS,
        curves=load_curves(page.load) if page.load else (),
        memory=[(one, memory_chart(one, number)) for number, one in enumerate(page.memory, 1)],
    )


def _stores(page: Page) -> list[tuple[StoreReport, Chart]]:
    stores = page.audit.stores if page.audit else []
    return [(store, stores_chart(store, number)) for number, store in enumerate(stores, 1)]


def _ms(seconds: float) -> str:
    return f"{number(1000 * seconds)} ms"


def _slug(text: str) -> str:
    return text.replace(" ", "-")


def _visible(value: object) -> object:
    """Characters that are not seen, or that turn the order of others around, are written as escapes."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return visible(value, keep="\n\t")
