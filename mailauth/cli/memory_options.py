"""What several commands of ``mailauth memory`` are called with."""

import click

hash_argument = click.argument("stored", metavar="[HASH]", required=False)
