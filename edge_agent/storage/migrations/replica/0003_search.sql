-- What a supervisor searches by at the gate (shared.findable): keyed marks, never the text.
-- `find`: a participant's marks between spaces; `mark`: of a ticket's last group. Tables are made anew
-- so that `hash` stays the last column. The rows come with the next page that names them.
ALTER TABLE participants_a RENAME TO old_participants_a;
CREATE TABLE participants_a (
  participant_id TEXT PRIMARY KEY,
  masked_name TEXT NOT NULL,
  status TEXT NOT NULL,
  permissions TEXT NOT NULL,
  group_name TEXT,
  find TEXT NOT NULL,
  revision INTEGER NOT NULL,
  hash BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO participants_a
  SELECT participant_id, masked_name, status, permissions, NULL, ' ', revision, hash
  FROM old_participants_a;
DROP TABLE old_participants_a;
ALTER TABLE credentials_a RENAME TO old_credentials_a;
CREATE TABLE credentials_a (
  digest BLOB NOT NULL,
  credential_id TEXT NOT NULL,
  participant_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  status TEXT NOT NULL,
  valid_from_ms INTEGER,
  valid_until_ms INTEGER,
  mark TEXT,
  revision INTEGER NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (digest, credential_id)
) WITHOUT ROWID;
INSERT INTO credentials_a
  SELECT digest, credential_id, participant_id, kind, status, valid_from_ms, valid_until_ms, NULL,
    revision, hash FROM old_credentials_a;
DROP TABLE old_credentials_a;
ALTER TABLE participants_b RENAME TO old_participants_b;
CREATE TABLE participants_b (
  participant_id TEXT PRIMARY KEY,
  masked_name TEXT NOT NULL,
  status TEXT NOT NULL,
  permissions TEXT NOT NULL,
  group_name TEXT,
  find TEXT NOT NULL,
  revision INTEGER NOT NULL,
  hash BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO participants_b
  SELECT participant_id, masked_name, status, permissions, NULL, ' ', revision, hash
  FROM old_participants_b;
DROP TABLE old_participants_b;
ALTER TABLE credentials_b RENAME TO old_credentials_b;
CREATE TABLE credentials_b (
  digest BLOB NOT NULL,
  credential_id TEXT NOT NULL,
  participant_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  status TEXT NOT NULL,
  valid_from_ms INTEGER,
  valid_until_ms INTEGER,
  mark TEXT,
  revision INTEGER NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (digest, credential_id)
) WITHOUT ROWID;
INSERT INTO credentials_b
  SELECT digest, credential_id, participant_id, kind, status, valid_from_ms, valid_until_ms, NULL,
    revision, hash FROM old_credentials_b;
DROP TABLE old_credentials_b;
