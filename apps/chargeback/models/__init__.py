"""What chargeback keeps: statements, what their readers say to them, journals."""

from apps.chargeback.models.acceptance import (
    AcceptancePolicy,
    Attachment,
    Resolution,
    Responder,
    Response,
)
from apps.chargeback.models.statements import Statement, StatementTerms

__all__ = [
    "AcceptancePolicy",
    "Attachment",
    "Resolution",
    "Responder",
    "Response",
    "Statement",
    "StatementTerms",
]
