"""The files the platform keeps for a tenant: `STORAGE_ROOT/<tenant id>/`."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def measure_files(root: Path | None, tenant_id: int) -> int:
    """Bytes of the tenant's regular files; links are not followed. 0 where no root is set or there is no folder.

    Raises `OSError` when the root itself cannot be read: a missing disk must not look like an empty one.
    """
    if root is None:
        return 0
    os.stat(root)  # noqa: PTH116 (only to see that it is there)
    total = 0
    for folder, _, names in os.walk(root / str(tenant_id)):
        for name in names:
            try:
                status = os.lstat(f"{folder}/{name}")  # a Path for each of many files costs more than the look itself
            except FileNotFoundError:  # deleted since it was listed
                continue
            total += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return total
