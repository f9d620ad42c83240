"""What can be done with documents: draft, give up, seal, render."""

from apps.documents.domain.facts import IssueFacts, LineDraft, RenditionFacts, Subject
from apps.documents.services.drafts import draft, give_up, row_id
from apps.documents.services.renditions import redraw, render
from apps.documents.services.seals import seal, seal_all

__all__ = [
    "IssueFacts",
    "LineDraft",
    "RenditionFacts",
    "Subject",
    "draft",
    "give_up",
    "redraw",
    "render",
    "row_id",
    "seal",
    "seal_all",
]
