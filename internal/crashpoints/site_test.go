package crashpoints_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/archive/dirarchive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/ledger/sqliteledger"
	"github.com/seed-56345083/reprise/internal/sqlitedb"
	"github.com/seed-56345083/reprise/queue"
	"github.com/seed-56345083/reprise/queue/sqlitequeue"
)

// databases are the files of a site that change while a transition goes on; its archive's objects do not.
var databases = []string{"ledger.db", "queue.db", "tags.db"}

// site is a whole local backend, open inside a bubble of virtual time.
type site struct {
	t      *testing.T
	root   string // of the archive
	ledger *sqliteledger.Ledger
	work   *sqlitequeue.Queue
	dead   *sqlitequeue.Queue
	files  *dirarchive.Archive
	pace   int   // bytes that a read of an object gives, in about two seconds each; 0: all at once
	lost   bool  // messages are lost on the way, so that the watcher must find that out
	said   error // what a command has answered
	story
}

// story is what has been before a run begins.
type story struct {
	replay  string                // the one that is cut, or the last one
	objects map[string][][]string // their lines, by protocol, as they count for the replay
	rows    map[string]table      // of these objects
	before  map[string]table      // the rows of the first generation
	reuse   string                // the one that it takes over from
	served  int64                 // the generation that an earlier replay left serving
	at      time.Time
}

// open opens the site that lies in dir, with the archive in root.
func open(t *testing.T, dir, root string, sc scenario) *site {
	t.Helper()
	ctx := context.Background()
	s := &site{t: t, root: root, pace: sc.pace, lost: sc.lost, story: story{objects: map[string][][]string{}, before: map[string]table{}}}
	closing := func(f func() error) {
		t.Cleanup(func() {
			if err := f(); err != nil {
				t.Error(err)
			}
		})
	}
	var err error
	s.ledger, err = sqliteledger.Open(ctx, filepath.Join(dir, "ledger.db"))
	s.check(err)
	closing(s.ledger.Close)
	db, err := sqlitedb.Open(ctx, filepath.Join(dir, "queue.db"), sqlitequeue.Migrations())
	s.check(err)
	closing(db.Close)
	s.work, err = sqlitequeue.New(db, sqlitequeue.Options{Name: "work", DeadLetter: "dead"})
	s.check(err)
	closing(s.work.Close)
	s.dead, err = sqlitequeue.New(db, sqlitequeue.Options{Name: "dead"})
	s.check(err)
	closing(s.dead.Close)
	s.files, err = dirarchive.New(ctx, dirarchive.Options{Root: root, Tags: filepath.Join(dir, "tags.db")})
	s.check(err)
	closing(s.files.Close)
	return s
}

func (s *site) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// copySite copies a closed site's files.
func copySite(t *testing.T, to, from string) {
	t.Helper()
	for _, name := range databases {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (s *site) put(key string, b []byte) {
	s.t.Helper()
	_, err := s.files.Put(context.Background(), dirarchive.PutParams{Key: key, Body: bytes.NewReader(b), NoSync: true})
	s.check(err)
}

// archive is the site's, as slow as it is meant to be.
func (s *site) archive() archive.Archive {
	if s.pace == 0 {
		return s.files
	}
	return paced{s.files, s.pace}
}

// paced is an archive that gives a few bytes a second, so that a chunk's time passes.
type paced struct {
	archive.Archive
	n int
}

func (a paced) Open(ctx context.Context, p archive.OpenParams) (io.ReadCloser, error) {
	body, err := a.Archive.Open(ctx, p)
	if err != nil {
		return nil, err
	}
	return pacedBody{body, a.n}, nil
}

type pacedBody struct {
	io.ReadCloser
	n int
}

func (b pacedBody) Read(p []byte) (int, error) {
	pass(1917 * time.Millisecond) // never at the same moment as anything else
	return b.ReadCloser.Read(p[:min(len(p), b.n)])
}

// pass lets virtual time pass.
func pass(d time.Duration) { <-time.After(d) }

// What follows looks at a site past all decorators.

func (s *site) now() ledger.Replay {
	s.t.Helper()
	r, err := s.ledger.Replay(context.Background(), s.replay)
	s.check(err)
	return r
}

func (s *site) protocol(name string) ledger.Protocol {
	s.t.Helper()
	p, err := s.ledger.Protocol(context.Background(), name)
	s.check(err)
	return p
}

func (s *site) cursor(key string) ledger.Cursor {
	s.t.Helper()
	c, err := s.ledger.Cursor(context.Background(), ledger.CursorID{Replay: s.replay, Key: key})
	s.check(err)
	return c
}

func (s *site) summary() ledger.Summary {
	s.t.Helper()
	sum, err := s.ledger.Summarize(context.Background(), s.replay)
	s.check(err)
	return sum
}

func (s *site) counts(q queue.Queue) queue.Counts {
	s.t.Helper()
	c, err := q.Counts(context.Background())
	s.check(err)
	return c
}

func (s *site) idle() bool { return s.counts(s.work).Idle() }

func (s *site) purged() bool {
	return len(s.protocol("dns").Purging)+len(s.protocol("ssl").Purging) == 0
}

// What a run must end in. All of it is looked at, so that one run tells everything that is wrong with it.

// wantRows compares a generation (0: the one that serves) with rows that the test has counted.
func (s *site) wantRows(protocol string, generation int64, want table) {
	s.t.Helper()
	rows, err := s.process("reader", nil).driver.Read(context.Background(), protocol, statistic, generation)
	if err != nil {
		s.t.Errorf("reading %s: %v", protocol, err)
		return
	}
	got := tableOf(rows)
	if !maps.Equal(got, want) {
		s.t.Errorf("generation %d of %s has the rows\n%v, counted were\n%v", generation, protocol, got, want)
	}
}

// wantNoTags looks at every object.
func (s *site) wantNoTags() {
	s.t.Helper()
	ctx := context.Background()
	for o, err := range s.files.List(ctx, "", "") {
		s.check(err)
		tags, err := s.files.Tags(ctx, o.Key)
		s.check(err)
		if len(tags) > 0 {
			s.t.Errorf("%s bears the tags %v", o.Key, tags)
		}
	}
}

// wantQuiet asks for empty queues; letters are dead letters that should be there, as everybody sees them.
func (s *site) wantQuiet(letters int64) {
	s.t.Helper()
	if c := s.counts(s.work); !c.Idle() {
		s.t.Errorf("the queue still holds %+v", c)
	}
	if c := s.counts(s.dead); c != (queue.Counts{Visible: letters}) {
		s.t.Errorf("dead letters %+v, want %d", c, letters)
	}
}

// wantFinished asks for a replay that is over, whole and serving: all protocols promoted and free, the accounts closed, no
// tag left, and the rows that were counted.
func (s *site) wantFinished() {
	s.t.Helper()
	ctx := context.Background()
	r := s.now()
	if r.State != ledger.Finished || !r.Promoted || r.Waits != "" {
		s.t.Errorf("replay is %s, promoted %t, waits %q", r.State, r.Promoted, r.Waits)
	}
	for _, part := range r.Protocols {
		p := s.protocol(part.Name)
		if p.Serving != part.Generation || p.Complete != part.Generation || p.Building != 0 || p.Replay != "" {
			s.t.Errorf("protocol %+v, want generation %d to serve and no replay", p, part.Generation)
		}
		g, err := s.ledger.Generation(ctx, part.Name, part.Generation)
		if err != nil || g.Base != r.Fold.Number || g.Base == 0 || r.Fold.Interim {
			s.t.Errorf("the base of %s is %d, %v, want that of fold %+v", part.Name, g.Base, err, r.Fold)
		}
		s.wantRows(part.Name, 0, s.rows[part.Name])
	}
	c, err := s.process("auditor", nil).driver.Certify(ctx, s.replay, nil)
	if err != nil || !c.Closes() || len(c.Objects.Open) > 0 {
		s.t.Errorf("certificate: %+v, %v", c, err)
	}
	s.wantNoTags()
}

// wantGone asks for a generation of which nothing is left in the table.
func (s *site) wantGone(protocol string, generation int64) {
	s.t.Helper()
	n, err := s.ledger.Purge(context.Background(), ledger.PurgeParams{Protocol: protocol, Generation: generation}, 1000)
	if err != nil || n > 0 {
		s.t.Errorf("generation %d of %s still has %d rows, %v", generation, protocol, n, err)
	}
}

// until lets virtual time pass until something has happened, a second at a time.
func (s *site) until(what string, happened func() bool) {
	s.t.Helper()
	for range 600 {
		if happened() {
			return
		}
		pass(time.Second)
	}
	r, err := s.ledger.Replay(context.Background(), s.replay)
	s.t.Fatalf("ten minutes were not enough for %s: queue %+v, dead letters %+v, replay %+v, %v",
		what, s.counts(s.work), s.counts(s.dead), r, err)
}
