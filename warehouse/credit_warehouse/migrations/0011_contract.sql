-- Which schema versions the tables were made for, so that a program older or newer than its tables refuses to start;
-- and the months of landing, which a service may prepare without owning anything.
-- depends: 0007_quality_scope

-- One line per schema version that `credit migrate` has made tables for. The fingerprint is of its Avro part: a version
-- that was altered after it was put to use is found here too. retired_at: the center no longer takes this dataset.
CREATE TABLE core.known_schema (
    schema_id   integer PRIMARY KEY,
    dataset     text NOT NULL,
    version     integer NOT NULL,
    fingerprint text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    retired_at  timestamptz,
    UNIQUE (dataset, version)
);
GRANT SELECT ON core.known_schema TO credit_consumer, credit_quality, credit_forward, credit_reader;

-- The partitions of landing from 3 months before a day to 14 after it, by the UUIDv7 bounds of each month in UTC;
-- returns how many were made. Rows of such a month may stand in the default partition already (a producer's clock was
-- ahead, or nobody prepared months for long): they move, because PostgreSQL refuses a partition whose rows the default
-- one holds.
CREATE FUNCTION landing.prepare_months(today date) RETURNS integer
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' AS $$
DECLARE
    first date := date_trunc('month', today::timestamp) - interval '3 months';
    made integer := 0;
    month date;
    partition text;
    low uuid;
    high uuid;
BEGIN
    -- Two services that start at once.
    PERFORM pg_advisory_xact_lock(hashtext('landing.prepare_months'));
    FOR i IN 0..17 LOOP
        month := first + make_interval(months => i);
        partition := 'event_' || to_char(month, 'YYYY_MM');
        CONTINUE WHEN to_regclass('landing.' || partition) IS NOT NULL;
        -- The first 48 bits of a UUIDv7 are milliseconds since 1970.
        low := rpad(lpad(to_hex(extract(epoch FROM month::timestamp)::bigint * 1000), 12, '0'), 32, '0')::uuid;
        high := rpad(lpad(to_hex(extract(epoch FROM month + interval '1 month')::bigint * 1000), 12, '0'), 32, '0')::uuid;
        ALTER TABLE landing.event DETACH PARTITION landing.event_other;
        EXECUTE format('CREATE TABLE landing.%I PARTITION OF landing.event FOR VALUES FROM (%L) TO (%L)',
                       partition, low, high);
        WITH gone AS (DELETE FROM landing.event_other WHERE ce_id >= low AND ce_id < high RETURNING *)
        INSERT INTO landing.event SELECT * FROM gone;
        ALTER TABLE landing.event ATTACH PARTITION landing.event_other DEFAULT;
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;

-- The same for today, with the owner's rights: all a caller can do is have the months made that are due anyway.
CREATE FUNCTION landing.prepare_months() RETURNS integer
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ SELECT landing.prepare_months(current_date) $$;

REVOKE ALL ON FUNCTION landing.prepare_months(date), landing.prepare_months() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION landing.prepare_months() TO credit_consumer;
