"""Where PostgreSQL's data lie and who runs it: PostgreSQL refuses to run as root."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

from embedded.binaries import is_open_to_all
from embedded.errors import StackError

USERS = ("nobody", "postgres", "daemon")
SHARED = (Path("/var/lib"), Path("/var/tmp"))  # noqa: S108 - a folder there is used only if root made it


@dataclass(frozen=True)
class Place:
    """`folder` holds PostgreSQL's files and belongs to `user` (uid, gid), None for the one who asks."""

    folder: Path
    user: tuple[int, int] | None
    copies: Path | None

    def own(self, path: Path) -> None:
        """Give a path of ours to the user PostgreSQL runs as."""
        if self.user is not None:
            os.chown(path, *self.user)


def place_for(data_dir: Path, *, keeps: bool) -> Place:
    """The place of a stack's PostgreSQL, made if need be.

    An ordinary user has all of it in `data_dir`. For root it is given to another user; if that user cannot reach
    `data_dir`, a folder of our own elsewhere is used, so that nobody else's permissions change. A note in `data_dir`
    ties the two: without it the data elsewhere belong to a folder that was emptied, and go. `keeps` is False for data
    of one run, which go as soon as their `data_dir` has gone.
    """
    if os.geteuid() != 0:
        folder = data_dir / "postgres"
        folder.mkdir(mode=0o700, exist_ok=True)
        return Place(folder, None, None)
    user, shared = unprivileged_user(), shared_folder()
    if is_open_to_all(data_dir):
        folder = data_dir / "postgres"
    else:
        folder = shared / hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:16]
        note = data_dir / "postgres.place"
        if not note.exists() and folder.exists():
            shutil.rmtree(folder)
        note.write_text(f"{folder}\n")
        remove_orphans(shared)
        note_of_run = folder.with_suffix(".run")
        if keeps:
            note_of_run.unlink(missing_ok=True)
        else:
            note_of_run.write_text(str(data_dir.resolve()))
    folder.mkdir(mode=0o700, exist_ok=True)
    os.chown(folder, *user)
    return Place(folder, user, shared)


def remove_orphans(shared: Path) -> None:
    """Remove data of single runs (tests) whose own folder is gone."""
    for note in shared.glob("*.run"):
        try:
            is_gone = not Path(note.read_text()).exists()
        except FileNotFoundError:  # another run that starts just now was quicker
            continue
        if is_gone:
            shutil.rmtree(note.with_suffix(""), ignore_errors=True)
            note.unlink(missing_ok=True)


def unprivileged_user() -> tuple[int, int]:
    """The first user of the list that this machine has."""
    for name in USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise StackError(f"PostgreSQL does not run as root, and there is none of the users {', '.join(USERS)}")


def shared_folder() -> Path:
    """A folder that root made and every user can enter; StackError if there can be none."""
    for parent in SHARED:
        folder = parent / "countinghouse"
        if parent.is_dir() and is_open_to_all(parent) and os.access(parent, os.W_OK):
            folder.mkdir(mode=0o755, exist_ok=True)
            if folder.lstat().st_uid == 0 and not folder.is_symlink():
                folder.chmod(0o755)
                return folder
    raise StackError(f"Nowhere to keep PostgreSQL's files as root: none of {', '.join(map(str, SHARED))} can be used")
