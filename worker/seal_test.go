package worker

import (
	"context"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
)

// TestSeal reads an object whose partial never fits into memory: it is sealed at every look, in one chunk and over
// many, and all segments together are what a recount gives.
func TestSeal(t *testing.T) {
	t.Parallel()
	lines := makeLines(10*lookEvery+17, 3000)
	for name, change := range map[string]func(*Options){
		"one chunk": func(*Options) {},
		// The clock is looked at first, so each chunk is handed on and the next one seals what it took over.
		"hand on": shortest,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			b.add("dns/a.gz", gzipped(t, lines, 700))
			b.drain(b.worker(change, func(o *Options) { o.Memory = 1 }))
			b.wantFinished("dns/a.gz", lines)
			b.wantIdle()
			c := b.cursor("dns/a.gz")
			if name == "hand on" {
				return
			}
			if len(c.Segments) != 10 || len(c.Partial) == 0 {
				t.Fatalf("%d segments and a partial of %d bytes, want 10 and the rest", len(c.Segments), len(c.Partial))
			}
			for i, s := range c.Segments {
				if want := (ledger.Segment{Epoch: 1, From: int64(i) * lookEvery, To: int64(i+1) * lookEvery, Bytes: s.Bytes}); s != want {
					t.Errorf("segment %+v, want %+v", s, want)
				}
			}
		})
	}
}

// TestSealRenews: an object that is sealed goes on beyond the time of its claim, so each seal renews it.
func TestSealRenews(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.add("dns/a", text(makeLines(2*lookEvery+1, 10)))
	var claimed ledger.Claim
	var renewed []time.Time
	b.drain(b.worker(func(o *Options) {
		o.Memory = 1
		l := o.Ledger
		o.Ledger = &faultyLedger{
			Ledger: l,
			claim: func(ctx context.Context, c ledger.Claim) (ledger.Cursor, error) {
				claimed = c
				return l.Claim(ctx, c)
			},
			commit: func(ctx context.Context, c ledger.Commit) error {
				if c.State == ledger.Processing {
					renewed = append(renewed, c.Until)
				}
				return l.Commit(ctx, c)
			},
		}
	}))
	if len(renewed) != 2 || !renewed[0].After(claimed.Until) || !renewed[1].After(renewed[0]) {
		t.Errorf("claimed until %v, renewed until %v", claimed.Until, renewed)
	}
}

// TestSealFails writes a segment that nobody names: the attempt after it writes under another name, and what is read
// twice counts once.
func TestSealFails(t *testing.T) {
	t.Parallel()
	for _, fail := range []string{"segment", "commit"} {
		for nth := 1; nth <= 3; nth++ {
			t.Run(fail, func(t *testing.T) {
				t.Parallel()
				b := newBed(t)
				lines := makeLines(4*lookEvery+100, 2000)
				b.add("dns/a", text(lines))
				n := map[string]int{}
				count := func(what string) error {
					if n[what]++; what == fail && n[what] >= nth && n[what] < nth+200 {
						return errFault
					}
					return nil
				}
				w := b.worker(func(o *Options) {
					o.Memory, o.Reserve, o.Writes = 1, 2*time.Second, 2*time.Second // the commit is tried that long
					l := o.Ledger
					o.Ledger = &faultyLedger{
						Ledger:  l,
						segment: func(context.Context, ledger.Segment) error { return count("segment") },
						commit: func(ctx context.Context, c ledger.Commit) error {
							if err := count("commit"); err != nil {
								return err
							}
							return l.Commit(ctx, c)
						},
					}
				})
				b.step(w)
				if c := b.cursor("dns/a"); c.State != ledger.Pending || c.Line > 3*lookEvery || c.Line%lookEvery != 0 {
					t.Errorf("%s at line %d", c.State, c.Line)
				}
				b.pass(time.Minute)
				b.drain(b.worker(func(o *Options) { o.Memory = 1 }))
				b.wantFinished("dns/a", lines)
				b.wantIdle()
			})
		}
	}
}

// TestCorruptAfterSeal: what was sealed of a bad object stays in the cursor, which is FAILED; a redrive forgets it.
func TestCorruptAfterSeal(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := makeLines(5*lookEvery, 500)
	content := gzipped(t, lines, 300)
	b.add("dns/a.gz", content[:len(content)-1])
	b.drain(b.worker(func(o *Options) { o.Memory = 1 }))
	if c := b.cursor("dns/a.gz"); c.State != ledger.Failed || len(c.Segments) == 0 {
		t.Errorf("%s with %d segments", c.State, len(c.Segments))
	}
	b.put("dns/a.gz", content)
	b.send(b.task("dns/a.gz").Encode())
	b.drain(b.worker(func(o *Options) { o.Memory = 1 }))
	b.wantFinished("dns/a.gz", lines)
}
