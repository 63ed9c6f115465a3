"""How Alembic reaches the database: through the application's own engine."""

from alembic import context
from flask import current_app

from dashboard.database import Base, db

# One migration at a time: two servers that start together must not both run it.
LOCK = 0x636F756E74


def run() -> None:
    """Migrate in one transaction."""
    with db.engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            **current_app.extensions["migrate"].configure_args,
        )
        with context.begin_transaction():
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
            context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("Migrations need a database: set DATABASE_URL")
run()
