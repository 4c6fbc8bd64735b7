package sqliteledger_test

import (
	"database/sql"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/ledger/sqliteledger"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestSchema compares the tables of a fresh file with those that were released. A difference means that files of
// earlier versions differ from fresh ones: add a migration instead of editing one, then run with -update.
func TestSchema(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	open(t, path)
	db := raw(t, path)
	var version string
	if err := db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		t.Fatal(err)
	}
	rows, err := db.Query("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type DESC, name")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	lines := []string{"-- version " + version}
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, text+";")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(lines, "\n") + "\n"
	golden := filepath.Join("testdata", "schema.sql")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("the schema has changed (-released +now):\n%s", d)
	}
}

// TestVersion1 opens a file as the first version made it: its rows are there, and the tables are those of a fresh file.
func TestVersion1(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	tables, err := os.ReadFile(filepath.Join("testdata", "version1.sql"))
	if err != nil {
		t.Fatal(err)
	}
	db := raw(t, path)
	for _, statement := range []string{
		string(tables), `PRAGMA user_version = 1`,
		`INSERT INTO stats VALUES ('dns', 7, 'queries', 'base.1.0', '-', 'k', x'01', x'02', x'03')`,
		`INSERT INTO protocols VALUES ('dns', 5, '{"name":"dns","epoch":3}')`,
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	l := open(t, path)
	var rows []ledger.Row
	for r, err := range l.Rows(t.Context(), ledger.RowsParams{Protocol: "dns", Generation: 7, Statistic: "queries", Base: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	want := []ledger.Row{{Statistic: "queries", Day: "-", Key: "k", Dims: []byte{1}, Measures: []byte{2}, State: []byte{3}}}
	if d := cmp.Diff(want, rows); d != "" {
		t.Errorf("rows (-want +got):\n%s", d)
	}
	if p, err := l.Protocol(t.Context(), "dns"); err != nil || p.Epoch != 3 {
		t.Errorf("got %+v, %v", p, err)
	}
	var columns, version int
	if err := db.QueryRow(`SELECT count(*) FROM pragma_table_info('stats')`).Scan(&columns); err != nil || columns != 10 {
		t.Errorf("%d columns of stats, %v", columns, err)
	}
	if err := db.QueryRow(`PRAGMA user_version`).Scan(&version); err != nil || version != 2 {
		t.Errorf("version %d, %v", version, err)
	}
}

// TestPlans holds the promise that no query sorts or reads more than its page: a change that loses an index shows here
// and not in the first large replay.
func TestPlans(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	open(t, path)
	db := raw(t, path)
	for name, query := range map[string]string{
		"page of rows": `SELECT part, day, key, dims, measures, state FROM stats WHERE protocol = 'p' AND generation = 1 AND statistic = 's'
			AND (part, day, key) > ('a', 'b', 'c') AND part < 'd' ORDER BY part, day, key LIMIT 500`,
		"next part to purge": `SELECT statistic, part FROM stats WHERE protocol = 'p' AND generation = 1
			AND (statistic, part) > ('a', 'b') ORDER BY statistic, part LIMIT 1`,
		"keys of a state": `SELECT key FROM cursors INDEXED BY cursors_state WHERE replay = 'r' AND fold = 0 AND key > 'k'
			AND protocol = 'p' AND state = 'PENDING' ORDER BY key LIMIT 1000`,
		"page of cursors":     `SELECT * FROM cursors LEFT JOIN contents USING (replay, fold, key) WHERE replay = 'r' AND fold = 0 AND key > 'k' ORDER BY key LIMIT 64`,
		"some segments":       `SELECT rowid FROM segments WHERE replay = 'r' LIMIT 10`,
		"replays by their id": `SELECT record, version FROM replays ORDER BY id DESC`,
		"page of unfinished entries": `SELECT id, ts, seq, processed, batch FROM entries WHERE protocol = 'p' AND archived = 0 AND ts = 1 AND seq > 2
			UNION ALL SELECT id, ts, seq, processed, batch FROM entries WHERE protocol = 'p' AND archived = 0 AND ts > 1 ORDER BY ts, seq LIMIT 500`,
		"backlog": `SELECT count(*), coalesce(sum(processed = 0), 0), coalesce(min(ts), 0) FROM (
			SELECT processed, ts FROM entries WHERE protocol = 'p' AND archived = 0 ORDER BY ts LIMIT 10)`,
		"page of live rows": `SELECT part, day, key, dims, measures, state, version FROM stats WHERE protocol = 'p' AND generation = 1
			AND statistic = 's' AND (part, day, key) > ('a', 'b', 'c') AND part < 'live/' ORDER BY part, day, key LIMIT 500`,
		"feed":              `SELECT seq, put_at, id, protocol, ts, line FROM entries WHERE seq > 5 ORDER BY seq`,
		"expired entries":   `SELECT seq FROM entries WHERE expires > 0 AND expires <= 5 AND archived = 1 LIMIT 10`,
		"expired pages":     `SELECT p.rowid FROM batches b JOIN batch_pages p ON p.batch = b.id WHERE b.expires > 0 AND b.expires <= 5 AND b.state = 'DONE' LIMIT 5`,
		"expired batches":   `SELECT id FROM batches WHERE expires > 0 AND expires <= 5 AND state = 'DONE' LIMIT 5`,
		"unwritten batches": `SELECT id FROM batches WHERE protocol = 'p' AND state <> 'DONE' ORDER BY id`,
	} {
		rows, err := db.Query("EXPLAIN QUERY PLAN " + query)
		if err != nil {
			t.Fatal(err)
		}
		var plan []string
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, detail)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(plan, "\n"); strings.Contains(text, "TEMP B-TREE") || (strings.Contains(text, "SCAN ") && !strings.Contains(text, "USING INDEX")) {
			t.Errorf("%s:\n%s", name, text)
		}
	}
}

// TestReopen finds everything again in a file that was closed, and a fresh one where a directory was missing.
func TestReopen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a", "b c", "ledger.db")
	l, err := sqliteledger.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	want := someCursor("dns/a.gz")
	if err := l.Insert(t.Context(), []cursor{want}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Cursor(t.Context(), want.CursorID); err == nil {
		t.Error("a closed ledger answers")
	}
	got, err := open(t, path).Cursor(t.Context(), want.CursorID)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("after reopening (-want +got):\n%s", d)
	}
}

// TestLaterFields reads records in which a later version has written fields that this one does not know.
func TestLaterFields(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := open(t, path)
	want := someCursor("a")
	if err := l.Insert(t.Context(), []cursor{want}); err != nil {
		t.Fatal(err)
	}
	db := raw(t, path)
	for _, statement := range []string{
		`UPDATE cursors SET rest = json_set(rest, '$.later', 1, '$.frame.later', 'x')`,
		`UPDATE contents SET rejects = json_set(rejects, '$[0].later', 1), segments = json_set(segments, '$[0].later', 1)`,
		`INSERT INTO protocols VALUES ('dns', 5, '{"name":"dns","epoch":3,"version":4,"later":{}}')`,
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	got, err := l.Cursor(t.Context(), want.CursorID)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("cursor (-want +got):\n%s", d)
	}
	p, err := l.Protocol(t.Context(), "dns")
	if err != nil || p.Epoch != 3 || p.Version != 5 {
		t.Errorf("got %+v, %v", p, err)
	}
}

// raw opens the file beside the ledger.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}
