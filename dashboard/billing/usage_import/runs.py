"""How far each import has come: begun or taken up again, moved on with each batch, finished."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_ignore
from sqlalchemy.orm import Session

from dashboard.billing.errors import NotFound
from dashboard.billing.usage_import.checking import Batch, Refusal
from dashboard.billing.usage_import.recording import Outcome
from dashboard.billing.usage_import.source import Source
from dashboard.models import ImportState, Tenant, UsageImport, UsageImportError

PAGE = 1_000


class ImportTaken(Exception):
    """Another process moved this import on, or began it anew. Nothing is lost and nothing counts twice."""

    def __init__(self, import_id: int) -> None:
        super().__init__(f"import {import_id} is being done by another process; this one stopped")


@dataclass(frozen=True, slots=True)
class ImportRun:
    """One import: the physical line up to which it is done, and what came of the lines so far."""

    tenant_id: int
    id: int
    line: int
    byte_offset: int
    new: int
    duplicates: int
    refused: int

    @property
    def rows(self) -> int:
        """Rows dealt with so far."""
        return self.new + self.duplicates + self.refused

    def after(self, batch: Batch, outcome: Outcome) -> ImportRun:
        """This import with one batch more."""
        return replace(
            self,
            line=batch.line,
            byte_offset=batch.end,
            new=self.new + outcome.new,
            duplicates=self.duplicates + outcome.duplicates,
            refused=self.refused + len(outcome.refusals),
        )


def begin_import(
    session: Session,
    tenant_id: int,
    source: Source,
    file_format: str,
    *,
    started_by: str,
    anew: bool = False,
    now: datetime,
) -> ImportRun:
    """The unfinished import of this file, or a new one. `anew` abandons the unfinished one first.

    Raises `NotFound` (no such tenant).
    """
    _require_tenant(session, tenant_id)
    unfinished = (
        UsageImport.tenant_id == tenant_id,
        UsageImport.fingerprint == source.fingerprint,
        UsageImport.file_format == file_format,
        UsageImport.state == ImportState.UNFINISHED,
    )
    if anew:
        session.execute(update(UsageImport).where(*unfinished).values(state=ImportState.ABANDONED, finished_at=now))
    # Two processes may begin at once: the second finds what the first has begun.
    while (found := session.scalars(select(UsageImport).where(*unfinished)).first()) is None:
        session.execute(
            insert_or_ignore(UsageImport)
            .values(
                tenant_id=tenant_id,
                fingerprint=source.fingerprint,
                file_format=file_format,
                file_name=source.name,
                size=source.size,
                state=ImportState.UNFINISHED,
                started_by=started_by,
                started_at=now,
            )
            .on_conflict_do_nothing()
        )
    return ImportRun(
        tenant_id, found.id, found.line, found.byte_offset, found.new_events, found.duplicates, found.refused
    )


def rehearse_import(session: Session, tenant_id: int) -> ImportRun:
    """An import that is not stored, for a dry run.

    Raises `NotFound` (no such tenant).
    """
    _require_tenant(session, tenant_id)
    return ImportRun(tenant_id, 0, 0, 0, 0, 0, 0)


def _require_tenant(session: Session, tenant_id: int) -> None:
    if session.get(Tenant, tenant_id) is None:
        raise NotFound(f"there is no tenant {tenant_id}")


def advance_import(session: Session, run: ImportRun, batch: Batch, outcome: Outcome) -> ImportRun:
    """Note a batch as done and its refused lines, in the transaction that recorded it.

    Raises `ImportTaken` when the import is not where this run left it: the caller rolls back.
    """
    moved = run.after(batch, outcome)
    _change(
        session,
        run,
        line=moved.line,
        byte_offset=moved.byte_offset,
        new_events=moved.new,
        duplicates=moved.duplicates,
        refused=moved.refused,
    )
    if outcome.refusals:
        session.execute(
            insert(UsageImportError),
            [{"tenant_id": run.tenant_id, "import_id": run.id, **asdict(refusal)} for refusal in outcome.refusals],
        )
    return moved


def finish_import(session: Session, run: ImportRun, now: datetime) -> None:
    """Close an import whose last row was dealt with.

    Raises `ImportTaken`.
    """
    _change(session, run, state=ImportState.COMPLETE, finished_at=now)


def _change(session: Session, run: ImportRun, **values: object) -> None:
    changed = session.execute(
        update(UsageImport)
        .where(
            UsageImport.tenant_id == run.tenant_id,
            UsageImport.id == run.id,
            UsageImport.state == ImportState.UNFINISHED,
            UsageImport.line == run.line,
        )
        .values(**values)
        .returning(UsageImport.id)
    )
    if changed.first() is None:
        raise ImportTaken(run.id)


def list_refusals(session: Session, run: ImportRun) -> Iterator[Refusal]:
    """Every refused line of an import, in the order of the file; read in pages."""
    after = 0
    while True:
        page = session.execute(
            select(UsageImportError.line, UsageImportError.field, UsageImportError.message)
            .where(
                UsageImportError.tenant_id == run.tenant_id,
                UsageImportError.import_id == run.id,
                UsageImportError.line > after,
            )
            .order_by(UsageImportError.line)
            .limit(PAGE)
        ).all()
        for line, field, message in page:
            yield Refusal(line, field, message)
        if len(page) < PAGE:
            return
        after = page[-1].line
