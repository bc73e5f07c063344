-- What the kiosk greets a person in, by their wish. Tables are made anew so that `hash` stays last.
-- Members that an older version of the agent did not keep are not in its rows, and the digest can't
-- tell: the list is fetched once more (begun below), while this one serves.
ALTER TABLE participants_a RENAME TO old_participants_a;
CREATE TABLE participants_a (
  participant_id TEXT PRIMARY KEY,
  masked_name TEXT NOT NULL,
  status TEXT NOT NULL,
  permissions TEXT NOT NULL,
  group_name TEXT,
  find TEXT NOT NULL,
  language TEXT,
  revision INTEGER NOT NULL,
  hash BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO participants_a
  SELECT participant_id, masked_name, status, permissions, group_name, find, NULL, revision, hash
  FROM old_participants_a;
DROP TABLE old_participants_a;
ALTER TABLE participants_b RENAME TO old_participants_b;
CREATE TABLE participants_b (
  participant_id TEXT PRIMARY KEY,
  masked_name TEXT NOT NULL,
  status TEXT NOT NULL,
  permissions TEXT NOT NULL,
  group_name TEXT,
  find TEXT NOT NULL,
  language TEXT,
  revision INTEGER NOT NULL,
  hash BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO participants_b
  SELECT participant_id, masked_name, status, permissions, group_name, find, NULL, revision, hash
  FROM old_participants_b;
DROP TABLE old_participants_b;
UPDATE state SET building = 1, building_generation = NULL, building_revision = 0,
  building_sum = zeroblob(16) WHERE generation IS NOT NULL OR building;
