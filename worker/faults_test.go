package worker

import (
	"context"
	"errors"
	"io"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/queue"
)

// Thin wrappers around the real drivers: each may fail, lose or delay the call that it names. A nil function lets the
// call through.

var errFault = errors.New("injected fault")

type faultyLedger struct {
	ledger.Ledger
	claim    func(ctx context.Context, c ledger.Claim) (ledger.Cursor, error)
	commit   func(ctx context.Context, c ledger.Commit) error
	settle   func(ctx context.Context, s ledger.Settle) error
	segment  func(ctx context.Context, s ledger.Segment) error  // before PutSegment
	putRows  func(ctx context.Context, rows []ledger.Row) error // before PutRows
	progress func(p ledger.Progress)
	cursor   func() error // before Cursor
}

func (f *faultyLedger) Claim(ctx context.Context, c ledger.Claim) (ledger.Cursor, error) {
	if f.claim != nil {
		return f.claim(ctx, c)
	}
	return f.Ledger.Claim(ctx, c)
}

func (f *faultyLedger) Commit(ctx context.Context, c ledger.Commit) error {
	if f.commit != nil {
		return f.commit(ctx, c)
	}
	return f.Ledger.Commit(ctx, c)
}

func (f *faultyLedger) Settle(ctx context.Context, s ledger.Settle) error {
	if f.settle != nil {
		return f.settle(ctx, s)
	}
	return f.Ledger.Settle(ctx, s)
}

func (f *faultyLedger) Cursor(ctx context.Context, id ledger.CursorID) (ledger.Cursor, error) {
	if f.cursor != nil {
		if err := f.cursor(); err != nil {
			return ledger.Cursor{}, err
		}
	}
	return f.Ledger.Cursor(ctx, id)
}

func (f *faultyLedger) PutSegment(ctx context.Context, id ledger.CursorID, s ledger.Segment, blob []byte) error {
	if f.segment != nil {
		if err := f.segment(ctx, s); err != nil {
			return err
		}
	}
	return f.Ledger.PutSegment(ctx, id, s, blob)
}

func (f *faultyLedger) PutRows(ctx context.Context, part ledger.Part, rows []ledger.Row) error {
	if f.putRows != nil {
		if err := f.putRows(ctx, rows); err != nil {
			return err
		}
	}
	return f.Ledger.PutRows(ctx, part, rows)
}

func (f *faultyLedger) PutProgress(ctx context.Context, p ledger.Progress) error {
	if f.progress != nil {
		f.progress(p)
	}
	return f.Ledger.PutProgress(ctx, p)
}

// faultyArchive gives bodies a reader of the test's own.
type faultyArchive struct {
	archive.Archive
	body  func(ctx context.Context, r io.Reader) io.Reader
	opens func(p archive.OpenParams) error
}

func (f *faultyArchive) Open(ctx context.Context, p archive.OpenParams) (io.ReadCloser, error) {
	if f.opens != nil {
		if err := f.opens(p); err != nil {
			return nil, err
		}
	}
	body, err := f.Archive.Open(ctx, p)
	if err != nil || f.body == nil {
		return body, err
	}
	return readCloser{f.body(ctx, body), body}, nil
}

type readCloser struct {
	io.Reader
	io.Closer
}

// pieces hands a body out in pieces and calls before with the number of bytes that came before each.
type pieces struct {
	r      io.Reader
	size   int
	before func(n int64) error
	n      int64
}

func (p *pieces) Read(b []byte) (int, error) {
	if err := p.before(p.n); err != nil {
		return 0, err
	}
	n, err := p.r.Read(b[:min(len(b), p.size)])
	p.n += int64(n)
	return n, err
}

type faultyQueue struct {
	queue.Queue
	send    func(ctx context.Context, m []queue.Outgoing) error // before Send
	delete  func() error                                        // before Delete
	receive func(ctx context.Context, p queue.ReceiveParams) ([]queue.Message, error)
	change  func(c []queue.Change) error // before ChangeVisibility
}

func (f *faultyQueue) Send(ctx context.Context, m []queue.Outgoing) error {
	if f.send != nil {
		if err := f.send(ctx, m); err != nil {
			return err
		}
	}
	return f.Queue.Send(ctx, m)
}

func (f *faultyQueue) Delete(ctx context.Context, receipts []string) error {
	if f.delete != nil {
		if err := f.delete(); err != nil {
			return err
		}
	}
	return f.Queue.Delete(ctx, receipts)
}

func (f *faultyQueue) Receive(ctx context.Context, p queue.ReceiveParams) ([]queue.Message, error) {
	if f.receive != nil {
		return f.receive(ctx, p)
	}
	return f.Queue.Receive(ctx, p)
}

func (f *faultyQueue) ChangeVisibility(ctx context.Context, c []queue.Change) error {
	if f.change != nil {
		if err := f.change(c); err != nil {
			return err
		}
	}
	return f.Queue.ChangeVisibility(ctx, c)
}
