"""What a module has for itself is used in it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import mailauth

PACKAGE = Path(mailauth.__file__).parent


def own_names(module: ast.Module) -> Iterator[str]:
    """Private names of the module: constants, functions, classes."""
    for node in module.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        found = [one for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)]
        yield from (one.id for one in found if one.id.startswith("_"))
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name.startswith("_"):
            yield node.name


def test_no_private_name_of_a_module_is_left_behind() -> None:
    """Ruff looks for unused imports and variables of functions only: six constants were read by nobody."""
    left = [
        f"{path.relative_to(PACKAGE)} {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for text in [path.read_text()]
        for name in own_names(ast.parse(text))
        if not name.startswith("__") and len(re.findall(rf"\b{name}\b", text)) < 2
    ]
    assert not left
