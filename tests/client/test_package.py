"""The client is a package of its own: it can be built and installed offline, and needs nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

CLIENT = Path(__file__).resolve().parents[2] / "client"


def test_the_wheel_installs_into_an_empty_environment_and_works(tmp_path: Path) -> None:
    source = shutil.copytree(CLIENT, tmp_path / "source", ignore=shutil.ignore_patterns("build", "*.egg-info"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    build = ["wheel", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", str(tmp_path), str(source)]
    subprocess.run([*pip, *build], check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("countinghouse_client-*.whl")
    venv.create(tmp_path / "empty", with_pip=False)
    python = str(tmp_path / "empty" / "bin" / "python")
    install = ["--python", python, "install", "--no-index", "--no-compile", str(wheel)]
    subprocess.run([*pip, *install], check=True, capture_output=True, timeout=120)
    script = (
        "import countinghouse_client as c, importlib.resources as r\n"
        f"client = c.Countinghouse('http://127.0.0.1:1', 'ch_1_abc', spool={str(tmp_path / 'spool')!r})\n"
        "client.record('SMS_SENT')\n"
        "print(client.stats().waiting, r.files(c).joinpath('py.typed').is_file())\n"
        "client.close(0)\n"
    )
    ran = subprocess.run([python, "-I", "-c", script], check=True, capture_output=True, text=True, timeout=60)
    assert ran.stdout == "1 True\n"
