-- One row an entry. `id` = epoch number * 2^40 + seq, so that an append is one write at the end.
-- `kind`: 1 scan, 2 resolution, 3 note. `at_ms`: the gate's best time when it was written.
-- `body`: the wire entry as JSON; whole, with its checksum, once `sealed` is 1.
-- `sum`: 8 bytes of BLAKE2b over id, sealed and body; finds 96 % of flipped bits (FINDINGS §5).
CREATE TABLE entries (
  id INTEGER PRIMARY KEY,
  kind INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  sealed INTEGER NOT NULL,
  body TEXT NOT NULL,
  sum BLOB NOT NULL
);
CREATE INDEX entries_unsealed ON entries (id) WHERE sealed = 0;
-- A new or rolled-back card starts a new epoch; the highest number is the one written to.
CREATE TABLE epochs (
  number INTEGER PRIMARY KEY,
  epoch TEXT NOT NULL UNIQUE,
  cause TEXT NOT NULL
);
