"""The partitioned table of bill lines, and the statements that make a month's partition."""

from __future__ import annotations

from typing import Final

from apps.core.domain.months import Month
from apps.periods.sql import guard_statements

CREATE_BILL_LINES: Final = """
CREATE TABLE costs_billline (
    period date NOT NULL,
    bill_id bigint NOT NULL CONSTRAINT costs_billline_of_a_bill REFERENCES costs_bill (id),
    line bigint NOT NULL,
    billing_account_id text NOT NULL,
    billing_account_name text NOT NULL,
    sub_account_id text NOT NULL,
    sub_account_name text NOT NULL,
    provider text NOT NULL,
    publisher text NOT NULL,
    invoice_issuer text NOT NULL,
    invoice_id text NOT NULL,
    service_category text NOT NULL,
    service_subcategory text NOT NULL,
    service_name text NOT NULL,
    sku_id text NOT NULL,
    sku_price_id text NOT NULL,
    sku_meter text NOT NULL,
    region_id text NOT NULL,
    resource_id text NOT NULL,
    resource_name text NOT NULL,
    resource_type text NOT NULL,
    charge_category text NOT NULL,
    charge_class text NOT NULL,
    charge_description text NOT NULL,
    charge_frequency text NOT NULL,
    pricing_category text NOT NULL,
    commitment_discount_id text NOT NULL,
    commitment_discount_type text NOT NULL,
    commitment_discount_status text NOT NULL,
    billing_period_start timestamptz NOT NULL,
    billing_period_end timestamptz NOT NULL,
    charge_period_start timestamptz NOT NULL,
    charge_period_end timestamptz NOT NULL,
    currency varchar(3) NOT NULL,
    billed_cost numeric(44, 24) NOT NULL,
    effective_cost numeric(44, 24) NOT NULL,
    list_cost numeric(44, 24),
    contracted_cost numeric(44, 24),
    list_unit_price numeric(44, 24),
    contracted_unit_price numeric(44, 24),
    pricing_quantity numeric(44, 24),
    pricing_unit text NOT NULL,
    consumed_quantity numeric(44, 24),
    consumed_unit text NOT NULL,
    tags jsonb NOT NULL,
    extra jsonb NOT NULL,
    PRIMARY KEY (period, bill_id, line),
    CONSTRAINT costs_billline_category_known CHECK (
        charge_category IN ('Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment')),
    CONSTRAINT costs_billline_charge_period_in_order CHECK (
        charge_period_start <= charge_period_end),
    CONSTRAINT costs_billline_currency_code CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT costs_billline_tags_are_an_object CHECK (jsonb_typeof(tags) = 'object')
) PARTITION BY LIST (period)
"""

REFUSE_CHANGE: Final = """
CREATE OR REPLACE FUNCTION costs_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
    RAISE EXCEPTION '% on % is refused: a bill is kept as delivered', TG_OP, TG_ARGV[0]
        USING ERRCODE = 'integrity_constraint_violation', HINT = 'append_only';
END $fn$
"""


def partition_name(month: Month) -> str:
    """Return the name of a month's partition: costs_billline_2026_10."""
    return f"costs_billline_{month.year:04d}_{month.month:02d}"


def partition_statements(month: Month) -> list[str]:
    """Return single statements that make a month's partition with the guards of its parent."""
    name = partition_name(month)
    return [
        f"CREATE TABLE \"{name}\" PARTITION OF costs_billline FOR VALUES IN ('{month.first_day}')",
        *append_only_statements(name),
        *guard_statements(name, column="period", named="costs_billline"),
    ]


def append_only_statements(table: str) -> list[str]:
    """Return statements after which the table takes INSERT and nothing else."""
    return [
        f'CREATE TRIGGER costs_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON "{table}" '
        f"FOR EACH STATEMENT EXECUTE FUNCTION costs_refuse_change('{table}')"
    ]
