package archiver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/entries"
)

var (
	// ErrForeign says that an object that is not the batch's has the batch's key. Nothing of the batch is marked as
	// archived; it is written when that object is moved away.
	ErrForeign = errors.New("another object has the key of a batch")
	// errDamaged says that a batch contradicts itself.
	errDamaged = errors.New("the batch is damaged")
)

// hopeless says that trying again changes nothing, and that other batches have nothing to do with it.
func hopeless(err error) bool { return errors.Is(err, ErrForeign) || errors.Is(err, errDamaged) }

// finish takes a batch to its end, from wherever it is: frozen, written, its entries marked, DONE. Every step may have
// been done before, or be done by somebody else at the same time. keep is called before each page.
func (a *Archiver) finish(ctx context.Context, b entries.Batch, keep func(context.Context) error) error {
	err := a.steps(ctx, b, keep)
	if err != nil {
		return fmt.Errorf("batch %s: %w", b.ID, err)
	}
	return nil
}

func (a *Archiver) steps(ctx context.Context, b entries.Batch, keep func(context.Context) error) error {
	err := a.patiently(ctx, func() (err error) {
		b, err = a.o.Entries.ClaimBatch(ctx, b.ID)
		return err
	})
	switch {
	case errors.Is(err, entries.ErrNotFound): // somebody finished it long ago
		return nil
	case err != nil || b.State == entries.Done:
		return err
	}
	members, err := a.members(ctx, b, keep)
	if err != nil {
		return err
	}
	if b.Key != "" && len(members) > 0 {
		if err := a.write(ctx, b, members, keep); err != nil {
			return err
		}
	}
	expires := time.Now().Add(a.o.Keep)
	for page := range slices.Chunk(members, entries.MaxRead) {
		if err := a.mark(ctx, b, page, expires, keep); err != nil {
			return err
		}
	}
	return a.patiently(ctx, func() error { return a.o.Entries.DoneBatch(ctx, b, expires) })
}

// members returns a frozen batch's members in the order of their lines.
func (a *Archiver) members(ctx context.Context, b entries.Batch, keep func(context.Context) error) ([]entries.Member, error) {
	members := make([]entries.Member, 0, min(b.Entries, a.limits.entries))
	for m, err := range a.o.Entries.Members(ctx, b) {
		switch {
		case errors.Is(err, entries.ErrNotFound):
			return nil, fmt.Errorf("%w: %w", errDamaged, err)
		case err != nil:
			return nil, err
		}
		if members = append(members, m); len(members)%1000 == 0 {
			if err := keep(ctx); err != nil {
				return nil, err
			}
		}
	}
	if int64(len(members)) != b.Entries {
		return nil, fmt.Errorf("%w: it has %d entries, and its pages hold %d", errDamaged, b.Entries, len(members))
	}
	slices.SortFunc(members, func(x, y entries.Member) int {
		return cmp.Or(x.TS.Compare(y.TS), cmp.Compare(x.ID, y.ID))
	})
	return members, nil
}

// mark notes that a page of members is archived.
func (a *Archiver) mark(ctx context.Context, b entries.Batch, page []entries.Member, expires time.Time, keep func(context.Context) error) error {
	if err := keep(ctx); err != nil {
		return err
	}
	ids := make([]string, len(page))
	for i := range page {
		ids[i] = page[i].ID
	}
	err := a.patiently(ctx, func() error { return a.o.Entries.Archived(ctx, b.ID, ids, expires) })
	if err == nil {
		a.progress.add(totals{entries: int64(len(page))})
	}
	return err
}

// write makes sure that the batch's object is in the archive. nil: it is there, with every line.
func (a *Archiver) write(ctx context.Context, b entries.Batch, members []entries.Member, keep func(context.Context) error) error {
	if err := enter(ctx, a.building); err != nil {
		return err
	}
	defer leave(a.building)
	o, gone, err := a.build(ctx, b, members, keep)
	if err != nil {
		return err
	}
	if gone > 0 {
		a.o.Log.Error("entries of a batch were removed before it was done", zap.String("batch", b.ID), zap.String("key", b.Key),
			zap.Int("removed", gone), zap.Int("entries", len(members)))
	}
	if gone == len(members) {
		return nil // with them went everything that could be written
	}
	err = a.o.Archive.Create(ctx, b.Key, o.bytes())
	if errors.Is(err, archive.ErrExists) {
		err = a.compare(ctx, b, o.bytes(), gone == 0)
	}
	if err != nil {
		return err
	}
	a.progress.add(totals{objects: 1, text: o.text, stored: int64(len(o.bytes()))})
	return nil
}

// build puts the batch's object together. It depends on the members alone, so that everybody who writes the batch writes
// the same. gone is how many of them are not in the table any more.
func (a *Archiver) build(ctx context.Context, b entries.Batch, members []entries.Member, keep func(context.Context) error) (o *object, gone int, err error) {
	o = newObject(b.Bytes, a.limits.member)
	for page := range slices.Chunk(members, entries.MaxRead) {
		if err := keep(ctx); err != nil {
			return nil, 0, err
		}
		ids := make([]string, len(page))
		for i := range page {
			ids[i] = page[i].ID
		}
		found, err := a.read(ctx, ids)
		if err != nil {
			return nil, 0, err
		}
		lines := make(map[string][]byte, len(found))
		for _, e := range found {
			if e.Batch == b.ID { // not a new entry under the id of one that is gone
				lines[e.ID] = e.Line
			}
		}
		for _, id := range ids {
			line, ok := lines[id]
			if !ok {
				gone++
				continue
			}
			if err := o.line(entries.OneLine(line)); err != nil {
				return nil, 0, err
			}
		}
	}
	return o, gone, o.close()
}
