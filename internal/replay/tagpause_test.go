package replay_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

// TestTagPause: between the write that says that a replay is over and the first tag that is taken off lies the pause which
// workers rely on.
func TestTagPause(t *testing.T) {
	t.Parallel()
	const rest = 50 * time.Millisecond
	for name, end := range map[string]func(s *system, d *replay.Driver, id string) error{
		"promoted": func(s *system, d *replay.Driver, id string) error {
			s.workers()
			s.watch(d, id, ledger.Finished)
			return nil
		},
		"cancelled": func(_ *system, d *replay.Driver, id string) error {
			_, err := d.Cancel(context.Background(), id)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			s.put("logs/dns/1", "a")
			r := s.running("dns")
			var mu sync.Mutex
			var marked, cleared time.Time
			d := s.driver("watcher", &tap{hook: func(c call) error {
				mu.Lock()
				defer mu.Unlock()
				switch {
				case c.name == "Write" && c.after && cleared.IsZero():
					marked = time.Now() // the last one before the first tag is taken off
				case c.name == "MergeTags" && !c.after && cleared.IsZero():
					cleared = time.Now()
				}
				return nil
			}}, func(o *replay.Options) { o.TagPause = rest })
			if err := end(s, d, r.ID); err != nil {
				t.Fatal(err)
			}
			if took := cleared.Sub(marked); marked.IsZero() || took < rest {
				t.Errorf("the first tag was taken off %v after the end, want %v at the least", took, rest)
			}
		})
	}
}
