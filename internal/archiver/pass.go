package archiver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
)

var (
	// errAgain ends a pass whose view is out of date: the protocol's epoch, or its batch, is another one.
	errAgain = errors.New("begun again")
	// errUnopened says that nothing counts the protocol: archived entries would be in no generation.
	errUnopened = errors.New("the protocol has no generation that is counted live; one is opened when the live consumer or the archiver starts")
)

// pass is one walk over a protocol's batches and entries. It belongs to one goroutine.
type pass struct {
	*Archiver
	p     Protocol
	force bool
	keep  func(context.Context) error // renews the lease

	meta   ledger.Protocol // epoch and gens, of one read
	batch  *entries.Batch  // that is joined; nil: none
	ready  []ready         // entries that are to join: less than two pages
	failed []error         // what ends nothing but is to be told

	stale     int   // joins in a row that met an entry that was not as expected
	uncounted int   // pages in a row whose counting failed
	waiting   int64 // entries that are not counted everywhere
	misfiled  int64 // entries that the index shows under this protocol and that are another's
}

// ready is an entry that is counted in all generations.
type ready struct {
	entries.Member
	bytes int64 // of its line with a newline
}

func (s *pass) run(ctx context.Context) error {
	if err := s.look(ctx); err != nil {
		return err
	}
	if err := s.walk(ctx); err != nil {
		return errors.Join(err, errors.Join(s.failed...))
	}
	s.progress.left(s.p.Name, s.waiting)
	if s.batch != nil && (s.force || s.due(*s.batch)) {
		if err := s.close(ctx); err != nil {
			return errors.Join(err, errors.Join(s.failed...))
		}
	}
	return errors.Join(s.failed...)
}

// look finishes what others, or this process before it died, have left, and finds the batch that is to be joined.
func (s *pass) look(ctx context.Context) error {
	var err error
	if s.meta, err = s.o.Ledger.Protocol(ctx, s.p.Name); err != nil {
		return fmt.Errorf("reading the epoch: %w", err)
	}
	batches, err := s.o.Entries.Unwritten(ctx, s.p.Name)
	if err != nil {
		return fmt.Errorf("looking for batches: %w", err)
	}
	for _, b := range batches {
		switch {
		case b.State == entries.Claimed || s.foreign(b) || s.due(b):
			if err := s.finishOne(ctx, b); err != nil {
				return err
			}
		case s.batch == nil:
			s.batch = &b
		case s.force: // another process was at work at the same time
			if err := s.finishOne(ctx, b); err != nil {
				return err
			}
		}
	}
	if len(s.meta.Gens) == 0 {
		return errors.Join(append(s.failed, errUnopened)...)
	}
	return nil
}

// foreign says that nothing can join: the batch is of another epoch, or another configuration has opened it.
func (s *pass) foreign(b entries.Batch) bool {
	key, err := s.o.key(s.p, b.Epoch, b.ID)
	return b.Epoch != s.meta.Epoch || err != nil || key != b.Key
}

func (s *pass) due(b entries.Batch) bool {
	return b.Bytes >= s.o.MaxBytes || b.Entries >= s.limits.entries || time.Since(b.Opened) >= s.o.MaxAge
}

// finishOne finishes a batch; what only this batch suffers from does not hold up the others.
func (s *pass) finishOne(ctx context.Context, b entries.Batch) error {
	err := s.finish(ctx, b, s.keep)
	if hopeless(err) {
		s.failed = append(s.failed, err)
		return nil
	}
	return err
}

// close ends the batch that is joined.
func (s *pass) close(ctx context.Context) error {
	b := *s.batch
	s.batch = nil
	return s.finishOne(ctx, b)
}

// walk goes through all entries that are not archived, has them counted and lets them join.
func (s *pass) walk(ctx context.Context) error {
	late := time.Now().Add(-s.o.Late)
	ids := make([]string, 0, entries.MaxRead)
	for u, err := range s.o.Entries.Unfinished(ctx, s.p.Name) {
		switch {
		case err != nil:
			return fmt.Errorf("looking for entries: %w", err)
		case u.Batch != "": // for good, however old this view is
			continue
		case s.p.Others && u.TS.After(late):
			continue
		}
		if ids = append(ids, u.ID); len(ids) == entries.MaxRead {
			if err := s.take(ctx, ids, entries.MaxJoin); err != nil {
				return err
			}
			ids = ids[:0]
		}
	}
	if err := s.take(ctx, ids, 1); err != nil {
		return err
	}
	if s.misfiled > 0 {
		s.o.Log.Warn("entries bear the todo of another protocol than their own, and are left alone",
			zap.String("todo_of", s.p.Name), zap.Int64("entries", s.misfiled))
	}
	return nil
}

// take lets entries join once at least so many are ready.
func (s *pass) take(ctx context.Context, ids []string, least int) error {
	if err := s.keep(ctx); err != nil {
		return err
	}
	counted, err := s.counted(ctx, ids)
	if err != nil {
		return err
	}
	s.ready = append(s.ready, counted...)
	for len(s.ready) >= least {
		if err := s.join(ctx); err != nil {
			return err
		}
	}
	return nil
}

// counted reads entries and returns those that are counted in all generations, after the others were counted.
func (s *pass) counted(ctx context.Context, ids []string) ([]ready, error) {
	all, lack, err := s.sort(ctx, ids)
	if err != nil || len(lack) == 0 {
		return all, err
	}
	if err := s.o.Count(ctx, s.p.Name, lack); err != nil {
		err = fmt.Errorf("counting entries: %w", err)
		if s.uncounted++; s.uncounted == countFailures || ctx.Err() != nil {
			return nil, err
		}
		s.failed = append(s.failed, err)
	} else {
		s.uncounted = 0
	}
	ids = make([]string, len(lack))
	for i := range lack {
		ids[i] = lack[i].ID
	}
	more, lack, err := s.sort(ctx, ids)
	s.waiting += int64(len(lack))
	return append(all, more...), err
}

// sort reads entries and tells those that may join from those that lack a generation. Others have left already.
func (s *pass) sort(ctx context.Context, ids []string) (all []ready, lack []entries.Entry, err error) {
	found, err := s.read(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range found {
		switch {
		case e.Archived || e.Batch != "":
		case e.Protocol != s.p.Name:
			s.misfiled++
		case e.Processed && countedIn(e, s.meta.Gens):
			line := entries.OneLine(e.Line)
			all = append(all, ready{Member: entries.Member{ID: e.ID, TS: e.TS}, bytes: int64(len(line)) + 1})
		default:
			lack = append(lack, e)
		}
	}
	return all, lack, nil
}

func countedIn(e entries.Entry, gens []int64) bool {
	return !slices.ContainsFunc(gens, func(g int64) bool { return !slices.Contains(e.Gens, g) })
}

func (a *Archiver) read(ctx context.Context, ids []string) (found []entries.Entry, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	err = a.patiently(ctx, func() error {
		found, err = a.o.Entries.Read(ctx, ids)
		return err
	})
	if err != nil {
		err = fmt.Errorf("reading entries: %w", err)
	}
	return found, err
}

// join lets a page of entries join the batch, or ends a batch that is full.
func (s *pass) join(ctx context.Context) error {
	if s.batch == nil {
		if err := s.open(ctx); err != nil {
			return err
		}
	}
	n, bytes := s.fits()
	if n == 0 {
		return s.close(ctx)
	}
	j := entries.Join{Batch: *s.batch, Gens: s.meta.Gens, Bytes: bytes}
	for _, r := range s.ready[:n] {
		j.Members = append(j.Members, r.Member)
	}
	var joined entries.Batch
	err := s.patiently(ctx, func() (err error) {
		joined, err = s.o.Entries.Join(ctx, j)
		return err
	})
	switch {
	case err == nil:
		s.progress.add(totals{joined: int64(n)})
		s.batch, s.stale = &joined, 0
		s.ready = slices.Delete(s.ready, 0, n)
		return nil
	case errors.Is(err, entries.ErrStale):
		return s.refresh(ctx, n)
	case errors.Is(err, entries.ErrEpoch), errors.Is(err, entries.ErrClosed):
		return fmt.Errorf("%w: %w", errAgain, err)
	default:
		return err
	}
}

// fits tells how many of those that are ready fit into the batch and one transaction, and their bytes. One always fits into
// an empty batch.
func (s *pass) fits() (n int, bytes int64) {
	room := s.o.MaxBytes - s.batch.Bytes
	most := min(entries.MaxJoin, int(max(0, s.limits.entries-s.batch.Entries)))
	for _, r := range s.ready[:min(len(s.ready), most)] {
		if bytes+r.bytes > room && s.batch.Entries+int64(n) > 0 || bytes+r.bytes > entries.MaxText && n > 0 {
			break
		}
		n, bytes = n+1, bytes+r.bytes
	}
	return n, bytes
}

// refresh reads a page again whose entries were not as expected. What is not as it should be time and again is left to
// the next pass.
func (s *pass) refresh(ctx context.Context, n int) error {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = s.ready[i].ID
	}
	var page []ready
	if s.stale++; s.stale < retries {
		var err error
		if page, err = s.counted(ctx, ids); err != nil {
			return err
		}
	} else {
		s.stale = 0
	}
	s.ready = append(page, s.ready[n:]...)
	return nil
}

// open begins a batch.
func (s *pass) open(ctx context.Context) error {
	now := time.Now().UTC()
	b := entries.Batch{
		ID: ulid.MustNewDefault(now).String(), Protocol: s.p.Name, Epoch: s.meta.Epoch, State: entries.Open, Opened: now,
	}
	var err error
	if b.Key, err = s.o.key(s.p, b.Epoch, b.ID); err != nil {
		return err
	}
	err = s.patiently(ctx, func() error { return s.o.Entries.OpenBatch(ctx, b) })
	switch {
	case errors.Is(err, entries.ErrEpoch):
		return fmt.Errorf("%w: %w", errAgain, err)
	case err != nil:
		return err
	}
	s.batch = &b
	return nil
}
