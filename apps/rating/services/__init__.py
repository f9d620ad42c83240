"""What may be done to prices: negotiate, end, withdraw, adopt, and use them."""

from apps.rating.services.contracts import (
    ContractDraft,
    PriceNotValid,
    PriceOverlaps,
    PriceUnknown,
    end_contract_price,
    record_contract_price,
    withdraw_contract_price,
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
from apps.rating.services.used import price_ids
from apps.rating.services.versions import PriceBookMoved, adopt_version, check_version, hold_version

__all__ = [
    "ContractDraft",
    "MappingDraft",
    "MappingNotValid",
    "MappingOverlaps",
    "PriceBookMoved",
    "PriceNotValid",
    "PriceOverlaps",
    "PriceUnknown",
    "adopt_version",
    "check_version",
    "end_contract_price",
    "end_mapping",
    "hold_version",
    "price_ids",
    "record_contract_price",
    "record_mapping",
    "settled",
    "withdraw_contract_price",
    "withdraw_mapping",
]
