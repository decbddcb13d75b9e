-- The records policy/<id>, by position as anomalies.
CREATE TABLE policies (
    height       BIGINT  NOT NULL,
    idx          INT4    NOT NULL,
    id           TEXT    NOT NULL,
    rule         TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    policy_id    TEXT    NOT NULL, -- of the params; empty: none
    targets      TEXT    NOT NULL, -- one a line
    ttl_s        BIGINT  NOT NULL, -- 0: none
    expires_at_s BIGINT  NOT NULL, -- unix s; 0: never
    active       BOOLEAN NOT NULL,
    ts           BIGINT  NOT NULL, -- unix s
    content_hash BYTEA   NOT NULL,
    producer     BYTEA   NOT NULL,
    tx_id        BYTEA   NOT NULL,
    PRIMARY KEY (height, idx)
);
