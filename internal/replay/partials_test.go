package replay_test

import (
	"context"
	"strings"
	"testing"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/internal/stats"
	"github.com/seed-56345083/reprise/worker"
)

// careless commits another partial than the one of the lines that it has counted.
type careless struct {
	ledger.Ledger
	spoil func(context.Context, *ledger.Commit) error
}

func (l careless) Commit(ctx context.Context, c ledger.Commit) error {
	if !c.ID.Fold {
		if err := l.spoil(ctx, &c); err != nil {
			return err
		}
	}
	return l.Ledger.Commit(ctx, c)
}

// TestCertifyPartials has a worker lose a partial, double it, or put another object's in its place, while all of its
// accounts close. Nobody reads what comes of it, the certificate says why, and a replay that takes over from this one
// reads again what was spoilt, and that alone.
func TestCertifyPartials(t *testing.T) {
	t.Parallel()
	const first, second, none = "logs/dns/1", "logs/dns/2", "logs/dns/3"
	program, err := stats.Compile(definition("dns"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spoil func(s *system, ctx context.Context, c *ledger.Commit) error
		words string
		again []string // objects that are to be read again
	}{
		"lost": {func(_ *system, _ context.Context, c *ledger.Commit) error {
			if c.ID.Key == first {
				c.Partial = nil
			}
			return nil
		}, "dns: its cursors have counted 5 lines, its rows hold 2: the partials of " + first, []string{first}},
		"doubled": {func(s *system, ctx context.Context, c *ledger.Commit) error {
			if c.ID.Key != first {
				return nil
			}
			segment := ledger.Segment{Epoch: c.Epoch, To: c.To, Bytes: int64(len(c.Partial))}
			c.Segments = append(c.Segments, segment)
			return s.ledger.PutSegment(ctx, c.ID, segment, c.Partial)
		}, "dns: its cursors have counted 5 lines, its rows hold 8: the partials of " + first, []string{first}},
		"another object's": {func(s *system, _ context.Context, c *ledger.Commit) error {
			if c.ID.Key == second {
				c.Partial, _ = s.blob(program, "a", "b", "a")
			}
			return nil
		}, "dns: its cursors have counted 5 lines, its rows hold 6: the partials of " + second, []string{second}},
		"changed for each other": {func(s *system, _ context.Context, c *ledger.Commit) error {
			switch c.ID.Key {
			case first:
				c.Partial, _ = s.blob(program, "a", "b")
			case second:
				c.Partial, _ = s.blob(program, "a", "b", "a")
			}
			return nil
		}, "dns: its cursors have counted 5 lines, its rows hold 5: the partials of logs/dns/", []string{first, second}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			ctx := context.Background()
			s.put(first, "a", "b", "a", "!")
			s.put(second, "a", "b")
			s.put(none, "!")
			r := s.running("dns")
			stop := s.pool(func(o *worker.Options) {
				o.Ledger = careless{o.Ledger, func(ctx context.Context, commit *ledger.Commit) error { return c.spoil(s, ctx, commit) }}
			})
			s.done(r.ID)
			until(t, "the report by which the fold is cut", func() bool { return s.linesRead(r.ID) == 7 })
			d := s.driver("watcher", nil, func(o *replay.Options) { o.RowsPerPart = 1 })
			until(t, "the verdict", func() bool {
				look(t, d)
				s.folded(r.ID)
				return strings.Contains(s.replay(r.ID).Waits, "the accounts do not close")
			})
			look(t, d)
			if now := s.replay(r.ID); now.State != ledger.Folding || now.Promoted || now.Fold.Number != 1 || len(now.Fold.Parts) < 2 {
				t.Errorf("%s, promoted %t, fold %+v: another fold is no cure", now.State, now.Promoted, now.Fold)
			}
			cert, err := d.Certify(ctx, r.ID, nil)
			if err != nil || cert.Closes() || len(cert.Faults) != 2 || !strings.Contains(cert.Faults[0], c.words) {
				t.Errorf("%v, faults %q, want %q and that it is not finished", err, cert.Faults, c.words)
			}

			s.still()
			stop()
			if _, err := d.Cancel(ctx, r.ID); err != nil {
				t.Fatal(err)
			}
			now, read := s.replayedWith(reusing(r.ID, "dns"))
			wantKeys(t, "spoilt", read, c.again...)
			s.wantFinished(now.ID)
			s.wantRows("dns", 0, map[string]int{"a": 3, "b": 2})
		})
	}
}

// TestCertifyChosen: lines that no statistic takes leave no row, and are counted all the same.
func TestCertifyChosen(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.put("logs/dns/1", "b", "b")
	s.put("logs/dns/2", "a", "b")
	p := params("dns")
	p.Protocols[0].Definition.Stats[0].Where = `q == "a"`
	r, _ := s.replayedWith(p)
	s.wantRows("dns", 0, map[string]int{"a": 1})
	if c := s.cursor(r.ID, "logs/dns/1"); c.Rows != 0 || c.Counted != 2 {
		t.Errorf("%d lines counted, %d rows, want 2 and none", c.Counted, c.Rows)
	}
	p.Reuse = r.ID
	_, read := s.replayedWith(p)
	wantKeys(t, "nothing changed", read)
	s.wantRows("dns", 0, map[string]int{"a": 1})
}
