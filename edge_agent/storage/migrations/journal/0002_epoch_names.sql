-- Each epoch's name once more, with a checksum: a salvage that lost the name could not make the
-- server know its entries again. `sum`: 8 bytes of BLAKE2b over number and name.
CREATE TABLE epoch_names (
  number INTEGER PRIMARY KEY,
  epoch TEXT NOT NULL,
  sum BLOB NOT NULL
);
