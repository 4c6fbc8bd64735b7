package e2e_test

import (
	"database/sql"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"

	_ "modernc.org/sqlite" // to look into the databases beside the code under test

	"github.com/seed-56345083/reprise/queue"
	"github.com/seed-56345083/reprise/queue/sqlitequeue"
)

// openQueue opens a queue of the site beside the program.
func openQueue(s *site, name string) *sqlitequeue.Queue {
	s.t.Helper()
	q, err := sqlitequeue.Open(s.t.Context(), sqlitequeue.Options{Path: filepath.Join(s.dir, "state", "queue.db"), Name: name})
	if err != nil {
		s.t.Fatal(err)
	}
	return q
}

// database opens one of the site's databases as it lies there, without the code under test.
func database(s *site, file string) *sql.DB {
	s.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(s.dir, "state", file)+"?_pragma=busy_timeout(20000)")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = db.Close() })
	return db
}

// deadLetters are the objects that the dead-letter queue has letters of.
func deadLetters(s *site) []string {
	s.t.Helper()
	db := database(s, "queue.db")
	defer func() { _ = db.Close() }() // it is asked for again and again
	rows, err := db.QueryContext(s.t.Context(), "SELECT body FROM messages WHERE queue = 'dead-letters'")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	keys := map[string]bool{}
	for rows.Next() {
		var body []byte
		var task queue.Task
		if err := rows.Scan(&body); err != nil {
			s.t.Fatal(err)
		}
		if err := json.Unmarshal(body, &task); err != nil {
			s.t.Errorf("a dead letter is %q", body)
		}
		keys[task.Key] = true
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(keys))
}
