"""What chargeback keeps: statements, what their readers say to them, journals, exports."""

from apps.chargeback.models.acceptance import (
    AcceptancePolicy,
    Attachment,
    Resolution,
    Responder,
    Response,
)
from apps.chargeback.models.exports import Export, ExportState
from apps.chargeback.models.journals import (
    Journal,
    JournalFile,
    JournalLayout,
    JournalLine,
    JournalMapping,
    JournalPosting,
)
from apps.chargeback.models.rollups import Rollup
from apps.chargeback.models.statements import Statement, StatementTerms

__all__ = [
    "AcceptancePolicy",
    "Attachment",
    "Export",
    "ExportState",
    "Journal",
    "JournalFile",
    "JournalLayout",
    "JournalLine",
    "JournalMapping",
    "JournalPosting",
    "Resolution",
    "Responder",
    "Response",
    "Rollup",
    "Statement",
    "StatementTerms",
]
