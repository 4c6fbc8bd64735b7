package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// DefaultBytes is how much Generate makes, uncompressed, when nobody says: what a laptop replays in half a minute.
const DefaultBytes = 200 << 20

// MinBytes is the least that still has every kind of object and line in it.
const MinBytes = 1 << 20

// Start is the first moment of the logs; they go on for two days and an hour.
var Start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// Cutoff is the last moment that counts, inclusive: 20 minutes into the last hour.
var Cutoff = Start.Add(48*time.Hour + 20*time.Minute)

// Options say what to make.
type Options struct {
	Dir   string // the archive's folder; keys are paths below it. Made where it is not there
	Seed  uint64
	Bytes int64 // uncompressed, about; DefaultBytes where it is 0, at least MinBytes
	// Progress is called now and then with the uncompressed bytes made, by several goroutines but never by two at
	// once; nil for none.
	Progress func(done, total int64)
}

// Manifest tells what was made, and what a replay of it must give.
type Manifest struct {
	Objects int   // all of them, the corrupt one too
	Stored  int64 // bytes as stored, of all objects
	Bytes   int64 // uncompressed, without the corrupt object's
	Accounts
	Protocols map[string]Accounts
	Cutoff    time.Time
	Corrupt   []Corrupt
	Expected  []Expected // by protocol, then in the order of Config
}

// Accounts are counts of lines; those of the corrupt object are in none.
type Accounts struct {
	Lines       int64 // Counted + AfterCutoff + Rejected + Blank
	Counted     int64
	AfterCutoff int64 // counted were it not for the cutoff
	Rejected    int64
	Blank       int64
}

func (a *Accounts) add(b Accounts) {
	a.Lines += b.Lines
	a.Counted += b.Counted
	a.AfterCutoff += b.AfterCutoff
	a.Rejected += b.Rejected
	a.Blank += b.Blank
}

// Corrupt is an object that cannot be read to its end.
type Corrupt struct {
	Key    string // below Dir
	Reason string
}

// Generate makes an archive below o.Dir. It works on GOMAXPROCS objects at once; when ctx ends it stops between two
// pieces of an object and leaves no half-written one behind.
func Generate(ctx context.Context, o Options) (Manifest, error) {
	if o.Bytes == 0 {
		o.Bytes = DefaultBytes
	}
	if o.Bytes < MinBytes {
		return Manifest{}, fmt.Errorf("making a demo archive: %d bytes are too few; use %d or more", o.Bytes, MinBytes)
	}
	plan := newPlan(o.Seed, o.Bytes)
	progress := meter{report: o.Progress}
	for _, p := range plan {
		progress.total += p.bytes
	}
	var next atomic.Int64
	workers := make([]*maker, max(1, min(runtime.GOMAXPROCS(0), len(plan))))
	group, ctx := errgroup.WithContext(ctx)
	for i := range workers {
		m := newMaker(o, &progress)
		workers[i] = m
		group.Go(func() error {
			for {
				at := next.Add(1) - 1
				if at >= int64(len(plan)) {
					return nil
				}
				if err := m.make(ctx, &plan[at]); err != nil {
					return fmt.Errorf("making %s: %w", plan[at].key, err)
				}
			}
		})
	}
	if err := group.Wait(); err != nil {
		return Manifest{}, err
	}
	return manifest(plan, workers), nil
}

func manifest(plan []object, workers []*maker) Manifest {
	m := Manifest{Objects: len(plan), Cutoff: Cutoff, Protocols: map[string]Accounts{}}
	for _, p := range plan {
		if p.corrupt {
			m.Corrupt = append(m.Corrupt, Corrupt{Key: p.key, Reason: "the gzip stream is cut off"})
		}
	}
	first := workers[0]
	for _, w := range workers[1:] {
		first.merge(w)
	}
	m.Stored, m.Bytes = first.stored, first.bytes
	for name, a := range first.accounts {
		m.Protocols[name] = *a
		m.add(*a)
	}
	m.Expected = first.counts.expected()
	return m
}

// meter passes progress on, one call at a time, and not more often than a terminal can show.
type meter struct {
	report func(done, total int64)
	total  int64
	done   atomic.Int64
	busy   atomic.Bool
}

func (m *meter) add(n int64) {
	done := m.done.Add(n)
	if m.report == nil || !m.busy.CompareAndSwap(false, true) {
		return
	}
	m.report(min(done, m.total), m.total)
	m.busy.Store(false)
}

// replace writes a file in one step: whoever lists the folder sees the whole of it or nothing.
func replace(path string, write func(*os.File) error) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".demo-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
