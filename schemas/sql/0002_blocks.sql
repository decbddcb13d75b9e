-- Committed blocks, without gaps from height 0 (genesis) on.
CREATE TABLE blocks (
    height            BIGINT NOT NULL PRIMARY KEY,
    hash              BYTEA  NOT NULL, -- block id: H(header)
    parent_hash       BYTEA  NOT NULL,
    view              BIGINT NOT NULL,
    proposer          BYTEA  NOT NULL, -- validator id; zero for genesis
    timestamp_ms      BIGINT NOT NULL,
    state_root        BYTEA  NOT NULL,
    tx_root           BYTEA  NOT NULL,
    receipt_root      BYTEA  NOT NULL,
    transaction_count INT4   NOT NULL,
    anomaly_count     INT4   NOT NULL,
    evidence_count    INT4   NOT NULL,
    policy_count      INT4   NOT NULL,
    size_bytes        BIGINT NOT NULL, -- header and bodies
    header            BYTEA  NOT NULL, -- the bytes that are hashed
    proof             BYTEA  NOT NULL  -- cybermesh.proof.v1.CommitProof; empty for genesis
);
