"""What a database says of its own tables: questions that take the form of a password query.  Pure.

Each returns one row with a field "user", the name that is shown.  Of the query only words are put into it.
"""

import re

_WORD = re.compile(r"[^\W\d]\w*")
_MOST = 60  # words of a query

# This account may not see all rows of the table.  Source: PostgreSQL's manual, "Row Security Policies".
_SECURED = {
    "pgsql": "SELECT 'x' AS password, c.relname || ' for ' || current_user AS user FROM pg_class c"
    " WHERE c.relname IN ({words}) AND pg_table_is_visible(c.oid) AND c.relkind IN ('r', 'p')"
    " AND row_security_active(c.oid) ORDER BY 2 LIMIT 1",
}
_VIEWS = {
    "pgsql": "SELECT 'x' AS password, c.relname AS user FROM pg_class c WHERE c.relname IN ({words})"
    " AND pg_table_is_visible(c.oid) AND c.relkind IN ('v', 'm') AND pg_get_viewdef(c.oid) ~* 'where|join'"
    " ORDER BY 2 LIMIT 1",
    "mysql": "SELECT 'x' AS password, table_name AS user FROM information_schema.views"
    " WHERE table_schema = DATABASE() AND table_name IN ({words}) ORDER BY 2 LIMIT 1",
    "sqlite": "SELECT 'x' AS password, name AS user FROM sqlite_master WHERE type = 'view'"
    " AND lower(name) IN ({lower}) AND (lower(sql) GLOB '* where *' OR lower(sql) GLOB '* join *')"
    " ORDER BY 2 LIMIT 1",
}
# The same name in other letters, or in another schema.
_TABLES = {
    "pgsql": "SELECT 'x' AS password, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS user"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE lower(c.relname) IN ({lower})"
    " AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT pg_table_is_visible(c.oid)"
    " AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 2 LIMIT 1",
    "mysql": "SELECT 'x' AS password, table_name AS user FROM information_schema.tables"
    " WHERE table_schema = DATABASE() AND LOWER(table_name) IN ({lower})"
    " AND BINARY table_name NOT IN ({exact}) ORDER BY 2 LIMIT 1",
}
_OTHER_LETTERS = (
    "SELECT 'x' AS password, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS user"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE lower(c.relname) IN ({lower})"
    " AND c.relname <> lower(c.relname) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
    " AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 2 LIMIT 1"
)
_COLUMNS = {
    "pgsql": "SELECT 'x' AS password, quote_ident(a.attname) AS user FROM pg_attribute a"
    " JOIN pg_class c ON c.oid = a.attrelid WHERE c.relname IN ({words}) AND pg_table_is_visible(c.oid)"
    " AND a.attnum > 0 AND NOT a.attisdropped AND lower(a.attname) = lower('{name}')"
    " AND a.attname <> lower(a.attname) ORDER BY 2 LIMIT 1",
}


def secured(driver: str, query: str) -> str:
    """A table of the query whose rows a policy may hide from this account; "" where there are no policies."""
    return _made(_SECURED.get(driver, ""), query)


def views(driver: str, query: str) -> str:
    """A view of the query that may leave rows out."""
    return _made(_VIEWS.get(driver, ""), query)


def tables(driver: str, query: str) -> tuple[str, ...]:
    """Tables of much the same name as one of the query."""
    texts = (_OTHER_LETTERS, _TABLES["pgsql"]) if driver == "pgsql" else (_TABLES.get(driver, ""),)
    return tuple(_made(text, query) for text in texts if text)


def columns(driver: str, query: str, missing: str) -> str:
    """A column that has this name in other letters."""
    text = _COLUMNS.get(driver, "") if _WORD.fullmatch(missing) else ""
    return _made(text.replace("{name}", missing), query)


def _made(text: str, query: str) -> str:
    found = list(dict.fromkeys(_WORD.findall(query)))[:_MOST]
    if not text or not found:
        return ""
    lower = dict.fromkeys(word.lower() for word in found)
    words = {*found, *lower}
    return text.format(
        words=", ".join(f"'{word}'" for word in sorted(words)),
        exact=", ".join(f"'{word}'" for word in found),
        lower=", ".join(f"'{word}'" for word in lower),
    )
