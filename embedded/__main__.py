"""`python -m embedded run`: the platform as in production, with embedded servers where `.env` names none."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from dotenv import load_dotenv

from embedded.ports import refuse_taken
from embedded.stack import ROOT, Stack, StackError
from embedded.web_server import start_web

FOLDER = ROOT / ".local" / "run"
PATIENCE = 20  # seconds for an earlier run that was told to stop
THREADS = 8  # blocking threads of a web worker, as many as its database connections


def main() -> None:
    """Read the command line and run until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m embedded", description=__doc__)
    parser.add_argument("command", choices=["run"])
    parser.add_argument("--workers", type=int, default=2, help="web server processes (default: %(default)s)")
    options = parser.parse_args()
    # What the environment says goes before the file, as everywhere.
    load_dotenv(ROOT / ".env", override=False)
    try:
        with Stack(FOLDER, patience=PATIENCE) as stack:
            run(stack, options.workers)
    except StackError as error:
        sys.exit(f"make run: {error}")
    except KeyboardInterrupt:
        print("\nStopped.")


def run(stack: Stack, workers: int) -> None:
    """Migrate, start web server, worker and scheduler, wait."""
    port = os.environ.get("PORT", "5000")
    base = f"http://127.0.0.1:{port}"
    refuse_taken(int(port), "PORT")
    if not os.environ.get("DATABASE_URL") and not os.environ.get("DB_HOST"):
        os.environ["DATABASE_URL"] = stack.database_url
    os.environ["REDIS_URL"] = stack.redis_url
    programs = Path(sys.executable).parent
    if subprocess.run([programs / "flask", "--app", "wsgi", "db", "upgrade"], cwd=ROOT, check=False).returncode:
        raise StackError("the database could not be brought up to date; the reason stands above")
    start_web(stack, int(port), workers=workers, threads=THREADS)
    stack.spawn("worker", [sys.executable, "worker.py"])
    stack.spawn("scheduler", [sys.executable, "worker.py", "--scheduler"])
    print(f"Countinghouse is at {base}. Ctrl-C stops all of it.", flush=True)
    stack.wait()


if __name__ == "__main__":
    main()
