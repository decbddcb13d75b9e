-- A block's transactions in order.
CREATE UNIQUE INDEX transactions_position ON transactions (height, idx);
