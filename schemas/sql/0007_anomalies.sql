-- The records anomaly/<id>, at the position of the transaction that created each: the newest are read from the end.
-- There is no index by id: state_kv has the key.
CREATE TABLE anomalies (
    height         BIGINT NOT NULL,
    idx            INT4   NOT NULL,
    id             TEXT   NOT NULL,
    type           TEXT   NOT NULL,
    severity       INT4   NOT NULL,
    confidence_ppm INT4   NOT NULL,
    source         TEXT   NOT NULL,
    ts             BIGINT NOT NULL, -- unix s
    status         TEXT   NOT NULL,
    producer       BYTEA  NOT NULL,
    tx_id          BYTEA  NOT NULL,
    PRIMARY KEY (height, idx)
);
