package worker

import (
	"bytes"
	"context"
	"io"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
)

// A processor is to spare while fewer messages are in work than there are slots, and processors.
func TestSpare(t *testing.T) {
	t.Parallel()
	cpus := runtime.GOMAXPROCS(0)
	for _, slots := range []int{1, 2, 3, cpus, 4 * cpus} {
		w := &Worker{o: Options{Slots: slots}}
		for busy := range slots + 1 {
			w.busy.Store(int64(busy))
			if want := busy < slots && busy < cpus; w.spare() != want {
				t.Errorf("%d of %d slots busy on %d processors: spare is %t", busy, slots, cpus, w.spare())
			}
		}
	}
}

// A large object is unpacked ahead where another slot is free, and not where the only one is at work on it.
func TestUnpackedAhead(t *testing.T) {
	t.Parallel()
	lines := makeLines(100_000, 50)
	object := gzipped(t, lines, 0)
	for slots := range 2 {
		var ahead atomic.Bool
		b := newBed(t)
		b.add("dns/a.gz", object)
		w := b.worker(func(o *Options) {
			o.Slots = 1 + slots
			o.Archive = &faultyArchive{Archive: o.Archive, body: func(_ context.Context, r io.Reader) io.Reader {
				return &pieces{r: r, size: 64 << 10, before: func(int64) error {
					if bytes.Contains(debug.Stack(), []byte("archive.(*ahead).run")) {
						ahead.Store(true)
					}
					return nil
				}}
			}}
		})
		b.drain(w)
		b.wantFinished("dns/a.gz", lines)
		if want := slots > 0 && runtime.GOMAXPROCS(0) > 1; ahead.Load() != want {
			t.Errorf("%d slots, %d processors, %d bytes: unpacked ahead is %t", 1+slots, runtime.GOMAXPROCS(0), len(object), ahead.Load())
		}
	}
}
