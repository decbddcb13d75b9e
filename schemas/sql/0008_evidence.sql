-- The records evidence/<id>, by position as anomalies.
CREATE TABLE evidence (
    height        BIGINT NOT NULL,
    idx           INT4   NOT NULL,
    id            TEXT   NOT NULL,
    type          TEXT   NOT NULL,
    refs          BYTEA  NOT NULL, -- 32 bytes each, one after the other
    content_hash  BYTEA  NOT NULL,
    custody_count INT4   NOT NULL,
    ts            BIGINT NOT NULL, -- unix s
    status        TEXT   NOT NULL,
    producer      BYTEA  NOT NULL,
    tx_id         BYTEA  NOT NULL,
    PRIMARY KEY (height, idx)
);
