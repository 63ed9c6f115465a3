"""The RQ worker: webhooks and meter sync, off the request path.

python worker.py [QUEUE ...]     work (all queues by default)
python worker.py --scheduler     enqueue the periodic jobs; run one or more of these
"""

import argparse
import sys

from rq import Queue, SimpleWorker

from dashboard.app import create_app
from dashboard.config import SettingsError
from dashboard.jobs import schedule
from dashboard.jobs.queues import QUEUES
from dashboard.jobs.scheduler import SharedScheduler
from dashboard.wiring import wiring


def main() -> None:
    """Run until SIGTERM or SIGINT; the job in hand is finished first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("queues", nargs="*", metavar="QUEUE", help=f"one of {', '.join(QUEUES)}")
    parser.add_argument("--scheduler", action="store_true")
    options = parser.parse_args()
    unknown = set(options.queues) - set(QUEUES)
    if unknown:
        parser.error(f"unknown queue {', '.join(sorted(unknown))}; there are {', '.join(QUEUES)}")
    try:
        app = create_app(serving=True)
    except SettingsError as error:
        sys.exit(f"The worker cannot start. Please mend these settings:\n{error}")
    with app.app_context():
        connection = wiring().redis
        if options.scheduler:
            scheduler = SharedScheduler(connection, logging_level="WARNING")
            schedule.register(scheduler)
            scheduler.start()
        else:
            # No fork for each job: the jobs are ours, short and share nothing but the database session.
            queues = [Queue(name, connection=connection) for name in options.queues or QUEUES]
            SimpleWorker(queues, connection=connection).work(logging_level="WARNING")


if __name__ == "__main__":
    main()
