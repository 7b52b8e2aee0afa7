"""All of a file, if that is not too much."""

import errno
import os
from pathlib import Path
from typing import BinaryIO


def read(file: BinaryIO, most: int, path: Path) -> bytes:
    """Raises OSError, also where it is larger than ``most`` bytes; ``path`` is what that names."""
    data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return data
