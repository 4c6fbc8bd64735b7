package replay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/internal/stats"
)

// TestReuseKeepsLease: a page that takes over much is one process's as long as that lasts.
func TestReuseKeepsLease(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	for i := range 150 { // of one page, which is written down in three pieces
		s.put(fmt.Sprintf("logs/dns/%d", i), "a")
	}
	first := s.start(s.operator(nil), params("dns"))
	s.free("dns")
	r, err := s.operator(nil).Start(context.Background(), reusing(first.ID, "dns"))
	if err != nil {
		t.Fatal(err)
	}
	var inserted, renewed int
	d := s.driver("lister", &tap{hook: func(now call) error {
		switch {
		case now.name == "Insert" && !now.after:
			inserted++
		case now.name == "AcquireLease" && !now.after && inserted > 0:
			renewed++
		}
		return nil
	}}, noLease)
	if err := d.Continue(context.Background(), r.ID, nil); err != nil {
		t.Fatal(err)
	}
	if inserted != 3 || renewed < 2 {
		t.Errorf("the lease was renewed %d times between %d pieces", renewed, inserted)
	}
}

// TestReuseOvertaken: whoever had the lease in between and died has written an object of the next page down to be read, as it
// had changed at the time. It is as it was again, and is read all the same: its cursor stays, so it has a message.
func TestReuseOvertaken(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	for _, name := range []string{"a", "b", "c", "d"} {
		s.put("logs/dns/"+name, "x")
	}
	first, _ := s.replayedWith(params("dns"))
	r, err := s.operator(nil).Start(context.Background(), reusing(first.ID, "dns"))
	if err != nil {
		t.Fatal(err)
	}
	overtake := func() {
		original := s.away("logs/dns/c")
		s.put("logs/dns/c", "changed")
		dies := &tap{hook: func(now call) error {
			if now.name == "MergeTags" || now.name == "Send" {
				return errCut
			}
			return nil
		}}
		if err := s.driver("other", dies, noLease).Continue(context.Background(), r.ID, nil); !errors.Is(err, errCut) {
			t.Errorf("the other one: %v", err)
		}
		s.restore("logs/dns/c", original)
	}
	pages := 0
	d := s.driver("lister", &tap{hook: func(now call) error {
		if now.name == "Write" && now.after {
			if pages++; pages == 1 {
				overtake()
			}
		}
		return nil
	}}, noLease)
	replay.PageSize(d, 2)
	if err := d.Continue(context.Background(), r.ID, nil); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, "overtaken", keys(tasks(t, s.work)), "logs/dns/c")
	if c, n := s.cursor(r.ID, "logs/dns/c"), s.replay(r.ID).Listing.Reused; c.State != ledger.Pending || n != 3 {
		t.Errorf("%+v, %d were taken over", c, n)
	}
}

// TestReuseCut cuts a listing that takes over off at each of its calls, in four ways. The archive changes
// meanwhile, so that the next attempt decides otherwise about some objects: whatever was decided, what is to be read has a
// message, and what was taken over is what the earlier replay had.
func TestReuseCut(t *testing.T) {
	t.Parallel()
	for name, c := range cuts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			for c.at = 0; ; c.at++ {
				if !s.reuseCut(t, c) {
					break
				}
			}
			t.Logf("%d points", c.at)
			if c.at < 40 {
				t.Errorf("only %d points: the listing was not cut at all its calls", c.at)
			}
		})
	}
}

func (s *system) reuseCut(t *testing.T, c cut) bool {
	ctx := context.Background()
	prefix := fmt.Sprintf("cut-%d/", c.at)
	key := func(name string) string { return prefix + "dns/" + name }
	names := []string{"a", "b", "c", "d", "e"}
	p := params("dns")
	p.Prefix = prefix
	for _, name := range names {
		s.put(key(name), "x", name)
	}
	first := s.start(s.driver("starter", nil), p)
	tasks(t, s.work)
	program, err := stats.Compile(definition("dns"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		s.finishCounted(program, first.ID, key(name), "x", name)
	}
	s.free("dns")

	original := s.away(key("b"))
	s.put(key("b"), "y") // changed at first, then as it was
	s.put(key("c"), "changed")
	p.Reuse = first.ID
	r, err := s.driver("starter", nil).Start(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	tap, reached := c.tap()
	d := s.driver("first", tap, noLease)
	replay.PageSize(d, 2)
	if err := d.Continue(ctx, r.ID, nil); err != nil && !reached() {
		t.Errorf("an uncut listing: %v", err)
	}
	s.restore(key("b"), original)
	s.put(key("d"), "z") // as it was at first, then changed
	second := s.driver("second", nil)
	replay.PageSize(second, 3)
	if err := second.Continue(ctx, r.ID, nil); err != nil {
		t.Errorf("point %d: continuing: %v", c.at, err)
	}

	r = s.replay(r.ID)
	sent := keys(tasks(t, s.work))
	taken := int64(0)
	for _, name := range names {
		now, old := s.cursor(r.ID, key(name)), s.cursor(first.ID, key(name))
		switch {
		case now.Reused():
			taken++
			if now.ETag != old.ETag || !bytes.Equal(now.Partial, old.Partial) || now.Accounts != old.Accounts || now.Line != 2 || now.Rows != 2 || name == "c" {
				t.Errorf("point %d: %s: %+v was taken over from %+v", c.at, name, now, old)
			}
		case now.State != ledger.Pending || now.Line > 0 || !slices.Contains(sent, key(name)):
			t.Errorf("point %d: %s: %+v is to be read, messages are %q", c.at, name, now, sent)
		case name == "a" || name == "e":
			t.Errorf("point %d: %s has not changed, and is read", c.at, name)
		}
	}
	if l := r.Listing; r.State != ledger.Running || l.Objects != 5 || l.Reused != taken {
		t.Errorf("point %d: %s, listing %+v, %d were taken over", c.at, r.State, l, taken)
	}
	s.free("dns")
	return reached()
}

// finishCounted plays the worker of an object of these texts.
func (s *system) finishCounted(program *stats.Program, id, key string, texts ...string) {
	s.t.Helper()
	c := ledger.Commit{To: int64(len(texts)), Accounts: ledger.Accounts{Read: int64(len(texts)), Counted: int64(len(texts))}}
	size := s.cursor(id, key).Size
	c.Accounts.Bytes, c.Accounts.Consumed = size, size
	c.Partial, c.Rows = s.blob(program, texts...)
	s.finishAs(ledger.CursorID{Replay: id, Key: key}, c)
}

// free takes a protocol from its replay.
func (s *system) free(protocol string) {
	s.t.Helper()
	free := s.protocol(protocol)
	free.Replay = ""
	if err := s.ledger.Write(context.Background(), ledger.Writes{Protocols: []ledger.Protocol{free}}); err != nil {
		s.t.Fatal(err)
	}
}

// away takes an object out of the archive and keeps it, as it is.
func (s *system) away(key string) (kept string) {
	s.t.Helper()
	kept = filepath.Join(s.t.TempDir(), "kept")
	if err := os.Rename(filepath.Join(s.dir, "archive", filepath.FromSlash(key)), kept); err != nil {
		s.t.Fatal(err)
	}
	return kept
}

func (s *system) restore(key, kept string) {
	s.t.Helper()
	if err := os.Rename(kept, filepath.Join(s.dir, "archive", filepath.FromSlash(key))); err != nil {
		s.t.Fatal(err)
	}
}
