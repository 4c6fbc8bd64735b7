package worker

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/queue"
)

// failed makes an object whose cursor is FAILED after half of it was committed.
func failed(b *bed, key string, good []string) {
	b.t.Helper()
	content := gzipped(b.t, good, 300)
	b.add(key, content[:len(content)-3])
	b.drain(b.worker(shortest))
	if c := b.cursor(key); c.State != ledger.Failed || c.Line < lookEvery {
		b.t.Fatalf("%s at line %d", c.State, c.Line)
	}
	b.deadLetter()
}

// TestRedriveByMessage: a message for a FAILED cursor is somebody's redrive. The object was replaced meanwhile, and
// nothing of the old one is counted.
func TestRedriveByMessage(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	old, lines := makeLines(1000, 20), makeLines(1500, 30)
	failed(b, "dns/a.gz", old)
	before := b.cursor("dns/a.gz")
	b.put("dns/a.gz", gzipped(t, lines, 0))
	b.send(b.task("dns/a.gz").Encode())
	b.drain(b.worker(shortest))
	b.wantFinished("dns/a.gz", lines)
	b.wantCounts(b.queue, queue.Counts{})
	if c := b.cursor("dns/a.gz"); c.ETag == before.ETag || c.Epoch < before.Epoch+2 {
		t.Errorf("etag %s, epoch %d after %d", c.ETag, c.Epoch, before.Epoch)
	}
}

// TestRedriveOfTheSame: nothing was replaced, so it fails again, and each message gives one dead letter.
func TestRedriveOfTheSame(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	failed(b, "dns/a.gz", makeLines(1000, 20))
	b.send(b.task("dns/a.gz").Encode())
	b.drain(b.worker())
	if c := b.cursor("dns/a.gz"); c.State != ledger.Failed || !strings.Contains(c.Error, "corrupt") {
		t.Errorf("%s because of %q", c.State, c.Error)
	}
	b.wantCounts(b.queue, queue.Counts{})
	b.wantCounts(b.dead, queue.Counts{InFlight: 1, Visible: 1})
}

// TestRedriveOfTheMissing: there is nothing to begin with.
func TestRedriveOfTheMissing(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	failed(b, "dns/a.gz", makeLines(1000, 20))
	epoch := b.cursor("dns/a.gz").Epoch
	b.remove("dns/a.gz")
	b.send(b.task("dns/a.gz").Encode())
	b.drain(b.worker())
	if c := b.cursor("dns/a.gz"); c.State != ledger.Failed || c.Epoch != epoch {
		t.Errorf("%s, epoch %d after %d", c.State, c.Epoch, epoch)
	}
	b.wantCounts(b.queue, queue.Counts{})
	b.wantCounts(b.dead, queue.Counts{InFlight: 1, Visible: 1})
}

// TestNoRedriveWhileFolding: a fold that left an object out must not see it come back.
func TestNoRedriveWhileFolding(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := makeLines(1000, 20)
	failed(b, "dns/a.gz", lines)
	b.put("dns/a.gz", gzipped(t, lines, 0))
	epoch := b.cursor("dns/a.gz").Epoch
	w := b.worker()
	if _, err := w.replays.get(b.ctx, b.replay.ID, false); err != nil { // what it remembers is RUNNING
		t.Fatal(err)
	}
	b.become(func(r *ledger.Replay) { r.State = ledger.Folding })
	b.send(b.task("dns/a.gz").Encode())
	for range 3 {
		if b.drain(w) != 1 {
			t.Fatal("the message is gone")
		}
		if c := b.cursor("dns/a.gz"); c.State != ledger.Failed || c.Epoch != epoch {
			t.Fatalf("%s, epoch %d after %d", c.State, c.Epoch, epoch)
		}
		b.pass(time.Minute)
	}
	b.become(func(r *ledger.Replay) { r.State = ledger.Running })
	b.drain(b.worker())
	b.wantFinished("dns/a.gz", lines)
}
