-- Subjects that are one under two numbers, persons that may be taken for one another, and credit reports that were issued.
-- depends: 0007_quality_scope

-- Digest of the 15-digit form of a citizen number (region, birth without the century, serial): 18-digit numbers of people
-- born a hundred years apart share it. Keyed like `lookup`; other documents have none.
-- Persons from before this migration get it when their number comes again: it cannot be made without the key.
ALTER TABLE core.person ADD COLUMN short bytea;
CREATE INDEX person_short ON core.person (short) WHERE short IS NOT NULL;
-- A number first seen with 18 digits keeps the 15 digits too when they come later.
GRANT UPDATE (as_written, short) ON core.person TO credit_consumer;
CREATE INDEX subject_person ON core.subject (person_id) WHERE person_id IS NOT NULL;
CREATE INDEX subject_code ON core.subject (code) WHERE code IS NOT NULL;
CREATE INDEX subject_registration_no ON core.subject (registration_no) WHERE kind = 'registration';
CREATE INDEX subject_name_name ON core.subject_name (name);

-- Registration numbers that rows gave beside a unified code, dated and per reporting unit like names. Facts only: what
-- follows from them is derived, so that it does not matter which row came first or which of two loads was faster.
CREATE TABLE core.subject_registration (
    subject_id      bigint NOT NULL REFERENCES core.subject,
    registration_no text NOT NULL,
    unit            text NOT NULL,
    first_seen      date NOT NULL,
    last_seen       date NOT NULL,
    PRIMARY KEY (registration_no, subject_id, unit)
);
CREATE INDEX subject_registration_subject ON core.subject_registration (subject_id);

-- What a person decided about a collision; never changed, the newest that covers all parties holds. about and parties
-- are those of core.subject_collision; subject_id is whose a registration number is (NULL: nobody's, they stay apart).
CREATE TABLE core.collision_decision (
    decision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('short_id', 'registration', 'id_names')),
    about       text NOT NULL,
    parties     bigint[] NOT NULL,
    subject_id  bigint REFERENCES core.subject,
    decided_at  timestamptz NOT NULL DEFAULT now(),
    decided_by  text NOT NULL CHECK (decided_by <> ''),
    reason      text NOT NULL CHECK (reason <> '')
);
CREATE INDEX collision_decision_about ON core.collision_decision (kind, about);

-- A subject known by its registration number alone is the one whose unified code came with that number: when one code
-- claims the number, or when a person decided between several. Names play no part.
CREATE VIEW core.subject_same_as AS
    SELECT s.subject_id, s.registration_no,
           CASE WHEN cardinality(c.claimants) = 1 THEN c.claimants[1] ELSE d.subject_id END AS same_as
    FROM core.subject s
    CROSS JOIN LATERAL (
        SELECT array_agg(DISTINCT r.subject_id ORDER BY r.subject_id) AS claimants
        FROM core.subject_registration r WHERE r.registration_no = s.registration_no) c
    LEFT JOIN LATERAL (
        SELECT d.subject_id FROM core.collision_decision d
        WHERE d.kind = 'registration' AND d.about = s.registration_no AND d.parties @> c.claimants
        ORDER BY d.decision_id DESC LIMIT 1) d ON true
    WHERE s.kind = 'registration' AND (cardinality(c.claimants) = 1 OR d.subject_id = ANY(c.claimants));
COMMENT ON VIEW core.subject_same_as IS '只知道注册号的主体，与带着同一注册号的统一社会信用代码主体是同一个';

-- What a person must look at, one line per subject concerned. kind:
--   short_id      the number's 15-digit form is also another person's; written_short tells whether 15 digits were used
--   registration  several unified codes claim one registration number, so nothing is linked
--   id_names      a number that came with 15 digits (no check digit) bears several names
-- about is a digest, a registration number or a subject's id, never a personal number; parties is what a decision covers
-- (persons, subjects, names as numbers): a new party opens the question again.
CREATE VIEW core.subject_collision AS
    SELECT f.*, NOT EXISTS (SELECT 1 FROM core.collision_decision d
                            WHERE d.kind = f.kind AND d.about = f.about AND d.parties @> f.parties) AS open
    FROM (
        SELECT s.subject_id, 'short_id' AS kind, encode(p.short, 'hex') AS about, o.parties, o.written_short
        FROM core.subject s
        JOIN core.person p USING (person_id)
        CROSS JOIN LATERAL (
            SELECT array_agg(q.person_id ORDER BY q.person_id) AS parties,
                   bool_or(q.as_written IS NOT NULL) AS written_short
            FROM core.person q WHERE q.short = p.short HAVING count(*) > 1) o
        UNION ALL
        SELECT s.subject_id, 'registration', s.registration_no, o.parties, false
        FROM (SELECT subject_id, registration_no FROM core.subject WHERE kind = 'registration'
              UNION SELECT subject_id, registration_no FROM core.subject_registration) s
        CROSS JOIN LATERAL (
            SELECT array_agg(DISTINCT r.subject_id ORDER BY r.subject_id) AS parties
            FROM core.subject_registration r WHERE r.registration_no = s.registration_no
            HAVING count(DISTINCT r.subject_id) > 1) o
        UNION ALL
        SELECT s.subject_id, 'id_names', s.subject_id::text, o.parties, true
        FROM core.subject s
        JOIN core.person p USING (person_id)
        CROSS JOIN LATERAL (
            -- Blanks and the dots within names of minorities are spelled in many ways and make no other name.
            SELECT array_agg(DISTINCT hashtext(n.plain)::bigint ORDER BY hashtext(n.plain)::bigint) AS parties
            FROM (SELECT regexp_replace(name, '[\s·•．.・‧]', '', 'g') AS plain
                  FROM core.subject_name WHERE subject_id = s.subject_id) n
            HAVING count(DISTINCT n.plain) > 1) o
        WHERE p.as_written IS NOT NULL AND p.short IS NOT NULL
    ) f;
COMMENT ON VIEW core.subject_collision IS '需要人工核对的主体：15 位号码相同、注册号有争议、15 位号码对应几个姓名';

GRANT SELECT, INSERT, UPDATE ON core.subject_registration TO credit_consumer;
GRANT SELECT ON core.subject_registration, core.collision_decision, core.subject_same_as, core.subject_collision
    TO credit_quality, credit_reader;
GRANT INSERT ON core.collision_decision TO credit_quality;

-- Credit reports that were issued: which, about whom, by whom; of the content and of the file only digests (SM3).
CREATE SEQUENCE audit.credit_report_serial;
CREATE TABLE audit.credit_report (
    report_no   text PRIMARY KEY CHECK (report_no ~ '^[0-9]{6}-[0-9]{8}-[0-9]{6,}$'),
    issued_at   timestamptz NOT NULL DEFAULT now(),
    as_of       date NOT NULL,
    subject_id  bigint NOT NULL REFERENCES core.subject,
    scope       text NOT NULL,
    records     integer NOT NULL,
    digest      bytea NOT NULL,
    file_digest bytea NOT NULL,
    issued_by   text NOT NULL CHECK (issued_by <> ''),
    purpose     text NOT NULL DEFAULT ''
);
CREATE INDEX credit_report_subject ON audit.credit_report (subject_id);

-- The one door by which a reader's program may write: register and audit row in the same statement, so that neither is
-- without the other and nothing else can be written. Runs as the owner, hence the fixed search path.
CREATE FUNCTION audit.issue_credit_report(
    the_number text, the_day date, the_subject bigint, the_scope text, the_records integer, the_digest bytea,
    the_file_digest bytea, the_actor text, the_purpose text
) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO audit.credit_report
        (report_no, as_of, subject_id, scope, records, digest, file_digest, issued_by, purpose)
        VALUES (the_number, the_day, the_subject, the_scope, the_records, the_digest, the_file_digest, the_actor,
                the_purpose);
    INSERT INTO audit.act (actor, act, about, detail)
        VALUES (the_actor, 'credit_report', the_number, jsonb_build_object(
            'subject_id', the_subject, 'scope', the_scope, 'records', the_records, 'purpose', the_purpose));
$$;
REVOKE ALL ON FUNCTION audit.issue_credit_report FROM PUBLIC;
GRANT USAGE ON SCHEMA audit TO credit_reader;
GRANT USAGE ON SEQUENCE audit.credit_report_serial TO credit_reader;
GRANT SELECT ON audit.credit_report TO credit_reader;
GRANT EXECUTE ON FUNCTION audit.issue_credit_report TO credit_reader;
