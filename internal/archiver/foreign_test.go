package archiver_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/seed-56345083/reprise/internal/archiver"
	"github.com/seed-56345083/reprise/internal/entries"
)

// An object with other lines has the key: nothing of the batch is marked, and the other batches go on.
func TestForeignObject(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(text string) []byte{
		"empty":        func(string) []byte { return nil },
		"other":        func(string) []byte { return []byte("somebody's\n") },
		"one missing":  func(text string) []byte { return zipped(6, text[strings.IndexByte(text, '\n')+1:]) },
		"last missing": func(text string) []byte { return zipped(6, text[:strings.LastIndexByte(text[:len(text)-1], '\n')+1]) },
		"one more":     func(text string) []byte { return zipped(6, text+"more\n") },
		"one changed":  func(text string) []byte { return zipped(6, strings.Replace(text, "pad", "dap", 1)) },
		"cut off":      func(text string) []byte { z := zipped(6, text); return z[:len(z)-9] },
		"other order": func(text string) []byte {
			l := strings.SplitAfter(text, "\n")
			return zipped(6, l[1]+l[0]+strings.Join(l[2:], ""))
		},
		"one twice": func(text string) []byte { return zipped(6, text[:strings.IndexByte(text, '\n')+1]+text) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.fill(protocol, 50)
			b := s.claimed()
			s.object(b.Key, change(s.lines()))
			s.put(entries.Entry{ID: "next", Protocol: protocol, TS: began, Line: []byte("next")})
			err := s.archiver(nil).Once(t.Context(), true)
			if !errors.Is(err, archiver.ErrForeign) || !strings.Contains(err.Error(), b.Key) || !strings.Contains(err.Error(), "move it away") {
				t.Fatalf("%v, want ErrForeign with key and advice", err)
			}
			for _, e := range s.all() {
				if (e.ID == "next") != e.Archived {
					t.Errorf("entry %s: archived %t", e.ID, e.Archived)
				}
			}
			if err := s.archiver(nil).Drain(t.Context(), protocol, 2); !errors.Is(err, archiver.ErrForeign) {
				t.Errorf("Drain: %v, want ErrForeign", err)
			}
			s.must(os.Remove(filepath.Join(s.root, filepath.FromSlash(b.Key))))
			s.must(s.archiver(nil).Once(t.Context(), true))
			s.wantArchived()
		})
	}
}

// An earlier version of this program may have compressed the same lines to other bytes.
func TestSameLinesInOtherBytes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill(protocol, 50)
	b := s.claimed()
	text := s.lines()
	half := strings.IndexByte(text[len(text)/2:], '\n') + len(text)/2 + 1
	s.object(b.Key, append(zipped(1, text[:half]), zipped(9, text[half:])...))
	s.must(s.archiver(nil).Once(t.Context(), true))
	s.wantArchived()
}

// remove deletes entries behind everybody's back.
func (s *site) remove(ids ...string) {
	s.t.Helper()
	for _, id := range ids {
		_, err := s.ledger.DB().Write.ExecContext(s.t.Context(), `DELETE FROM entries WHERE id = ?`, id)
		s.must(err)
		delete(s.want, id)
	}
}

// Entries of a frozen batch are removed: it was written before, and time has run out, or somebody did it.
func TestMembersAreGone(t *testing.T) {
	t.Parallel()
	t.Run("written", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.fill(protocol, 50)
		b := s.claimed()
		text := s.lines()
		s.object(b.Key, zipped(6, text))
		s.remove("dns-1", "dns-7")
		core, logs := observer.New(zap.ErrorLevel)
		s.must(s.archiver(nil, func(o *archiver.Options) { o.Log = zap.New(core) }).Once(t.Context(), true))
		for _, e := range s.all() {
			if !e.Archived {
				t.Errorf("entry %s is not archived", e.ID)
			}
		}
		if got := strings.Join(s.objects()[b.Key], "\n") + "\n"; got != text {
			t.Errorf("the object is %d bytes of text, want %d", len(got), len(text))
		}
		if logs.Len() != 1 || logs.All()[0].ContextMap()["removed"] != int64(2) {
			t.Errorf("said %+v", logs.All())
		}
	})
	t.Run("not written", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.fill(protocol, 50)
		s.claimed()
		s.remove("dns-1", "dns-7")
		s.must(s.archiver(nil).Once(t.Context(), true))
		s.wantArchived()
	})
	t.Run("all", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.fill(protocol, 3)
		s.claimed()
		s.remove("dns-0", "dns-1", "dns-2")
		s.must(s.archiver(nil).Once(t.Context(), true))
		s.wantArchived()
	})
	t.Run("put again", func(t *testing.T) { // another line under the same id
		t.Parallel()
		s := newSite(t)
		s.fill(protocol, 3)
		s.claimed()
		s.remove("dns-1")
		s.put(entries.Entry{ID: "dns-1", Protocol: protocol, TS: began, Line: []byte("another")})
		s.must(s.archiver(nil).Once(t.Context(), true))
		s.wantArchived()
	})
	t.Run("other object", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.fill(protocol, 50)
		b := s.claimed()
		s.object(b.Key, zipped(6, strings.Replace(s.lines(), `"n":20,`, `"n":21,`, 1)))
		s.remove("dns-1")
		if err := s.archiver(nil).Once(t.Context(), true); !errors.Is(err, archiver.ErrForeign) {
			t.Errorf("%v, want ErrForeign", err)
		}
	})
}

// A batch whose page is lost is told, and holds up nothing else.
func TestDamagedBatch(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill(protocol, 50)
	b := s.claimed()
	_, err := s.ledger.DB().Write.ExecContext(t.Context(), `DELETE FROM batch_pages WHERE batch = ?`, b.ID)
	s.must(err)
	s.put(entries.Entry{ID: "next", Protocol: protocol, TS: began, Line: []byte("next")})
	if err := s.archiver(nil).Once(t.Context(), true); err == nil || !strings.Contains(err.Error(), b.ID) {
		t.Errorf("%v, want an error with the batch", err)
	}
	for _, e := range s.all() {
		if (e.ID == "next") != e.Archived {
			t.Errorf("entry %s: archived %t", e.ID, e.Archived)
		}
	}
}
