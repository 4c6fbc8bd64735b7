package replay_test

import (
	"context"
	"iter"
	"maps"
	"strings"
	"testing"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

// tampered shows cursors otherwise than they are: what a bug, or somebody's hand, would have left in the ledger.
type tampered struct {
	ledger.Ledger
	key    string
	change func(*ledger.Cursor)
	hide   bool
}

func (l tampered) Scan(ctx context.Context, p ledger.ScanParams) iter.Seq2[ledger.Cursor, error] {
	return func(yield func(ledger.Cursor, error) bool) {
		for c, err := range l.Ledger.Scan(ctx, p) {
			if err == nil && c.Key == l.key {
				if l.hide {
					continue
				}
				l.change(&c)
			}
			if !yield(c, err) {
				return
			}
		}
	}
}

// TestCertifyFaults tampers with one account at a time: the certificate does not close, and says where.
func TestCertifyFaults(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.put("logs/dns/1", "a", "b", "!")
	s.put("logs/dns/2", "a")
	s.put("logs/ssl/1", "a")
	s.corrupt("logs/ssl/bad")
	r := s.running("dns", "ssl")
	s.workers()
	s.done(r.ID)
	d := s.driver("watcher", nil)
	until(t, "the end", func() bool {
		now, err := d.Finish(ctx, r.ID, true, "them")
		return err == nil && now.State == ledger.Finished
	})
	s.wantFinished(r.ID)
	const object = "logs/dns/1"
	part := ledger.FoldKey(1, 0)
	for name, c := range map[string]struct {
		key    string
		hide   bool
		change func(*ledger.Cursor)
		words  string
	}{
		"read":                                   {object, false, func(c *ledger.Cursor) { c.Read++ }, object},
		"counted":                                {object, false, func(c *ledger.Cursor) { c.Counted-- }, object},
		"after cutoff":                           {object, false, func(c *ledger.Cursor) { c.AfterCutoff++ }, object},
		"rejected":                               {object, false, func(c *ledger.Cursor) { c.Rejected = 0 }, object},
		"line":                                   {object, false, func(c *ledger.Cursor) { c.Line-- }, object},
		"blank":                                  {object, false, func(c *ledger.Cursor) { c.Blank++ }, object},
		"consumed":                               {object, false, func(c *ledger.Cursor) { c.Consumed-- }, object},
		"size":                                   {object, false, func(c *ledger.Cursor) { c.Size++ }, object},
		"open":                                   {object, false, func(c *ledger.Cursor) { c.State = ledger.Pending }, object},
		"protocol":                               {object, false, func(c *ledger.Cursor) { c.Protocol = "http" }, object},
		"other protocol":                         {object, false, func(c *ledger.Cursor) { c.Protocol = "ssl" }, part},
		"failed":                                 {object, false, func(c *ledger.Cursor) { c.State = ledger.Failed }, "2 objects are FAILED, 1 of them are accepted"},
		"a line moved from one sum to the other": {object, false, func(c *ledger.Cursor) { c.Counted++; c.Rejected-- }, part},
		"lost object":                            {object, true, nil, "4 objects were listed, the ledger has 3"},
		"receipt objects":                        {part, false, func(c *ledger.Cursor) { c.Receipt.Objects-- }, part},
		"receipt lines":                          {part, false, func(c *ledger.Cursor) { c.Receipt.Lines++ }, part},
		"receipt held":                           {part, false, func(c *ledger.Cursor) { c.Receipt.Held++ }, "dns: its cursors have counted 3 lines, its rows hold 4"},
		"open part":                              {part, false, func(c *ledger.Cursor) { c.State = ledger.Processing }, "dns: 0 of 1 parts of fold 1"},
		"lost part":                              {part, true, nil, "dns: 0 of 1 parts of fold 1"},
		"foreign part":                           {part, false, func(c *ledger.Cursor) { c.Protocol = "http" }, "dns: 0 of 1 parts of fold 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := s.driver("auditor", nil, func(o *replay.Options) { o.Ledger = tampered{s.ledger, c.key, c.change, c.hide} })
			cert, err := d.Certify(ctx, r.ID, nil)
			if err != nil || cert.Closes() || !strings.Contains(strings.Join(cert.Faults, "\n"), c.words) {
				t.Errorf("closes %t, %v, faults %q, want one with %q", cert.Closes(), err, cert.Faults, c.words)
			}
		})
	}
}

func TestCertify(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	r := s.oneBad()
	d := s.driver("watcher", nil)
	c, err := d.Certify(ctx, r.ID, nil)
	if err != nil || c.Closes() || c.Objects.LeftOut != 1 || !strings.Contains(strings.Join(c.Faults, "\n"), "it is RUNNING") {
		t.Errorf("before the end: %+v, %v", c, err)
	}
	until(t, "the end", func() bool {
		now, err := d.Finish(ctx, r.ID, true, "them")
		return err == nil && now.State == ledger.Finished
	})
	var seen []string
	c, err = d.Certify(ctx, r.ID, func(c ledger.Cursor) error {
		seen = append(seen, c.Key)
		if c.State == ledger.Finished && len(c.Partial) == 0 {
			t.Errorf("%s comes without its content", c.Key)
		}
		return nil
	})
	if err != nil || !c.Closes() || len(seen) != 3 {
		t.Errorf("%+v, %v, saw %v", c, err, seen)
	}
	if c.Objects.Listed != 3 || c.Objects.Finished != 2 || c.Objects.LeftOut != 1 || c.Objects.Failed[0] != "logs/dns/bad" || c.Accepted.Objects != 1 {
		t.Errorf("objects %+v, accepted %+v", c.Objects, c.Accepted)
	}
	if c.Lines.Read != 3 || c.Lines.Counted != 3 || c.Protocols[0].Folded != (ledger.Receipt{Objects: 2, Lines: 3, Held: 3, Rows: 2}) {
		t.Errorf("lines %+v, protocol %+v", c.Lines, c.Protocols[0])
	}
	if _, err := d.Certify(ctx, r.ID, func(ledger.Cursor) error { return errCut }); err == nil {
		t.Error("an error of the caller's is lost")
	}
	_, err = d.Certify(ctx, "01J00000000000000000000000", nil)
	wantError(t, err, ledger.ErrNotFound)
}

// TestCertifyParts: a record that is over names one part of each protocol, and certificate and status know of all.
func TestCertifyParts(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.put("logs/dns/1", "a", "b", "c", "d", "e", "f")
	s.put("logs/ssl/1", "a", "b", "c")
	r := s.running("dns", "ssl")
	s.workers()
	s.done(r.ID)
	until(t, "the report by which the fold is cut", func() bool {
		reports, err := s.ledger.Progress(ctx, r.ID)
		return err == nil && len(reports) == 1 && reports[0].Lines == 9
	})
	d := s.driver("watcher", nil, func(o *replay.Options) { o.RowsPerPart = 1 })
	look(t, d)
	cut := s.replay(r.ID).Fold
	s.watch(d, r.ID, ledger.Finished)
	now := s.replay(r.ID).Fold
	if len(cut.Parts) < 4 || len(now.Parts) != 2 || !maps.Equal(now.PartsOf(), cut.PartsOf()) {
		t.Errorf("cut into %v, kept %v", cut.Parts, now.Parts)
	}
	if c, err := d.Certify(ctx, r.ID, nil); err != nil || !c.Closes() {
		t.Errorf("%+v, %v", c, err)
	}
	if f := s.status(r.ID).Fold; f.Parts != len(cut.Parts) || f.Finished != int64(f.Parts) {
		t.Errorf("status %+v, want %d parts", f, len(cut.Parts))
	}
}
