-- How many blocks a validator proposed, and its last.
CREATE INDEX blocks_proposer ON blocks (proposer, height);
