-- What each transaction changed: the encoding whose hash is a leaf of the block's receipt_root.
CREATE TABLE receipts (
    height  BIGINT NOT NULL,
    idx     INT4   NOT NULL,
    receipt BYTEA  NOT NULL, -- cybermesh.record.v1.Receipt
    PRIMARY KEY (height, idx)
);
