-- The records producer/<hex key>, as of the newest block.
CREATE TABLE producers (
    key    BYTEA   NOT NULL PRIMARY KEY,
    name   TEXT    NOT NULL,
    roles  INT4    NOT NULL, -- bits: 1 anomaly, 2 evidence, 4 policy, 8 governor
    active BOOLEAN NOT NULL,
    height BIGINT  NOT NULL -- of the last change
);
