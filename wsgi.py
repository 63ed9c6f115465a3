"""What a WSGI server runs: `wsgi:app`. Settings come from the environment."""

import os
import sys

from dashboard.app import create_app
from dashboard.config import SettingsError

try:
    # The `flask` command loads this file too, and says so.
    app = create_app(serving=os.environ.get("FLASK_RUN_FROM_CLI") != "true")
except SettingsError as error:
    sys.exit(f"Countinghouse cannot start. Please mend these settings:\n{error}")
