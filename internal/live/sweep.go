package live

import (
	"context"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/telemetry"
)

// Sweep counts what the index shows of a protocol's entries in every generation that lacks it. nil: every entry that the index
// showed is counted in all generations that the protocol counted live when Sweep began and still does, or is in a batch, or gone, or
// of another protocol (a producer's mistake).
// The error is a *CountError, a failure to read, or ErrNoGeneration; what can be counted is, all the same.
func (c *Counter) Sweep(ctx context.Context, protocol string) error {
	_, err := c.sweep(ctx, protocol, everything, nil)
	return err
}

// sweepOf says which of the entries in the index a sweep looks at.
type sweepOf bool

const (
	everything sweepOf = true
	// unprocessed leaves out what is counted in some generation. Where that lacks one that was added meanwhile, the archiver
	// finds it, and so does the next sweep of everything: to read each entry every minute until it is archived would cost more
	// than to count it.
	unprocessed sweepOf = false
)

// swept is what a sweep did.
type swept struct {
	Seen    int64 // in the index
	Counted int64 // in at least one generation more than before
	Whole   bool  // it has come to the end of the index
}

const (
	// maxFailures bounds the failures that a sweep keeps.
	maxFailures = 1000
	// maxVain is how many looks in a row may count nothing for reasons that nobody has named: then it is not the entries.
	maxVain = 3
)

// sweep is Sweep of some entries; alive beats while it goes on.
func (c *Counter) sweep(ctx context.Context, protocol string, of sweepOf, alive *telemetry.Pulse) (swept, error) {
	record, err := c.o.Ledger.Protocol(ctx, protocol)
	if err != nil {
		return swept{}, fmt.Errorf("sweeping %s: reading the protocol: %w", protocol, err)
	}
	if len(record.Gens) == 0 {
		return swept{}, fmt.Errorf("sweeping %s: %w", protocol, ErrNoGeneration)
	}
	s := sweep{c: c, alive: alive, protocol: protocol, gens: record.Gens, err: CountError{Protocol: protocol}}
	ids := make([]string, 0, entries.MaxRead)
	for u, err := range c.o.Entries.Unfinished(ctx, protocol) {
		if err != nil {
			return s.done, fmt.Errorf("sweeping %s: reading the index: %w", protocol, err)
		}
		s.done.Seen++
		if u.Batch != "" || u.Processed && of == unprocessed { // who is in a batch stays there, however old the index is
			continue
		}
		if ids = append(ids, u.ID); len(ids) < cap(ids) {
			continue
		}
		if err := s.look(ctx, ids); err != nil {
			return s.done, err
		}
		ids = ids[:0]
	}
	if err := s.look(ctx, ids); err != nil {
		return s.done, err
	}
	s.done.Whole = true
	if len(s.err.Failures) > 0 {
		return s.done, &s.err
	}
	return s.done, nil
}

// sweep is a sweep under way.
type sweep struct {
	c        *Counter
	alive    *telemetry.Pulse
	protocol string
	gens     []int64
	done     swept
	vain     int // looks in a row that could count nothing
	err      CountError
}

// look reads some entries and counts those that lack a generation.
func (s *sweep) look(ctx context.Context, ids []string) error {
	s.alive.Beat()
	read, err := s.c.read(ctx, ids)
	if err != nil {
		return fmt.Errorf("sweeping %s: %w", s.protocol, err)
	}
	var need, misfiled []entries.Entry
	for _, e := range read {
		switch {
		case e.Protocol != s.protocol:
			misfiled = append(misfiled, e)
		case s.lacks(e):
			need = append(need, e)
		}
	}
	s.elsewhere(ctx, misfiled)
	if len(need) == 0 {
		return ctx.Err()
	}
	failures := s.c.count(ctx, s.protocol, need)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.err.Of += len(need)
	s.done.Counted += int64(len(need) - len(failures))
	s.err.Failures = append(s.err.Failures, failures[:min(len(failures), maxFailures-len(s.err.Failures))]...)
	if s.vain++; len(failures) < len(need) || slices.ContainsFunc(failures, Failure.Waits) {
		s.vain = 0
	}
	if s.vain == maxVain {
		return fmt.Errorf("sweeping %s: %w", s.protocol, &s.err)
	}
	return nil
}

// elsewhere counts entries that bear this protocol's todo and are another's: no other sweep sees them, and counting them puts their todo
// right. Those that nobody can count are no reason to say that this protocol is not swept.
func (s *sweep) elsewhere(ctx context.Context, misfiled []entries.Entry) {
	failures := s.c.CountEach(ctx, misfiled)
	if len(failures) > 0 && ctx.Err() == nil && s.c.often.may("misfiled "+s.protocol) {
		s.c.o.Log.Warn("entries bear the todo of another protocol than their own, and cannot be counted", zap.String("todo_of", s.protocol),
			zap.Int("entries", len(failures)), zap.String("first", failures[0].ID), zap.Error(failures[0].Err))
	}
}

func (s *sweep) lacks(e entries.Entry) bool {
	for _, g := range s.gens {
		if len(lacking([]entries.Entry{e}, g)) > 0 {
			return true
		}
	}
	return false
}
