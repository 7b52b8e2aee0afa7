"""A finding's text, out of its rule's file: to import the rules takes ten times as long as all else."""

import ast
import inspect
import re
from pathlib import Path
from typing import NamedTuple

import mailauth

_RULES = Path(mailauth.__file__).parent / "rules"
_CODE = re.compile(r"[a-z]{2,8}[0-9]{3}")


class Explained(NamedTuple):
    """What ``explain`` shows of a rule."""

    code: str
    title: str
    severity: str
    explanation: str


def explained(code: str) -> Explained | None:
    """Of a code, in whatever letters; None where no file says it: then ask the rules themselves."""
    code = code.strip().lower()
    if not _CODE.fullmatch(code):
        return None
    try:
        [file] = _RULES.glob(f"{code}_*.py")
        tree = ast.parse(file.read_bytes())
        [made] = [
            one
            for node in tree.body
            if isinstance(node, ast.FunctionDef)
            for one in node.decorator_list
            if isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id == "rule"
        ]
        severity = ast.unparse(made.args[2]).rpartition(".")[2].lower().replace("_", " ")
        told = inspect.cleandoc(ast.get_docstring(tree, clean=False) or "")
        return Explained(ast.literal_eval(made.args[0]), ast.literal_eval(made.args[1]), severity, told)
    except (OSError, ValueError, SyntaxError, IndexError):  # a file that we cannot read so
        return None
