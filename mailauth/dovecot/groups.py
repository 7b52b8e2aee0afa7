"""2.4's groups of settings: ``group @NAME VALUE { ... }``, which a block takes by ``@NAME = VALUE``.

doveconf prints the line that takes a group, and not what that comes to: of a block never, and outside of all
blocks only since 2.4.5, where it prints the group's auth_mechanisms, too, which auth does not take.  Measured
on 2.4.1 and 2.4.5: no setting of a group whose name begins with auth_ counts for auth, wherever the group is
taken; the others count, and give way to the same setting of the block that takes the group.  A passdb that
only a group has is none, and a group takes no other group.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from mailauth.dovecot.conf import Block, Setting

_NOT_TAKEN = "auth_"


def resolved(tree: Block, set_in_files: frozenset[str], defaults: Callable[[], Block]) -> Block:
    """The printed ``tree`` with what each group comes to for auth.

    ``set_in_files``: the names that the files set outside of all blocks; ``defaults``: what doveconf prints
    of a configuration that sets nothing, asked only where a setting of auth's own was taken by a group.
    """
    groups = {one.name: one for one in tree.all("group")}
    if not groups:
        return tree
    tree = replace(tree, blocks=tuple(_with(one, groups) for one in tree.blocks))
    taken = _taken(tree, groups)
    brought = [one for group in taken for one in group.settings if one.name not in set_in_files]
    lists = [one.kind for group in taken for one in group.blocks]
    names = {one.name for one in brought} | set(lists) - set_in_files
    ignored = {name for name in names if name.startswith(_NOT_TAKEN)}
    back = defaults() if ignored else Block("", "", (), ())
    settings = [
        *(one for one in tree.settings if one.name not in names),
        *(one for one in back.settings if one.name in ignored),
        *(one for one in brought if one.name not in ignored),
    ]
    blocks = [one for one in tree.blocks if one.kind not in ignored]
    more = [one for group in taken for one in group.blocks]
    return replace(tree, settings=tuple(settings), blocks=tuple(_merged(one, more) for one in blocks))


def _taken(block: Block, groups: Mapping[str, Block]) -> list[Block]:
    names = [f"{one.name} {one.value}" for one in block.settings if one.name.startswith("@")]
    return [groups[name] for name in names if name in groups]


def _with(block: Block, groups: Mapping[str, Block]) -> Block:
    """A block with what its groups bring."""
    if block.kind == "group":
        return block
    taken = _taken(block, groups)
    found = replace(block, blocks=tuple(_with(one, groups) for one in block.blocks))
    for group in taken:
        found = _adding(found, group.settings, group.blocks)
    return found


def _merged(block: Block, more: Iterable[Block]) -> Block:
    """With those of its name."""
    for one in more:
        if block.name and (one.kind, one.name) == (block.kind, block.name):
            block = _adding(block, one.settings, one.blocks)
    return block


def _adding(block: Block, settings: Iterable[Setting], blocks: tuple[Block, ...]) -> Block:
    """What the block itself has counts; its settings are printed without its kind before them."""
    own = {_short(one, block) for one in block.settings}
    brought = [replace(one, name=_short(one, block)) for one in settings]
    kept = [one for one in brought if one.name not in own and not one.name.startswith(_NOT_TAKEN)]
    return replace(block, settings=(*block.settings, *kept), blocks=(*block.blocks, *blocks))


def _short(setting: Setting, block: Block) -> str:
    return setting.name.removeprefix(f"{block.kind}_")
