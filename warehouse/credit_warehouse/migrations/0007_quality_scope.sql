-- What a quality run looks at, what it remembers of a slice, and the views and functions that others may use.
-- depends: 0005_grants

-- Of each slice (dataset x unit): how many refused arrivals the last run has seen. A count, not a moment: a transaction
-- that began before the run and commits after it would slip through a comparison of times.
CREATE TABLE quality.slice (
    dataset  text NOT NULL,
    unit     text NOT NULL,
    rejected bigint NOT NULL DEFAULT 0,
    run_id   bigint NOT NULL REFERENCES quality.run,
    PRIMARY KEY (dataset, unit)
);

-- The scope of the run in hand, written before anything is checked, so that what arrives meanwhile stays unchecked.
-- Unlogged: after a crash of the server there is no run in hand.
CREATE UNLOGGED TABLE quality.scope_slice (
    dataset  text NOT NULL,
    unit     text NOT NULL,
    rejected bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (dataset, unit)
);
CREATE UNLOGGED TABLE quality.scope_record (
    dataset   text NOT NULL,
    record_no uuid NOT NULL,
    unit      text NOT NULL,
    PRIMARY KEY (dataset, record_no)
);
CREATE UNLOGGED TABLE quality.scope_mark (mark_id bigint PRIMARY KEY);
GRANT SELECT, INSERT, UPDATE, DELETE ON quality.slice, quality.scope_slice, quality.scope_record, quality.scope_mark
    TO credit_quality;

-- destination: as in quality.hold. gone_at: when the failure was no longer found. Until then a released hold covers it,
-- and an item that a person has closed is not opened again.
ALTER TABLE quality.work_item
    ADD COLUMN destination text NOT NULL DEFAULT '',
    ADD COLUMN gone_at timestamptz;
CREATE INDEX work_item_present ON quality.work_item (rule_id, dataset, unit) WHERE gone_at IS NULL;

CREATE INDEX receipt_duplicate ON exchange.receipt (unit) WHERE status = 'duplicate';

-- For readers --------------------------------------------------------------------------------------------------------

CREATE VIEW quality.open_hold AS
    SELECT hold_id, unit, dataset, destination, rule_id, run_id, why, opened_at
    FROM quality.hold WHERE released_at IS NULL AND closed_at IS NULL;
COMMENT ON VIEW quality.open_hold IS '正在暂停上报的切片（单位 × 数据集 × 目的地；目的地为空表示全部）';

-- The one place that says what "held" means.
CREATE FUNCTION quality.is_held(the_unit text, the_dataset text, the_destination text) RETURNS boolean
    LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT 1 FROM quality.hold
                   WHERE unit = the_unit AND dataset = the_dataset AND destination IN ('', the_destination)
                     AND released_at IS NULL AND closed_at IS NULL)
$$;

CREATE VIEW quality.open_work_item AS
    SELECT work_item_id, kind, unit, dataset, destination, rule_id, record_no, reference, what, mend, hold_id, opened_at
    FROM quality.work_item WHERE closed_at IS NULL;
COMMENT ON VIEW quality.open_work_item IS '未办结的工单';

CREATE VIEW quality.latest_result AS
    SELECT DISTINCT ON (r.rule_id, r.unit, r.dataset, r.destination)
           r.rule_id, r.unit, r.dataset, r.destination, r.severity, r.success, r.checked, r.unexpected, r.observed,
           r.run_id, n.as_of, n.finished_at
    FROM quality.result r JOIN quality.run n USING (run_id)
    WHERE n.state = 'done'
    ORDER BY r.rule_id, r.unit, r.dataset, r.destination, r.run_id DESC;
COMMENT ON VIEW quality.latest_result IS '每条规则、每个切片最近一次检查的结果';

GRANT SELECT ON quality.open_hold, quality.open_work_item, quality.latest_result
    TO credit_quality, credit_forward, credit_reader;

-- Functions of the checks --------------------------------------------------------------------------------------------

-- A citizen number by GB 11643-1999: province, a day of birth that exists and, with 18 characters, the check character.
-- As credit_schemas.identifiers.ric_problem, but years from 2100 are none: digits 7 to 10 of an all-digit unified code
-- of this region read 21xx.
CREATE FUNCTION quality.is_person_number(n text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    born text := CASE length(n) WHEN 15 THEN '19' || substr(n, 7, 6) ELSE substr(n, 7, 8) END;
    y integer := substr(born, 1, 4)::integer;
    m integer := substr(born, 5, 2)::integer;
    d integer := substr(born, 7, 2)::integer;
    weights CONSTANT integer[] := '{7,9,10,5,8,4,2,1,6,3,7,9,10,5,8,4,2}';
    total integer := 0;
BEGIN
    IF n !~ '^(1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[12])' OR y NOT BETWEEN 1800 AND 2099
       OR m NOT BETWEEN 1 AND 12 OR d < 1 OR d > extract(day FROM make_date(y, m, 1) + interval '1 month - 1 day') THEN
        RETURN false;
    END IF;
    IF length(n) = 15 THEN
        RETURN true;
    END IF;
    FOR i IN 1..17 LOOP
        total := total + substr(n, i, 1)::integer * weights[i];
    END LOOP;
    RETURN substr('10X98765432', mod(total, 11) + 1, 1) = upper(substr(n, 18, 1));
END
$$;

-- A business registration number of 15 digits by GS15-2006 (MOD 11,10).
CREATE FUNCTION quality.is_registration_number(n text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    product integer := 10;
    total integer;
BEGIN
    FOR i IN 1..14 LOOP
        total := mod(product + substr(n, i, 1)::integer, 10);
        product := mod(CASE total WHEN 0 THEN 10 ELSE total END * 2, 11);
    END LOOP;
    RETURN mod(product + substr(n, 15, 1)::integer, 10) = 1;
END
$$;

-- How many citizen numbers a text holds, full-width digits and digits set apart by blanks or dashes included. In a
-- column of codes a 15-digit number that is a right registration number is taken for that.
CREATE FUNCTION quality.person_numbers(t text, codes boolean DEFAULT false) RETURNS integer
    LANGUAGE sql IMMUTABLE AS $$
    WITH plain AS (SELECT translate(coalesce(t, ''), '０１２３４５６７８９Ｘｘ', '0123456789XX') AS s),
    spelled AS (
        SELECT s FROM plain WHERE s ~ '[0-9]{15}'
        UNION
        SELECT regexp_replace(s, '([0-9])[ 　-]+(?=[0-9Xx])', '\1', 'g') FROM plain WHERE s ~ '[0-9][ 　-]+[0-9Xx]'
    )
    SELECT count(DISTINCT n)::integer
    FROM spelled, regexp_matches(s, '(?<![0-9])([0-9]{17}[0-9Xx]|[0-9]{15})(?![0-9])', 'g') found, unnest(found) n
    WHERE quality.is_person_number(n) AND NOT (codes AND length(n) = 15 AND quality.is_registration_number(n))
$$;

-- How alike two names are, 0 to 1: shared pairs of neighbouring characters (Dice); 1 when one holds the other.
CREATE FUNCTION quality.name_likeness(a text, b text) RETURNS double precision LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT CASE
        WHEN a = '' OR b = '' OR position(a IN b) > 0 OR position(b IN a) > 0 THEN 1.0
        ELSE (
            WITH x AS (SELECT DISTINCT substr(a, i, 2) AS p FROM generate_series(1, greatest(length(a) - 1, 1)) i),
                 y AS (SELECT DISTINCT substr(b, i, 2) AS p FROM generate_series(1, greatest(length(b) - 1, 1)) i)
            SELECT 2.0 * (SELECT count(*) FROM x JOIN y USING (p))
                   / ((SELECT count(*) FROM x) + (SELECT count(*) FROM y))
        )
    END
$$;
