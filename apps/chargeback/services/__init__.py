"""What can be done with statements: draft, issue, hand out, answer, decide, set their terms."""

from apps.chargeback.domain.results import StatementSet
from apps.chargeback.services.drafting import draft_statements
from apps.chargeback.services.exports import (
    export_link,
    open_export,
    request_export,
    write_export,
)
from apps.chargeback.services.handing_out import hand_out, hand_out_rollup
from apps.chargeback.services.issuing import issue_statements
from apps.chargeback.services.journals import JournalBytes, hand_out_journal, prepare_journal
from apps.chargeback.services.ledger import confirm_posting, map_account, set_layout
from apps.chargeback.services.resolving import (
    lapse_overdue,
    name_responder,
    resolve,
    set_policy,
)
from apps.chargeback.services.responding import accept, dispute, withdraw
from apps.chargeback.services.rolling_up import roll_up
from apps.chargeback.services.telling import LINK_LIFETIME, LINK_PURPOSE, remind, statement_link
from apps.chargeback.services.terms import set_terms

__all__ = [
    "LINK_LIFETIME",
    "LINK_PURPOSE",
    "JournalBytes",
    "StatementSet",
    "accept",
    "confirm_posting",
    "dispute",
    "draft_statements",
    "export_link",
    "hand_out",
    "hand_out_journal",
    "hand_out_rollup",
    "issue_statements",
    "lapse_overdue",
    "map_account",
    "name_responder",
    "open_export",
    "prepare_journal",
    "remind",
    "request_export",
    "resolve",
    "roll_up",
    "set_layout",
    "set_policy",
    "set_terms",
    "statement_link",
    "withdraw",
    "write_export",
]
