"""What can be done with statements: draft, issue, set their terms."""

from apps.chargeback.domain.results import StatementSet
from apps.chargeback.services.drafting import draft_statements
from apps.chargeback.services.issuing import issue_statements
from apps.chargeback.services.terms import set_terms

__all__ = ["StatementSet", "draft_statements", "issue_statements", "set_terms"]
