-- The records validator_evidence/<hex id>: proofs that a validator equivocated, at most one for each. The proof itself is
-- the body of the transaction.
CREATE TABLE consensus_evidence (
    offender BYTEA  NOT NULL PRIMARY KEY, -- validator id
    kind     INT4   NOT NULL,             -- 1 votes, 2 proposals
    view     BIGINT NOT NULL,             -- the view it said both in
    height   BIGINT NOT NULL,             -- of the block that has the proof
    idx      INT4   NOT NULL,
    ts       BIGINT NOT NULL,             -- of that block, unix s
    tx_id    BYTEA  NOT NULL
);
