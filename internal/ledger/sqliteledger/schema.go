package sqliteledger

// migrations make the tables. One that was released is never edited, only followed by another.
//
// Times are integers: nanoseconds since 1970, 0 where there is no time. Keys compare byte by byte.
var migrations = []string{`
CREATE TABLE protocols (
	name    TEXT NOT NULL PRIMARY KEY,
	version INTEGER NOT NULL,
	record  TEXT NOT NULL -- JSON of ledger.Protocol
) STRICT, WITHOUT ROWID;

CREATE TABLE generations (
	protocol TEXT NOT NULL,
	number   INTEGER NOT NULL,
	version  INTEGER NOT NULL,
	record   TEXT NOT NULL, -- JSON of ledger.Generation
	PRIMARY KEY (protocol, number)
) STRICT;

CREATE TABLE replays (
	id      TEXT NOT NULL PRIMARY KEY,
	version INTEGER NOT NULL,
	record  TEXT NOT NULL -- JSON of ledger.Replay
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

-- For scans by state. The protocol is in it so that a scan by both looks at no cursor in vain.
CREATE INDEX cursors_state ON cursors (replay, fold, state, key, protocol);

-- What is large: kept apart, so that a claim does not write it anew and a summary does not read past it.
CREATE TABLE contents (
	replay   TEXT NOT NULL,
	fold     INTEGER NOT NULL,
	key      TEXT NOT NULL,
	rejects  TEXT, -- JSON
	segments TEXT, -- JSON
	partial  BLOB,
	PRIMARY KEY (replay, fold, key)
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
`, `
-- The live side: package sqliteentries.
ALTER TABLE stats ADD COLUMN version TEXT NOT NULL DEFAULT ''; -- random, of a row of a live part; '': of a base

CREATE TABLE entries (
	seq       INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of the feed: writes follow one another, numbers never return
	id        TEXT NOT NULL UNIQUE,
	protocol  TEXT NOT NULL,
	ts        INTEGER NOT NULL,
	put_at    INTEGER NOT NULL,
	processed INTEGER NOT NULL DEFAULT 0,
	archived  INTEGER NOT NULL DEFAULT 0,
	expires   INTEGER NOT NULL DEFAULT 0,
	batch     TEXT NOT NULL DEFAULT '',
	gens      TEXT NOT NULL DEFAULT '[]', -- JSON, ascending
	error     TEXT NOT NULL DEFAULT '',
	line      BLOB NOT NULL -- last, so that a long one is not read with the rest
) STRICT;

CREATE INDEX entries_unfinished ON entries (protocol, ts, seq) WHERE archived = 0;
CREATE INDEX entries_expires ON entries (expires) WHERE expires > 0;

CREATE TABLE batches (
	id       TEXT NOT NULL PRIMARY KEY,
	protocol TEXT NOT NULL,
	epoch    INTEGER NOT NULL,
	state    TEXT NOT NULL,
	key      TEXT NOT NULL,
	pages    INTEGER NOT NULL DEFAULT 0,
	entries  INTEGER NOT NULL DEFAULT 0,
	bytes    INTEGER NOT NULL DEFAULT 0,
	opened   INTEGER NOT NULL,
	expires  INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX batches_unwritten ON batches (protocol, id) WHERE state <> 'DONE';
CREATE INDEX batches_expires ON batches (expires) WHERE expires > 0;

CREATE TABLE batch_pages (
	batch   TEXT NOT NULL,
	page    INTEGER NOT NULL, -- from 0
	members TEXT NOT NULL,    -- JSON of []entries.Member
	PRIMARY KEY (batch, page)
) STRICT;

CREATE TABLE checkpoints (
	shard  TEXT NOT NULL PRIMARY KEY,
	record TEXT NOT NULL -- JSON of entries.Checkpoint
) STRICT, WITHOUT ROWID;
`}
