package e2e_test

import (
	"database/sql"
	"path/filepath"

	_ "modernc.org/sqlite" // to look into the databases beside the code under test

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
	if s.cloud != nil {
		return keysOf(s.t, s.cloud.bodies(s.t, s.cloud.dead))
	}
	db := database(s, "queue.db")
	defer func() { _ = db.Close() }() // it is asked for again and again
	rows, err := db.QueryContext(s.t.Context(), "SELECT body FROM messages WHERE queue = 'dead-letters'")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var bodies [][]byte
	for rows.Next() {
		var body []byte
		if err := rows.Scan(&body); err != nil {
			s.t.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	return keysOf(s.t, bodies)
}
