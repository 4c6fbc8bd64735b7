package archiver_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/archive/dirarchive"
	"github.com/seed-56345083/reprise/internal/archiver"
	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/entries/sqliteentries"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/ledger/sqliteledger"
)

const protocol = "dns"

// site is one installation on real drivers in a directory of the test's own, with what was put there.
type site struct {
	t       testing.TB
	root    string // of the archive
	ledger  *sqliteledger.Ledger
	entries *sqliteentries.Entries
	files   *dirarchive.Archive

	protocol string
	below    string // the prefix of the objects that a test looks at

	mu     sync.Mutex
	want   map[string]put               // by id
	gens   map[string]map[int64][]int64 // by protocol and epoch
	owners int
}

// put is an entry as a test has put it, and the line that it is to be in the archive.
type put struct {
	protocol string
	ts       time.Time
	line     string
}

var began = time.Date(2026, 3, 7, 10, 0, 0, 0, time.UTC)

func newSite(t testing.TB) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{t: t, protocol: protocol, root: filepath.Join(dir, "archive"), want: map[string]put{}, gens: map[string]map[int64][]int64{}}
	s.must(os.Mkdir(s.root, 0o755))
	var err error
	s.ledger, err = sqliteledger.Open(t.Context(), filepath.Join(dir, "ledger.db"))
	s.must(err)
	t.Cleanup(func() { s.must(s.ledger.Close()) })
	s.entries, err = sqliteentries.Open(t.Context(), s.ledger)
	s.must(err)
	s.files, err = dirarchive.New(t.Context(), dirarchive.Options{Root: s.root, Tags: filepath.Join(dir, "tags.db")})
	s.must(err)
	t.Cleanup(func() { s.must(s.files.Close()) })
	s.start(protocol)
	return s
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// start raises a protocol's epoch and adds a generation, as a replay does.
func (s *site) start(name string) int64 {
	s.t.Helper()
	p, err := s.ledger.Protocol(context.Background(), name)
	s.must(err)
	p.Epoch++
	p.Gens = append(p.Gens, p.Epoch)
	s.must(s.ledger.Write(context.Background(), ledger.Writes{Protocols: []ledger.Protocol{p}}))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gens[name] == nil {
		s.gens[name] = map[int64][]int64{}
	}
	s.gens[name][p.Epoch] = slices.Clone(p.Gens)
	return p.Epoch
}

// next leaves everything behind and goes on with a new protocol: opening databases takes longer than most tests.
func (s *site) next() {
	s.t.Helper()
	s.protocol = fmt.Sprintf("dns%d", s.owners)
	s.below = "logs/" + s.protocol + "/"
	clear(s.want)
	clear(s.gens)
	s.start(s.protocol)
}

// put puts entries.
func (s *site) put(list ...entries.Entry) {
	s.t.Helper()
	for page := range slices.Chunk(list, entries.MaxPut) {
		n, err := s.entries.Put(s.t.Context(), page)
		if err != nil || n != 0 {
			s.t.Fatalf("%d were there, %v", n, err)
		}
	}
	for _, e := range list {
		s.want[e.ID] = put{e.Protocol, e.TS, string(e.Line)}
	}
}

// fill puts n entries in an order that is not that of the archive; some share a time.
func (s *site) fill(name string, n int) {
	s.t.Helper()
	list := make([]entries.Entry, n)
	for i := range list {
		at := i * 7919 % n
		list[i] = entries.Entry{
			ID: fmt.Sprintf("%s-%d", name, at*31%n), Protocol: name, TS: began.Add(time.Duration(at/3) * time.Second),
			Line: fmt.Appendf(nil, `{"n":%d,"pad":"%x"}`, at, at*at),
		}
	}
	s.put(list...)
}

// count counts entries in all generations that lack them, through e.
func (s *site) count(e entries.Entries) func(context.Context, string, []entries.Entry) error {
	return func(ctx context.Context, name string, list []entries.Entry) error {
		p, err := s.ledger.Protocol(ctx, name)
		if err != nil {
			return err
		}
		for _, g := range p.Gens {
			c := entries.Count{Part: ledger.Part{Protocol: name, Generation: g, Name: entries.LivePart(0)}}
			for _, entry := range list {
				if !slices.Contains(entry.Gens, g) {
					c.Entries = append(c.Entries, entries.Counted{ID: entry.ID})
				}
			}
			if len(c.Entries) == 0 {
				continue
			}
			if err := e.Count(ctx, c); err != nil && !errors.Is(err, entries.ErrStale) {
				return err
			}
		}
		return nil
	}
}

// archiver makes an archiver that sees the stores through t, which may be nil.
func (s *site) archiver(t *tap, change ...func(*archiver.Options)) *archiver.Archiver {
	s.t.Helper()
	if t == nil {
		t = &tap{}
	}
	layout, err := archive.ParseLayout("{protocol}/{yyyy}/{mm}/{dd}/{rest}")
	s.must(err)
	s.mu.Lock()
	s.owners++
	owner := fmt.Sprintf("archiver-%d", s.owners)
	s.mu.Unlock()
	e := tappedEntries{s.entries, t}
	o := archiver.Options{
		Ledger: tappedLedger{s.ledger, t}, Entries: e, Archive: tappedArchive{s.files, t}, Count: s.count(e), Owner: owner,
		Prefix: "logs/", Layout: layout, Protocols: []archiver.Protocol{{Name: s.protocol}}, MaxAge: time.Hour,
		Lease: time.Hour, Interval: time.Millisecond, Log: zap.NewNop(),
	}
	for _, f := range change {
		f(&o)
	}
	a, err := archiver.New(o)
	s.must(err)
	a.Small(0, 0)
	return a
}

// freeLease lets so much time go by that the lease of whoever has it is over.
func (s *site) freeLease() {
	s.t.Helper()
	now := time.Now()
	_, err := s.ledger.AcquireLease(context.Background(), ledger.Lease{Name: "archive#" + s.protocol, Owner: "time", Until: now}, now.Add(100*time.Hour))
	s.must(err)
}

// small makes objects of that many bytes of text.
func small(bytes int64) func(*archiver.Options) {
	return func(o *archiver.Options) { o.MaxBytes = bytes }
}

// objects returns the archive's objects, unzipped with another program than the one that zipped them.
func (s *site) objects() map[string][]string {
	s.t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(filepath.Join(s.root, filepath.FromSlash(s.below)), func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		s.must(err)
		zip, err := gzip.NewReader(bytes.NewReader(data))
		s.must(err)
		text, err := io.ReadAll(zip)
		s.must(err)
		key, err := filepath.Rel(s.root, path)
		s.must(err)
		if len(text) == 0 || text[len(text)-1] != '\n' {
			s.t.Errorf("%s does not end with a newline", key)
		}
		lines := strings.Split(string(text), "\n")
		found[filepath.ToSlash(key)] = lines[:len(lines)-1]
		return nil
	})
	s.must(err)
	return found
}

// all reads the entries that were put.
func (s *site) all() []entries.Entry {
	s.t.Helper()
	ids := make([]string, 0, len(s.want))
	for id := range s.want {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var all []entries.Entry
	for page := range slices.Chunk(ids, entries.MaxRead) {
		found, err := s.entries.Read(context.Background(), page)
		s.must(err)
		all = append(all, found...)
	}
	return all
}

// wantArchived checks that every entry that was put is in the archive exactly once: in the object of its batch, in its
// place, under an epoch in whose generations it is counted; and that nothing is left to be done.
func (s *site) wantArchived() {
	s.t.Helper()
	batches := map[string][]entries.Entry{}
	all := s.all()
	if len(all) != len(s.want) {
		s.t.Errorf("%d entries are left of %d", len(all), len(s.want))
	}
	for _, e := range all {
		if !e.Archived || e.Batch == "" {
			s.t.Errorf("entry %s: archived %t, batch %q", e.ID, e.Archived, e.Batch)
		}
		batches[e.Batch] = append(batches[e.Batch], e)
	}
	objects := s.objects()
	if len(objects) != len(batches) {
		s.t.Errorf("%d objects of %d batches", len(objects), len(batches))
	}
	for key, lines := range objects {
		name := key[strings.LastIndexByte(key, '/')+1:]
		var epoch int64
		var batch string
		if _, err := fmt.Sscanf(strings.TrimSuffix(name, ".ndjson.gz"), "e%d-%s", &epoch, &batch); err != nil {
			s.t.Fatalf("%s: %v", key, err)
		}
		members := batches[batch]
		slices.SortFunc(members, func(x, y entries.Entry) int {
			return cmp.Or(s.want[x.ID].ts.Compare(s.want[y.ID].ts), cmp.Compare(x.ID, y.ID))
		})
		var want []string
		for _, e := range members {
			p := s.want[e.ID]
			want = append(want, p.line)
			if !strings.HasPrefix(key, "logs/"+p.protocol+"/20") {
				s.t.Errorf("entry %s of %s is in %s", e.ID, p.protocol, key)
			}
			gens := s.gens[p.protocol][epoch]
			if len(gens) == 0 {
				s.t.Errorf("%s: there was no epoch %d", key, epoch)
			}
			for _, g := range gens {
				if !slices.Contains(e.Gens, g) {
					s.t.Errorf("entry %s was archived under epoch %d with generations %d, and is counted in %d", e.ID, epoch, gens, e.Gens)
				}
			}
		}
		if !slices.Equal(lines, want) {
			s.t.Errorf("%s holds %.300q, want %.300q", key, lines, want)
		}
	}
	for name := range s.gens {
		if left, err := s.entries.Unwritten(context.Background(), name); err != nil || len(left) > 0 {
			s.t.Errorf("batches are left: %+v, %v", left, err)
		}
		for u, err := range s.entries.Unfinished(context.Background(), name) {
			s.t.Errorf("left in the index: %+v, %v", u, err)
		}
	}
}

// wantSameBytes checks that everybody who wrote an object wrote the same.
func (s *site) wantSameBytes(taps ...*tap) {
	s.t.Helper()
	first := map[string][]byte{}
	for _, t := range taps {
		for key, bodies := range t.bodies {
			for _, body := range bodies {
				if first[key] == nil {
					first[key] = body
				}
				if !bytes.Equal(first[key], body) {
					s.t.Errorf("%s was written as %d bytes and as %d other ones", key, len(first[key]), len(body))
				}
			}
		}
	}
}
