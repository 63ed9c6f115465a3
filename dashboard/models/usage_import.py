"""How far the import of a file into the ledger has come, and which of its lines were refused."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Identity, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base


class ImportState(StrEnum):
    """An import is unfinished until its last line was read (complete) or it was begun anew (abandoned)."""

    UNFINISHED = "unfinished"
    COMPLETE = "complete"
    ABANDONED = "abandoned"


class UsageImport(Base):
    """One import of one file. `line` and `byte_offset` say how far it has come; they advance with each batch.

    `fingerprint` is the SHA-256 of the file's (unpacked) bytes, `size` their number. One import of a file is
    unfinished at a time, so the next run finds it and goes on there.
    """

    __tablename__ = "usage_imports"
    __table_args__ = (
        CheckConstraint("state IN ('unfinished', 'complete', 'abandoned')", name="state"),
        CheckConstraint("file_format IN ('csv', 'jsonl')", name="file_format"),
        Index(
            "ux_usage_imports_unfinished",
            "tenant_id",
            "fingerprint",
            "file_format",
            unique=True,
            postgresql_where=text("state = 'unfinished'"),
        ),
    )

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    file_format: Mapped[str]
    file_name: Mapped[str]
    size: Mapped[int]
    state: Mapped[str]
    line: Mapped[int] = mapped_column(server_default=text("0"))
    byte_offset: Mapped[int] = mapped_column(server_default=text("0"))
    new_events: Mapped[int] = mapped_column(server_default=text("0"))
    duplicates: Mapped[int] = mapped_column(server_default=text("0"))
    refused: Mapped[int] = mapped_column(server_default=text("0"))
    started_by: Mapped[str]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class UsageImportError(Base):
    """A line that was refused. `line` counts the file's physical lines from 1; a CSV row is named by its first."""

    __tablename__ = "usage_import_errors"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "import_id"], ["usage_imports.tenant_id", "usage_imports.id"], ondelete="CASCADE"
        ),
    )

    tenant_id: Mapped[int] = mapped_column(primary_key=True)
    import_id: Mapped[int] = mapped_column(primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    field: Mapped[str]
    message: Mapped[str]
