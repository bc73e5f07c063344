-- The coming ids of rotating badges, as 8-byte digests of consecutive slots (docs/beacons.md).
-- A file of its own: tens of megabytes that change each hour have no place in the replica.
CREATE TABLE state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  cursor TEXT,                 -- badges known: of the server's generation, up to that revision
  until_ms INTEGER NOT NULL    -- and their ids, up to then
);
INSERT INTO state VALUES (1, NULL, 0);
CREATE TABLE runs (
  digest BLOB NOT NULL,        -- the badge's, as its credential's
  first_ms INTEGER NOT NULL,   -- when the first slot starts, in the server's time
  slot_ms INTEGER NOT NULL,
  end_ms INTEGER NOT NULL,
  eids BLOB NOT NULL,
  PRIMARY KEY (digest, first_ms)
);
CREATE INDEX runs_by_end ON runs (end_ms);
