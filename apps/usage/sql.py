"""Tables of usage that Django cannot describe, and the statements that make a month's partitions.

Events and rollups are partitioned by accounting month; writers name the partition, so that a
guard on it knows its month and looks at one period row, whatever the number of rows written.
Functions qualify tables with TG_TABLE_SCHEMA and take names as arguments.
"""

from __future__ import annotations

from typing import Final

from apps.core.domain.months import Month

TABLES: Final = (
    "CREATE SEQUENCE usage_keyblock_seq AS bigint",
    """
    CREATE TABLE usage_eventkey (
        source text COLLATE "C" NOT NULL,
        event_id text COLLATE "C" NOT NULL,
        key bigint NOT NULL,
        digest bytea NOT NULL,
        digest_version smallint NOT NULL,
        occurred_at timestamptz NOT NULL,
        PRIMARY KEY (source, event_id),
        CONSTRAINT usage_eventkey_sizes CHECK (
            octet_length(source) BETWEEN 1 AND 200
            AND octet_length(event_id) BETWEEN 1 AND 200
            AND octet_length(digest) = 16)
    )
    """,
    """
    CREATE TABLE usage_event (
        period date NOT NULL,
        key bigint NOT NULL,
        revision smallint NOT NULL DEFAULT 0,
        sign smallint NOT NULL DEFAULT 1,
        source text COLLATE "C" NOT NULL,
        event_id text COLLATE "C" NOT NULL,
        original_period date NOT NULL,
        occurred_at timestamptz NOT NULL,
        received_at timestamptz NOT NULL,
        batch uuid NOT NULL,
        tag_set bigint NOT NULL,
        sent_sku bigint NOT NULL,
        feed text COLLATE "C" NOT NULL DEFAULT 'request',
        context_tokens bigint NOT NULL,
        meters jsonb NOT NULL,
        reasoning_tokens bigint,
        trace_id text,
        end_user bytea,
        status text COLLATE "C" NOT NULL DEFAULT 'ok',
        reported_amount numeric(44, 24),
        reported_currency text COLLATE "C",
        hold uuid,
        booked jsonb,
        PRIMARY KEY (key, revision, sign, period),
        CONSTRAINT usage_event_sign CHECK (sign IN (1, -1)),
        CONSTRAINT usage_event_revision CHECK (revision >= 0),
        CONSTRAINT usage_event_feed CHECK (feed IN ('request', 'bucket')),
        CONSTRAINT usage_event_booked_forward CHECK (original_period <= period),
        CONSTRAINT usage_event_reported_pair
            CHECK ((reported_amount IS NULL) = (reported_currency IS NULL))
    ) PARTITION BY LIST (period)
    """,
    """
    CREATE TABLE usage_rollup (
        period date NOT NULL,
        day date NOT NULL,
        utc_day date NOT NULL,
        tag_set bigint NOT NULL,
        sku bigint NOT NULL,
        price bigint NOT NULL,
        meter text COLLATE "C" NOT NULL,
        feed text COLLATE "C" NOT NULL,
        quantity numeric(28, 6) NOT NULL,
        cost numeric(44, 24),
        currency text COLLATE "C" NOT NULL,
        PRIMARY KEY (period, day, utc_day, tag_set, sku, meter, price, feed),
        CONSTRAINT usage_rollup_unpriced CHECK (
            (price = 0) = (cost IS NULL) AND (price = 0) = (currency = '')),
        CONSTRAINT usage_rollup_price CHECK (price >= 0),
        CONSTRAINT usage_rollup_feed CHECK (feed IN ('request', 'bucket'))
    ) PARTITION BY LIST (period)
    """,
)

DROP_TABLES: Final = (
    "DROP SEQUENCE usage_keyblock_seq",
    "DROP TABLE usage_eventkey",
    "DROP TABLE usage_event",
    "DROP TABLE usage_rollup",
)

REFUSE_CLOSED_MONTH: Final = """
CREATE OR REPLACE FUNCTION usage_refuse_closed_month() RETURNS trigger LANGUAGE plpgsql AS $fn$
DECLARE
    found_state text;
BEGIN
    EXECUTE format('SELECT state FROM %I.periods_period WHERE month = $1 FOR SHARE',
                   TG_TABLE_SCHEMA) INTO found_state USING TG_ARGV[1]::date;
    IF found_state IS DISTINCT FROM 'open' THEN
        RAISE EXCEPTION '% on % is refused: the period % is %', TG_OP, TG_ARGV[0],
            left(TG_ARGV[1], 7), COALESCE(found_state, 'not in the calendar')
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'period_closed';
    END IF;
    RETURN NULL;
END $fn$
"""


def partition_name(table: str, month: Month) -> str:
    """Return the name of a month's partition: usage_event_2026_10."""
    return f"{table}_{month.year:04d}_{month.month:02d}"


def partition_statements(month: Month) -> list[str]:
    """Return single statements that make a month's partitions with their guards."""
    return [*_event_partition(month), *_rollup_partition(month)]


def _event_partition(month: Month) -> list[str]:
    name = partition_name("usage_event", month)
    return [
        *_partition("usage_event", name, month),
        _guard(name, "usage_event", month, "INSERT"),
        _refusal(name, "usage_event", "append_only", "UPDATE OR DELETE"),
        _refusal(name, "usage_event", "no_truncate", "TRUNCATE"),
        f'CREATE INDEX {name}_occurred ON "{name}" USING brin (occurred_at)',
    ]


def _rollup_partition(month: Month) -> list[str]:
    name = partition_name("usage_rollup", month)
    return [
        *_partition("usage_rollup", name, month),
        f'ALTER TABLE "{name}" SET (fillfactor = 70)',
        _guard(name, "usage_rollup", month, "INSERT OR UPDATE OR DELETE"),
        _refusal(name, "usage_rollup", "no_truncate", "TRUNCATE"),
    ]


def _partition(parent: str, name: str, month: Month) -> tuple[str, str]:
    first = month.first_day.isoformat()
    return (
        f'CREATE TABLE "{name}" PARTITION OF "{parent}" FOR VALUES IN (\'{first}\')',
        f"ALTER TABLE \"{name}\" ALTER COLUMN period SET DEFAULT '{first}'",
    )


def _guard(name: str, parent: str, month: Month, events: str) -> str:
    first = month.first_day.isoformat()
    return (
        f'CREATE TRIGGER {name}_guard BEFORE {events} ON "{name}" FOR EACH STATEMENT '
        f"EXECUTE FUNCTION usage_refuse_closed_month('{parent}', '{first}')"
    )


def _refusal(name: str, parent: str, why: str, events: str) -> str:
    return (
        f'CREATE TRIGGER {name}_{why} BEFORE {events} ON "{name}" FOR EACH STATEMENT '
        f"EXECUTE FUNCTION core_refuse_change('{parent}')"
    )
