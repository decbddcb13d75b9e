-- The state as of the newest block: every key but nonce/<producer>/<nonce>. What a nonce record says (transaction, time
-- of expiry) is told by the row of the transaction itself and the genesis parameter tx_max_age_s. A key that the state
-- lost has no row.
CREATE TABLE state_kv (
    key    TEXT   NOT NULL PRIMARY KEY,
    value  BYTEA  NOT NULL, -- a message of cybermesh.record.v1
    height BIGINT NOT NULL  -- of the last change
);
