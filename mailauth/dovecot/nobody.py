"""A user whom no server has: mailauth asks for it where it wants an answer, and no entry."""

NOBODY = "mailauth-nobody"
