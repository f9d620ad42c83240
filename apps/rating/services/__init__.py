"""What may be done to prices: negotiate, end, withdraw, adopt, and use them."""

from apps.rating.services.commitments import (
    CommitmentExists,
    CommitmentNotValid,
    CommitmentUnknown,
    end_level,
    put_level_in_force,
    record_commitment,
    withdraw_level,
)
from apps.rating.services.contracts import (
    ContractDraft,
    PriceNotValid,
    PriceOverlaps,
    PriceUnknown,
    end_contract_price,
    record_contract_price,
    withdraw_contract_price,
)
from apps.rating.services.cost_models import CostModelNotValid, Priced, record_cost_model
from apps.rating.services.discounts import (
    DiscountNotValid,
    DiscountOverlaps,
    DiscountUnknown,
    end_discount,
    record_discount,
    withdraw_discount,
)
from apps.rating.services.mappings import (
    MappingDraft,
    MappingNotValid,
    MappingOverlaps,
    end_mapping,
    record_mapping,
    settled,
    withdraw_mapping,
)
from apps.rating.services.sheets import RowPlan, SheetHasErrors, import_sheet, rehearse_sheet
from apps.rating.services.used import price_ids
from apps.rating.services.versions import (
    PriceBookMoved,
    adopt_version,
    check_version,
    hold_version,
    version_held,
)

__all__ = [
    "CommitmentExists",
    "CommitmentNotValid",
    "CommitmentUnknown",
    "ContractDraft",
    "CostModelNotValid",
    "DiscountNotValid",
    "DiscountOverlaps",
    "DiscountUnknown",
    "MappingDraft",
    "MappingNotValid",
    "MappingOverlaps",
    "PriceBookMoved",
    "PriceNotValid",
    "PriceOverlaps",
    "PriceUnknown",
    "Priced",
    "RowPlan",
    "SheetHasErrors",
    "adopt_version",
    "check_version",
    "end_contract_price",
    "end_discount",
    "end_level",
    "end_mapping",
    "hold_version",
    "import_sheet",
    "price_ids",
    "put_level_in_force",
    "record_commitment",
    "record_contract_price",
    "record_cost_model",
    "record_discount",
    "record_mapping",
    "rehearse_sheet",
    "settled",
    "version_held",
    "withdraw_contract_price",
    "withdraw_discount",
    "withdraw_level",
    "withdraw_mapping",
]
