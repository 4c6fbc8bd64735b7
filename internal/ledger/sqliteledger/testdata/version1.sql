-- version 1
CREATE TABLE contents (
	replay   TEXT NOT NULL,
	fold     INTEGER NOT NULL,
	key      TEXT NOT NULL,
	rejects  TEXT, -- JSON
	segments TEXT, -- JSON
	partial  BLOB,
	PRIMARY KEY (replay, fold, key)
) STRICT;
CREATE TABLE cursors (
	replay       TEXT NOT NULL,
	fold         INTEGER NOT NULL, -- 0: an archive object; else the fold's number
	key          TEXT NOT NULL,
	protocol     TEXT NOT NULL,
	state        TEXT NOT NULL,
	line         INTEGER NOT NULL,
	epoch        INTEGER NOT NULL,
	owner        TEXT NOT NULL,
	owned_until  INTEGER NOT NULL,
	no_progress  INTEGER NOT NULL,
	etag         TEXT NOT NULL,
	size         INTEGER NOT NULL,
	state_change INTEGER NOT NULL,
	read         INTEGER NOT NULL,
	counted      INTEGER NOT NULL,
	after_cutoff INTEGER NOT NULL,
	rejected     INTEGER NOT NULL,
	blank        INTEGER NOT NULL,
	consumed     INTEGER NOT NULL,
	bytes        INTEGER NOT NULL,
	row_count    INTEGER NOT NULL,
	error        TEXT NOT NULL,
	note         TEXT NOT NULL,
	rest         TEXT NOT NULL, -- JSON of what no query asks for
	PRIMARY KEY (replay, fold, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE generations (
	protocol TEXT NOT NULL,
	number   INTEGER NOT NULL,
	version  INTEGER NOT NULL,
	record   TEXT NOT NULL, -- JSON of ledger.Generation
	PRIMARY KEY (protocol, number)
) STRICT;
CREATE TABLE leases (
	name  TEXT NOT NULL PRIMARY KEY,
	owner TEXT NOT NULL,
	until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE progress (
	replay TEXT NOT NULL,
	worker TEXT NOT NULL,
	record TEXT NOT NULL, -- JSON of ledger.Progress
	PRIMARY KEY (replay, worker)
) STRICT;
CREATE TABLE protocols (
	name    TEXT NOT NULL PRIMARY KEY,
	version INTEGER NOT NULL,
	record  TEXT NOT NULL -- JSON of ledger.Protocol
) STRICT, WITHOUT ROWID;
CREATE TABLE replays (
	id      TEXT NOT NULL PRIMARY KEY,
	version INTEGER NOT NULL,
	record  TEXT NOT NULL -- JSON of ledger.Replay
) STRICT;
CREATE TABLE segments (
	replay    TEXT NOT NULL,
	is_fold   INTEGER NOT NULL,
	key       TEXT NOT NULL,
	epoch     INTEGER NOT NULL,
	from_line INTEGER NOT NULL,
	to_line   INTEGER NOT NULL,
	blob      BLOB NOT NULL,
	PRIMARY KEY (replay, is_fold, key, epoch, from_line, to_line)
) STRICT;
CREATE TABLE stats (
	protocol   TEXT NOT NULL,
	generation INTEGER NOT NULL,
	statistic  TEXT NOT NULL,
	part       TEXT NOT NULL,
	day        TEXT NOT NULL,
	key        TEXT NOT NULL,
	dims       BLOB NOT NULL,
	measures   BLOB NOT NULL,
	state      BLOB NOT NULL,
	PRIMARY KEY (protocol, generation, statistic, part, day, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX cursors_state ON cursors (replay, fold, state, key, protocol);
