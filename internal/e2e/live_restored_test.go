package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLostTables: when everything but the archive is lost, a replay of it under a later epoch comes to the same rows.
func TestLostTables(t *testing.T) {
	t.Parallel()
	s := newLiveSite(t, "live: {}", "reserve: 100ms, visibility_timeout: 5s", smallProtocols)
	put := func() {
		t.Helper()
		if got, _ := s.ingest("shop", []byte(smallLog)); got.Put != 6 {
			t.Fatalf("ingest: %+v", got)
		}
		s.must("archive", "--once", "--force")
	}
	put()
	for range 2 {
		s.start()
		s.must("run", "--once")
	}
	put() // in an object of epoch 3
	rows := s.must("stats", "shop", "orders", "--csv")

	if err := os.RemoveAll(filepath.Join(s.dir, "state")); err != nil {
		t.Fatal(err)
	}
	if r := s.run("start"); r.code != failed || !strings.Contains(r.err, "start with --epoch, above all epochs in the archive") {
		t.Errorf("start: exit code %d\n%s", r.code, r.err)
	}
	s.must("cancel")
	s.start("--epoch", "10")
	s.must("run", "--once")
	s.certified()
	if got := s.must("stats", "shop", "orders", "--csv"); got != rows {
		t.Errorf("the rows are\n%s\nwant\n%s", got, rows)
	}
}
