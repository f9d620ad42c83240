"""What can be done with statements: draft, issue, hand out, set their terms."""

from apps.chargeback.domain.results import StatementSet
from apps.chargeback.services.drafting import draft_statements
from apps.chargeback.services.handing_out import hand_out
from apps.chargeback.services.issuing import issue_statements
from apps.chargeback.services.terms import set_terms

__all__ = ["StatementSet", "draft_statements", "hand_out", "issue_statements", "set_terms"]
