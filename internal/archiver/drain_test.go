package archiver_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/archiver"
	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// Drain writes the batches before an epoch, and leaves those of that epoch alone.
func TestDrain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill(protocol, 250)
	s.must(s.archiver(nil).Once(t.Context(), false))
	if e := s.start(protocol); e != 2 {
		t.Fatal(e)
	}
	s.put(entries.Entry{ID: "new", Protocol: protocol, TS: began, Line: []byte("new")})
	// Somebody else's batch of the new epoch is beside it.
	b := entries.Batch{ID: "01KE6V1Z8W3M5N7P9QRSTVWXYZ", Protocol: protocol, Epoch: 2, State: entries.Open, Key: "x", Opened: time.Now()}
	s.must(s.entries.OpenBatch(t.Context(), b))
	now := time.Now()
	_, err := s.ledger.AcquireLease(t.Context(), ledger.Lease{Name: "archive#" + protocol, Owner: "other", Until: now.Add(time.Hour)}, now)
	s.must(err)
	a := s.archiver(nil)
	s.must(a.Drain(t.Context(), protocol, 2))
	left, err := s.entries.Unwritten(t.Context(), protocol)
	s.must(err)
	if len(left) != 1 || left[0].ID != b.ID || left[0].State != entries.Open {
		t.Errorf("left are %+v", left)
	}
	objects := s.objects()
	for key, lines := range objects {
		if epoch, ok := archive.EpochOf(key); !ok || epoch != 1 || len(lines) != 250 {
			t.Errorf("%s holds %d lines", key, len(lines))
		}
	}
	if len(objects) != 1 {
		t.Errorf("%d objects", len(objects))
	}
	s.must(a.Drain(t.Context(), protocol, 2))
	s.must(a.Drain(t.Context(), "unknown", 2))
}

// Archived entries are removed when their time is over, and no others.
func TestExpire(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill(protocol, 700)
	soon := func(o *archiver.Options) { o.Keep = time.Nanosecond }
	s.must(s.archiver(nil, soon).Once(t.Context(), true))
	objects := 0
	for _, lines := range s.objects() {
		objects += len(lines)
	}
	if left := s.all(); len(left) != 0 || objects != 700 {
		t.Errorf("%d entries are left, %d lines archived", len(left), objects)
	}
	clear(s.want)
	s.put(entries.Entry{ID: "kept", Protocol: protocol, TS: began, Line: []byte("kept")})
	s.must(s.archiver(nil).Once(t.Context(), true))
	s.must(s.archiver(nil, soon).Once(t.Context(), true))
	if left := s.all(); len(left) != 1 || !left[0].Archived {
		t.Errorf("%+v", left)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	layout := func(text string) *archive.Layout {
		l, err := archive.ParseLayout(text)
		s.must(err)
		return l
	}
	good := archiver.Options{
		Ledger: s.ledger, Entries: s.entries, Archive: s.files, Count: s.count(s.entries), Owner: "a", Layout: layout("{protocol}/{rest}"),
		Protocols: []archiver.Protocol{{Name: "dns"}},
	}
	_, err := archiver.New(good)
	s.must(err)
	for name, change := range map[string]func(*archiver.Options){
		"no ledger":         func(o *archiver.Options) { o.Ledger = nil },
		"no counter":        func(o *archiver.Options) { o.Count = nil },
		"no owner":          func(o *archiver.Options) { o.Owner = "" },
		"no layout":         func(o *archiver.Options) { o.Layout = nil },
		"no rest":           func(o *archiver.Options) { o.Layout = layout("{protocol}/{yyyy}") },
		"ambiguous":         func(o *archiver.Options) { o.Layout, o.Protocols[0].Name = layout("{protocol}-{rest}"), "a-b" },
		"negative age":      func(o *archiver.Options) { o.MaxAge = -1 },
		"too large objects": func(o *archiver.Options) { o.MaxBytes = 2 << 30 },
		"long prefix":       func(o *archiver.Options) { o.Prefix = strings.Repeat("x", 1000) },
	} {
		o := good
		o.Protocols = slices.Clone(good.Protocols)
		change(&o)
		if _, err := archiver.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
