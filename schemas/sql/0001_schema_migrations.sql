-- Which migrations this database has. The row of version 1 is also the lock: who migrates holds it FOR UPDATE.
--
-- Each migration is one statement, so that one transaction never holds two changes of the schema (CockroachDB). All of
-- it runs unchanged on PostgreSQL and CockroachDB. A migration that was released is never edited: write the next one.
CREATE TABLE IF NOT EXISTS schema_migrations (
    version    BIGINT      NOT NULL PRIMARY KEY,
    name       TEXT        NOT NULL,
    sha256     BYTEA       NOT NULL, -- of the migration's text
    applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
