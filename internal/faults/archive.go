package faults

import (
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/seed-56345083/reprise/internal/archive"
)

type faultyArchive struct {
	archive.Archive
	plan *Plan
}

// Archive wraps an archive. A body that was opened breaks off where the plan says so, as a connection does.
func Archive(a archive.Archive, p *Plan) archive.Archive { return &faultyArchive{a, p} }

func (a *faultyArchive) List(ctx context.Context, prefix, after string) iter.Seq2[archive.Object, error] {
	return each(a.plan, "archive.List", a.Archive.List(ctx, prefix, after))
}

func (a *faultyArchive) Stat(ctx context.Context, key string) (archive.Object, error) {
	return get(a.plan, "archive.Stat", func() (archive.Object, error) { return a.Archive.Stat(ctx, key) })
}

func (a *faultyArchive) Open(ctx context.Context, p archive.OpenParams) (io.ReadCloser, error) {
	if a.plan.steps {
		var body io.ReadCloser
		err := a.plan.do("archive.Open", func() (err error) {
			body, err = a.Archive.Open(ctx, p)
			return err
		})
		if err != nil {
			if body != nil { // its reply was lost
				_ = body.Close()
			}
			return nil, err
		}
		return &steppedBody{ReadCloser: body, plan: a.plan}, nil
	}
	switch f := a.plan.next("archive.Open"); f {
	case None:
		return a.Archive.Open(ctx, p)
	case Before, DieBefore:
		return nil, fmt.Errorf("archive.Open: %w", injected(f))
	default:
		body, err := a.Archive.Open(ctx, p)
		if err != nil {
			return nil, err
		}
		return &brokenBody{ReadCloser: body, left: breakAfter, err: injected(f)}, nil
	}
}

// steppedBody asks the plan at each read.
type steppedBody struct {
	io.ReadCloser
	plan *Plan
}

func (b *steppedBody) Read(p []byte) (int, error) {
	if err := b.plan.step("archive.Open"); err != nil {
		return 0, err
	}
	return b.ReadCloser.Read(p)
}

func injected(f Fault) error {
	if f == DieBefore || f == DieAfter {
		return ErrDead
	}
	return ErrInjected
}

// breakAfter is how many bytes of a body arrive before its connection breaks.
const breakAfter = 64 << 10

type brokenBody struct {
	io.ReadCloser
	left int
	err  error
}

func (b *brokenBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, b.err
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

func (a *faultyArchive) Create(ctx context.Context, key string, body []byte) error {
	return a.plan.do("archive.Create", func() error { return a.Archive.Create(ctx, key, body) })
}

func (a *faultyArchive) Tags(ctx context.Context, key string) (map[string]string, error) {
	return get(a.plan, "archive.Tags", func() (map[string]string, error) { return a.Archive.Tags(ctx, key) })
}

func (a *faultyArchive) MergeTags(ctx context.Context, key string, set map[string]string, remove []string) error {
	return a.plan.do("archive.MergeTags", func() error { return a.Archive.MergeTags(ctx, key, set, remove) })
}
