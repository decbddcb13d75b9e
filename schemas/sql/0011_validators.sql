-- The records validator/<hex id>, as of the newest block.
CREATE TABLE validators (
    id       BYTEA   NOT NULL PRIMARY KEY, -- SHA-256 of sign_key
    idx      INT4    NOT NULL,             -- in the genesis file
    name     TEXT    NOT NULL,
    sign_key BYTEA   NOT NULL,
    active   BOOLEAN NOT NULL,
    height   BIGINT  NOT NULL -- of the last change
);
