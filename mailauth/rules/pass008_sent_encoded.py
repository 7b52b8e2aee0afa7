"""The password is right except for escapes: %40, &amp;, a backslash, a variable of a shell.

What you see
    Only users with special characters in the password cannot log in, or only by way of one program: a
    web form, a panel, a script.  The log says "Password mismatch".
Why
    A program on the way escapes the password for a URL, a page, a query or a shell and nobody undoes it;
    or a shell took quotes, backslashes and $x away; or YAML, or a column of numbers, took it for
    a number.  It happened to the password that is sent, or to the one that was hashed or stored.
How we know
    The stored hash was verified with the escapes resolved, or made, and that matches.
What to do
    Correct the program that escapes, and set the password again with one that does not.
"""

from dataclasses import replace

from mailauth.evidence import PasswordVariant, StoredColumn
from mailauth.finding import Bears, Problem, Severity, StoreChange, rule
from mailauth.hashes.variants import Change
from mailauth.remedies import HASH_NEW, remedy
from mailauth.rules.variant_case import right_but_for


@rule("PASS008", "The password is right except for escapes", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def sent_encoded(variant: PasswordVariant, column: StoredColumn | None) -> Problem | None:
    found = right_but_for(
        variant,
        Change.ESCAPED,
        remedy(
            summary="Correct the program that escapes the password, and set the password again.",
            commands=(HASH_NEW,),
            careful="If it is the client that escapes, the stored hash is right: correct the client only.",
            store=StoreChange.NEW_PASSWORD,
        ),
    )
    return _of_a_number(found, column) if found and column and column.numeric else found


def _of_a_number(found: Problem, column: StoredColumn) -> Problem:
    """The column keeps numbers, not texts: a new password loses its zeros again, and a hash is none."""
    first = f"First: {column.widen}" if column.widen else "First give the column a type of text, such as TEXT"
    return replace(
        found,
        says=f"{found.says} {column.seen}, a type of numbers, which keeps no zeros in front.",
        because=(*found.because, column),
        remedy=remedy(
            summary=f"{first}; then set the password again, for everyone whose password is of digits only.",
            commands=(HASH_NEW,),
            careful="ALTER TABLE locks the table; set the passwords again only after it."
            if column.widen
            else "",
            store=StoreChange.NEW_PASSWORD,
            by_hand=True,
        ),
    )
