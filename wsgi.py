"""What a WSGI server runs: `wsgi:app`. Settings come from the environment."""

import sys

from dashboard.app import create_app
from dashboard.config import SettingsError

try:
    app = create_app()
except SettingsError as error:
    sys.exit(f"Countinghouse cannot start. Please mend these settings:\n{error}")
