"""A finding's text, out of its rule's file: to import the rules takes ten times as long as all else."""

import ast
import inspect
import os
import re
from typing import NamedTuple

import mailauth

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
        with os.scandir(f"{mailauth.__path__[0]}/rules") as files:
            [path] = [one.path for one in files if re.fullmatch(rf"{code}_\w+\.py", one.name)]
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib takes half as long to import as Python to start
            tree = ast.parse(file.read())
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
