"""A stack's owner as a process of its own: FOLDER on the command line, prints its addresses, stays."""

import json
import sys
from pathlib import Path

from embedded.stack import Stack, StackError

try:
    with Stack(Path(sys.argv[1]), environment={}) as stack:
        stack.spawn("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"])
        sys.stdout.write(json.dumps([stack.database_url, stack.redis_url]) + "\n")
        sys.stdout.flush()
        stack.wait()
except StackError as error:
    sys.exit(str(error))
except KeyboardInterrupt:
    sys.exit(0)
