package replay

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
)

// Certificate is the accounts of promise P2: what was listed, read, counted and folded, and whether it closes.
type Certificate struct {
	Replay    string                `json:"replay"`
	State     ledger.State          `json:"state"`
	Cutoff    time.Time             `json:"cutoff"`
	Objects   ObjectAccounts        `json:"objects"`
	Lines     ledger.Accounts       `json:"lines"` // of the objects that are FINISHED
	Protocols []ProtocolCertificate `json:"protocols"`
	Accepted  *ledger.Acceptance    `json:"accepted,omitempty"`
	Faults    []string              `json:"faults"` // what does not add up, in words; at most maxFaults
	stale     bool
}

// ObjectAccounts sort a replay's objects.
type ObjectAccounts struct {
	Listed   int64    `json:"listed"`
	Finished int64    `json:"finished"`
	Reused   int64    `json:"reused,omitempty"` // of the finished: taken over from an earlier replay, and not read
	Failed   []string `json:"failed"`           // keys that were left out; at most maxFaults
	LeftOut  int64    `json:"left_out"`
	Open     []string `json:"open"` // keys that are neither; at most maxFaults
}

// ProtocolCertificate compares what the cursors say with what the fold has put into the table.
type ProtocolCertificate struct {
	Protocol   string          `json:"protocol"`
	Generation int64           `json:"generation"`
	Fold       int64           `json:"fold"`
	Objects    int64           `json:"objects"`
	Counted    int64           `json:"counted"`
	Folded     ledger.Receipt  `json:"folded"`
	Lines      ledger.Accounts `json:"lines"`
	receipts   int
	unlike     bool // it is said that the partials are not what the cursors have counted
}

const maxFaults = 100

// Closes reports whether everything adds up.
func (c *Certificate) Closes() bool { return len(c.Faults) == 0 }

func (c *Certificate) accepted() int64 {
	if c.Accepted == nil {
		return 0
	}
	return c.Accepted.Objects
}

// foldIsStale reports whether a fault lies in the fold alone, so that another fold mends it.
func (c *Certificate) foldIsStale() bool { return c.stale }

func (c *Certificate) fault(format string, args ...any) {
	if len(c.Faults) < maxFaults {
		c.Faults = append(c.Faults, fmt.Sprintf(format, args...))
	}
}

// Certify adds a replay's accounts up from its cursors, read one by one and consistently. each, where it is not nil,
// gets every object's cursor with its rejects.
func (d *Driver) Certify(ctx context.Context, id string, each func(ledger.Cursor) error) (*Certificate, error) {
	r, err := d.o.Ledger.Replay(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("reading replay %s: %w", id, err)
	}
	c, err := d.audit(ctx, r, each)
	if err == nil && !r.Promoted {
		c.fault("the replay is not finished: it is %s", r.State)
	}
	return c, err
}

func (d *Driver) audit(ctx context.Context, r ledger.Replay, each func(ledger.Cursor) error) (*Certificate, error) {
	c := &Certificate{Replay: r.ID, State: r.State, Cutoff: r.Cutoff, Accepted: r.Accepted, Faults: []string{}}
	c.Objects.Listed = r.Listing.Objects
	parts := map[string]*ProtocolCertificate{}
	for _, p := range r.Protocols {
		parts[p.Name] = &ProtocolCertificate{Protocol: p.Name, Generation: p.Generation, Fold: r.Fold.Number}
	}
	var cursors int64
	for cursor, err := range d.o.Ledger.Scan(ctx, ledger.ScanParams{Replay: r.ID, Partials: each != nil}) {
		if err != nil {
			return nil, fmt.Errorf("scanning the objects: %w", err)
		}
		cursors++
		c.object(cursor, parts[cursor.Protocol])
		if each != nil {
			if err := each(cursor); err != nil {
				return nil, err
			}
		}
	}
	if !r.Listing.Done {
		c.fault("the archive is not listed to its end yet")
	} else if cursors != r.Listing.Objects {
		c.fault("%d objects were listed, the ledger has %d", r.Listing.Objects, cursors)
	}
	if c.Objects.LeftOut > c.accepted() {
		c.fault("%d objects are FAILED, %d of them are accepted", c.Objects.LeftOut, c.accepted())
	}
	if r.Fold.Number > 0 && !r.Fold.Interim { // of what was folded on the way there is nothing to certify
		if err := d.receipts(ctx, r, c, parts); err != nil {
			return nil, err
		}
	}
	for _, p := range r.Protocols {
		c.Protocols = append(c.Protocols, *parts[p.Name])
	}
	return c, nil
}

// object checks one object's own accounts and adds it up.
func (c *Certificate) object(cursor ledger.Cursor, p *ProtocolCertificate) {
	a := cursor.Accounts
	switch {
	case p == nil:
		c.fault("%s is of protocol %s, which the replay has not", cursor.Key, cursor.Protocol)
		return
	case cursor.State == ledger.Failed:
		c.Objects.LeftOut++
		if len(c.Objects.Failed) < maxFaults {
			c.Objects.Failed = append(c.Objects.Failed, cursor.Key)
		}
		return
	case cursor.State != ledger.Finished:
		c.fault("%s is %s at line %d", cursor.Key, cursor.State, cursor.Line)
		if len(c.Objects.Open) < maxFaults {
			c.Objects.Open = append(c.Objects.Open, cursor.Key)
		}
		return
	case a.Read != a.Counted+a.AfterCutoff+a.Rejected:
		c.fault("%s: read %d lines, but %d counted + %d after the cutoff + %d rejected", cursor.Key, a.Read, a.Counted, a.AfterCutoff, a.Rejected)
	case cursor.Line != a.Read+a.Blank:
		c.fault("%s: is at line %d, but read %d and %d blank", cursor.Key, cursor.Line, a.Read, a.Blank)
	case a.Consumed != cursor.Size:
		c.fault("%s: consumed %d of its %d bytes", cursor.Key, a.Consumed, cursor.Size)
	}
	c.Objects.Finished++
	if cursor.Reused() {
		c.Objects.Reused++
	}
	p.Objects++
	p.Counted += a.Counted
	c.Lines.Add(a)
	p.Lines.Add(a)
}

// receipts compares what each part of the fold has seen with what the cursors say now.
func (d *Driver) receipts(ctx context.Context, r ledger.Replay, c *Certificate, parts map[string]*ProtocolCertificate) error {
	expected := r.Fold.PartsOf()
	for cursor, err := range d.o.Ledger.Scan(ctx, ledger.ScanParams{Replay: r.ID, Fold: r.Fold.Number}) {
		if err != nil {
			return fmt.Errorf("scanning the parts of fold %d: %w", r.Fold.Number, err)
		}
		p := parts[cursor.Protocol]
		if cursor.State != ledger.Finished || p == nil {
			continue
		}
		p.receipts++
		got := cursor.Receipt
		switch {
		case got.Objects != p.Objects || got.Lines != p.Counted:
			c.stale = true
			c.fault("%s of %s has folded %d objects and %d lines, finished are %d and %d",
				cursor.Key, cursor.Protocol, got.Objects, got.Lines, p.Objects, p.Counted)
		case !got.Holds() && !p.unlike: // said once: all parts read the same partials, and another fold would as well
			p.unlike = true
			c.fault("%s: its cursors have counted %d lines, its rows hold %d: the partials of %s are not of the lines that its cursor has counted",
				cursor.Protocol, got.Lines, got.Held, got.Unlike)
		}
		got.Rows += p.Folded.Rows
		p.Folded = got
	}
	for name, p := range parts {
		if p.receipts != expected[name] {
			c.fault("%s: %d of %d parts of fold %d are in", name, p.receipts, expected[name], r.Fold.Number)
		}
	}
	return nil
}
