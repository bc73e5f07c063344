-- Two sets of tables, a and b: one is live, in the other a snapshot is built page by page while
-- the live one serves; then they swap in one transaction. Digests and hashes are 16-byte blobs.
CREATE TABLE state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  live TEXT NOT NULL,                -- 'a' | 'b'
  generation TEXT,                   -- of the live set; null before the first snapshot
  revision INTEGER NOT NULL,         -- the cursor's
  server_time_ms INTEGER NOT NULL,   -- of the last complete page
  sum BLOB NOT NULL,                 -- the live rows' hashes added modulo 2^128
  reference_version INTEGER NOT NULL,-- counts changes of event, gates, devices, operators, acks
  building INTEGER NOT NULL,         -- 1 while a snapshot is being fetched
  building_generation TEXT,
  building_revision INTEGER NOT NULL,
  building_sum BLOB NOT NULL
);
INSERT INTO state VALUES
  (1, 'a', NULL, 0, 0, zeroblob(16), 1, 0, NULL, 0, zeroblob(16));
-- Upload progress: the server holds everything up to `through`, visible from that revision on.
CREATE TABLE acks (
  epoch TEXT NOT NULL,
  through INTEGER NOT NULL,
  generation TEXT NOT NULL,
  revision INTEGER NOT NULL,
  PRIMARY KEY (epoch, through)
) WITHOUT ROWID;
CREATE TABLE credentials_a (
  digest BLOB NOT NULL,
  credential_id TEXT NOT NULL,
  participant_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  status TEXT NOT NULL,
  valid_from_ms INTEGER,
  valid_until_ms INTEGER,
  revision INTEGER NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (digest, credential_id)
) WITHOUT ROWID;
CREATE TABLE participants_a (
  participant_id TEXT PRIMARY KEY,
  masked_name TEXT NOT NULL,
  status TEXT NOT NULL,
  permissions TEXT NOT NULL,         -- separated by new lines
  revision INTEGER NOT NULL,
  hash BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE presences_a (
  participant_id TEXT PRIMARY KEY,
  inside INTEGER NOT NULL,
  last_ms INTEGER,
  last_error_ms INTEGER NOT NULL,
  last_direction TEXT,
  last_gate_id TEXT,
  first_entry_ms INTEGER,
  last_entry_ms INTEGER,
  conflict INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  hash BLOB NOT NULL
) WITHOUT ROWID;
-- Few and small: event, gates, devices and operators, as the line's JSON.
CREATE TABLE reference_a (
  type TEXT NOT NULL,
  key TEXT NOT NULL,
  body TEXT NOT NULL,
  revision INTEGER NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (type, key)
) WITHOUT ROWID;
CREATE TABLE credentials_b (
  digest BLOB NOT NULL,
  credential_id TEXT NOT NULL,
  participant_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  status TEXT NOT NULL,
  valid_from_ms INTEGER,
  valid_until_ms INTEGER,
  revision INTEGER NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (digest, credential_id)
) WITHOUT ROWID;
CREATE TABLE participants_b (
  participant_id TEXT PRIMARY KEY,
  masked_name TEXT NOT NULL,
  status TEXT NOT NULL,
  permissions TEXT NOT NULL,         -- separated by new lines
  revision INTEGER NOT NULL,
  hash BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE presences_b (
  participant_id TEXT PRIMARY KEY,
  inside INTEGER NOT NULL,
  last_ms INTEGER,
  last_error_ms INTEGER NOT NULL,
  last_direction TEXT,
  last_gate_id TEXT,
  first_entry_ms INTEGER,
  last_entry_ms INTEGER,
  conflict INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  hash BLOB NOT NULL
) WITHOUT ROWID;
-- Few and small: event, gates, devices and operators, as the line's JSON.
CREATE TABLE reference_b (
  type TEXT NOT NULL,
  key TEXT NOT NULL,
  body TEXT NOT NULL,
  revision INTEGER NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (type, key)
) WITHOUT ROWID;
