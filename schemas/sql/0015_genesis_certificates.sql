-- The certificate of the genesis ceremony: docs/protocol.md, "Genesis ceremony". The first one stays.
CREATE TABLE genesis_certificates (
    chain_id    BYTEA       NOT NULL PRIMARY KEY,
    certificate BYTEA       NOT NULL, -- cybermesh.proof.v1.GenesisCertificate
    stored_at   TIMESTAMPTZ NOT NULL DEFAULT now()
);
