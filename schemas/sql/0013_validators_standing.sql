-- What the newest block made of each validator: docs/protocol.md, "Leaders".
ALTER TABLE validators
    ADD COLUMN reputation_ppm     INT4   NOT NULL DEFAULT 1000000,
    ADD COLUMN blocks_proposed    BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN blocks_committed   BIGINT NOT NULL DEFAULT 0, -- whose certificate on the chain it signed
    ADD COLUMN views_missed       BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN last_active_height BIGINT NOT NULL DEFAULT 0;
