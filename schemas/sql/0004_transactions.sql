-- Every transaction, whole. (producer, nonce) was used once: both are in the body.
CREATE TABLE transactions (
    tx_id    BYTEA  NOT NULL PRIMARY KEY,
    height   BIGINT NOT NULL,
    idx      INT4   NOT NULL, -- position in the block, from 0
    kind     INT4   NOT NULL, -- 1 anomaly, 2 evidence, 3 policy
    event_id TEXT   NOT NULL,
    producer BYTEA  NOT NULL,
    ts       BIGINT NOT NULL, -- unix s
    body     BYTEA  NOT NULL  -- kind || canonical form with the signature
);
