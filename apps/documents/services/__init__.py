"""What can be done with documents: draft, give up, seal, render."""

from apps.documents.domain.facts import IssueFacts, KeptFile, LineDraft, RenditionFacts, Subject
from apps.documents.services.drafts import draft, give_up, row_id
from apps.documents.services.files import keep_file, keep_stream
from apps.documents.services.papers import draw_paper
from apps.documents.services.renditions import redraw, render
from apps.documents.services.seals import seal, seal_all
from apps.documents.services.tables import table_csv, table_xlsx

__all__ = [
    "IssueFacts",
    "KeptFile",
    "LineDraft",
    "RenditionFacts",
    "Subject",
    "draft",
    "draw_paper",
    "give_up",
    "keep_file",
    "keep_stream",
    "redraw",
    "render",
    "row_id",
    "seal",
    "seal_all",
    "table_csv",
    "table_xlsx",
]
