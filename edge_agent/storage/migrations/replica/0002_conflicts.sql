-- Conflicts that nobody has decided yet (JSON, as the presence line says them), for the gates
-- where they happened. Each set of tables is made anew, because a row is written by position.
CREATE TABLE presences_a2 (
  participant_id TEXT PRIMARY KEY,
  inside INTEGER NOT NULL,
  last_ms INTEGER,
  last_error_ms INTEGER NOT NULL,
  last_direction TEXT,
  last_gate_id TEXT,
  first_entry_ms INTEGER,
  last_entry_ms INTEGER,
  conflict INTEGER NOT NULL,
  conflicts TEXT,
  revision INTEGER NOT NULL,
  hash BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO presences_a2 SELECT participant_id, inside, last_ms, last_error_ms, last_direction,
  last_gate_id, first_entry_ms, last_entry_ms, conflict, NULL, revision, hash FROM presences_a;
DROP TABLE presences_a;
ALTER TABLE presences_a2 RENAME TO presences_a;
CREATE INDEX presences_a_conflicts ON presences_a (participant_id) WHERE conflicts IS NOT NULL;
CREATE TABLE presences_b2 (
  participant_id TEXT PRIMARY KEY,
  inside INTEGER NOT NULL,
  last_ms INTEGER,
  last_error_ms INTEGER NOT NULL,
  last_direction TEXT,
  last_gate_id TEXT,
  first_entry_ms INTEGER,
  last_entry_ms INTEGER,
  conflict INTEGER NOT NULL,
  conflicts TEXT,
  revision INTEGER NOT NULL,
  hash BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO presences_b2 SELECT participant_id, inside, last_ms, last_error_ms, last_direction,
  last_gate_id, first_entry_ms, last_entry_ms, conflict, NULL, revision, hash FROM presences_b;
DROP TABLE presences_b;
ALTER TABLE presences_b2 RENAME TO presences_b;
CREATE INDEX presences_b_conflicts ON presences_b (participant_id) WHERE conflicts IS NOT NULL;
