package worker

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/stats"
	"github.com/seed-56345083/reprise/queue"
)

// TestPoisonMessages: what nobody can act on ends in the dead-letter queue as it came, or with its reason.
func TestPoisonMessages(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, reason string }{
		"unknown version":  {body: `{"v":2,"replay":"01TEST","protocol":"dns","key":"dns/a","line":0}`},
		"no JSON":          {body: `\x00garbage`},
		"no key":           {body: `{"v":1,"replay":"01TEST","protocol":"dns","line":0}`},
		"unknown replay":   {body: `{"v":1,"replay":"02TEST","protocol":"dns","key":"dns/a","line":0}`, reason: "no replay that the ledger knows"},
		"unknown protocol": {body: `{"v":1,"replay":"01TEST","protocol":"ssl","key":"dns/a","line":0}`, reason: `has no protocol "ssl"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			b.send([]byte(c.body))
			if n := b.drain(b.worker()); n != 1 {
				t.Errorf("handled %d times", n)
			}
			b.wantCounts(b.queue, queue.Counts{})
			m, ok := b.receive(b.dead, time.Minute)
			if !ok {
				t.Fatal("no dead letter")
			}
			if c.reason == "" && string(m.Body) != c.body || !bytes.Contains(m.Body, []byte(strings.ReplaceAll(c.reason, `"`, `\"`))) {
				t.Errorf("dead letter %s", m.Body)
			}
		})
	}
}

// TestUnknownField: a later version may add some.
func TestUnknownField(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := makeLines(10, 2)
	b.add("dns/a", text(lines))
	m, _ := b.receive(b.queue, time.Minute)
	m.Body = bytes.Replace(m.Body, []byte(`{`), []byte(`{"colour":"blue",`), 1)
	b.handle(b.ctx, b.worker(), m)
	b.wantFinished("dns/a", lines)
	b.wantIdle()
}

// TestMessageLineIsAHint: whatever a message says, the cursor's position is what counts.
func TestMessageLineIsAHint(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := makeLines(1000, 2)
	b.add("dns/a", text(lines))
	m, _ := b.receive(b.queue, time.Minute)
	m.Body = bytes.Replace(m.Body, []byte(`"line":0`), []byte(`"line":900`), 1)
	b.handle(b.ctx, b.worker(), m)
	b.wantFinished("dns/a", lines)
}

func TestReplayStates(t *testing.T) {
	t.Parallel()
	lines := makeLines(300, 5)
	for _, c := range []struct {
		state ledger.State
		left  bool // the message waits
		done  bool // the object is finished
	}{
		{state: ledger.Starting, done: true},
		{state: ledger.Running, done: true},
		{state: ledger.Paused, left: true},
		{state: ledger.Finished},
		{state: ledger.Cancelled},
	} {
		t.Run(string(c.state), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, func(r *ledger.Replay) { r.State = c.state })
			b.add("dns/a", text(lines))
			for range 4 {
				b.drain(b.worker())
				b.pass(time.Minute)
			}
			switch {
			case c.done:
				b.wantFinished("dns/a", lines)
				b.wantIdle()
			case c.left:
				b.wantCounts(b.queue, queue.Counts{Visible: 1})
			default:
				b.wantIdle()
			}
			if got := b.cursor("dns/a"); !c.done && (got.State != ledger.Pending || got.Epoch != 0 || got.NoProgress != 0) {
				t.Errorf("%s, epoch %d, attempts %d: it was claimed", got.State, got.Epoch, got.NoProgress)
			}
		})
	}
}

// TestOtherVersion: a process that cannot compile the generation's definition claims nothing.
func TestOtherVersion(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.add("dns/a", text(makeLines(10, 2)))
	g, err := b.ledger.Generation(b.ctx, protocol, 1)
	if err != nil {
		t.Fatal(err)
	}
	own := g.Definition
	for name, definition := range map[string][]byte{
		"aggregator":  bytes.Replace(own, []byte(`"aggregator":1`), []byte(`"aggregator":99`), 1),
		"unknown key": bytes.Replace(own, []byte(`{`), []byte(`{"novel":1,`), 1),
		"no JSON":     []byte("{"),
		"function":    bytes.Replace(own, []byte(`sum(bytes)`), []byte(`median(bytes)`), 1),
	} {
		g, err := b.ledger.Generation(b.ctx, protocol, 1)
		if err != nil || bytes.Equal(definition, own) {
			t.Fatal(name, err)
		}
		g.Definition = definition
		b.write(ledger.Writes{Generations: []ledger.Generation{g}})
		w := b.worker()
		if _, err := w.programs.get(b.ctx, protocol, 1); !isVersion(err) {
			t.Errorf("%s: %v", name, err)
		}
		b.step(w)
		if c := b.cursor("dns/a"); c.State != ledger.Pending || c.Epoch != 0 {
			t.Errorf("%s: %s, epoch %d", name, c.State, c.Epoch)
		}
		b.wantCounts(b.queue, queue.Counts{InFlight: 1})
		b.wantCounts(b.dead, queue.Counts{})
		b.pass(time.Minute)
	}
}

func isVersion(err error) bool {
	return decide(err, 9, 1) == Wait && strings.Contains(err.Error(), stats.ErrVersion.Error())
}

// TestDuplicates has several messages for one object at once: one works, the others wait, none of it counts as an
// attempt, and the lines count once.
func TestDuplicates(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := makeLines(12*lookEvery, 50)
	b.add("dns/a", text(lines))
	for range 3 {
		b.send(b.task("dns/a").Encode())
	}
	first, second := b.worker(shortest), b.worker(shortest, func(o *Options) { o.Name = "host-2" })
	for round := 0; b.cursor("dns/a").State != ledger.Finished; round++ {
		if round > 100 {
			t.Fatal("it never ends")
		}
		w := first
		if round%2 == 1 {
			w = second
		}
		// While one has it, another gets a message for it.
		m, ok := b.receive(b.queue, time.Minute)
		if !ok {
			b.pass(time.Minute)
			continue
		}
		claimed, err := b.ledger.Claim(b.ctx, ledger.Claim{ID: b.id("dns/a"), Owner: "third", Now: time.Now(), Until: time.Now().Add(time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		b.handle(b.ctx, w, m)
		if c := b.cursor("dns/a"); c.Owner != "third" || c.Epoch != claimed.Epoch || c.NoProgress != claimed.NoProgress {
			t.Fatalf("owner %q, epoch %d, attempts %d: the message did not wait", c.Owner, c.Epoch, c.NoProgress)
		}
		err = b.ledger.Settle(b.ctx, ledger.Settle{ID: claimed.CursorID, Epoch: claimed.Epoch, State: ledger.Pending, TakeBack: true, Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		if !b.step(w) {
			b.pass(2 * time.Minute)
			b.step(w)
		}
	}
	b.wantFinished("dns/a", lines)
	for range 10 { // the messages that waited find it done
		b.drain(first)
		b.pass(2 * time.Minute)
	}
	b.wantIdle()
}

// TestReceives: a message near the limit of the redrive policy is replaced by a copy, whatever it waits for.
func TestReceives(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(r *ledger.Replay) { r.State = ledger.Paused })
	lines := makeLines(300, 5)
	b.add("dns/a", text(lines))
	w := b.worker(func(o *Options) { o.Visibility, o.ChunkTime = time.Second, time.Minute })
	ids := map[string]int{}
	for range 3 * CopyAtReceives {
		m, ok := b.receive(b.queue, w.o.Visibility)
		if !ok {
			t.Fatal("the message is gone")
		}
		ids[m.ID] = max(ids[m.ID], m.Receives)
		b.handle(b.ctx, w, m)
		b.pass(time.Minute)
	}
	if len(ids) != 3 {
		t.Errorf("%d messages, want 3", len(ids))
	}
	for id, n := range ids {
		if n != CopyAtReceives {
			t.Errorf("message %s was received %d times, want %d", id, n, CopyAtReceives)
		}
	}
	b.become(func(r *ledger.Replay) { r.State = ledger.Running })
	w = b.worker()
	b.drain(w)
	b.wantFinished("dns/a", lines)
	b.wantIdle()
}

// TestCursorGone: the cursors go with a replay that was purged.
func TestCursorGone(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.send(b.task("dns/none").Encode())
	b.drain(b.worker())
	b.wantIdle()
}
