package archiver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/telemetry"
)

// Archiver archives the entries of some protocols. Its methods may be called by several goroutines: passes and Onces
// take turns, and so do all that hold an object in memory.
type Archiver struct {
	o        Options
	limits   limits
	looking  chan struct{} // held by who walks over entries
	building chan struct{} // held by who has an object in memory
	progress progress
	alive    *telemetry.Pulse
	counted  time.Time // when the backlog was counted last
}

// New makes an archiver.
func New(o Options) (*Archiver, error) {
	if err := o.normalize(); err != nil {
		return nil, err
	}
	return &Archiver{o: o, limits: usual, looking: make(chan struct{}, 1), building: make(chan struct{}, 1)}, nil
}

// Run archives until ctx ends, and then returns nil. What fails is logged and tried again. Wherever it stops, any other
// run goes on.
func (a *Archiver) Run(ctx context.Context) error {
	rest := map[string]failure{}
	for ctx.Err() == nil {
		a.alive.Beat()
		a.backlog(ctx)
		for _, p := range a.o.Protocols {
			if time.Now().Before(rest[p.Name].until) {
				continue
			}
			before := a.progress.moved()
			err := a.protocol(ctx, p, false, false)
			f := rest[p.Name]
			if a.progress.moved() > before {
				f.times = 0
			}
			rest[p.Name] = a.judge(ctx, p, f, err)
		}
		a.expire(ctx)
		a.progress.log(a.o.Log, logEvery)
		_ = pause(ctx, a.o.Interval)
	}
	a.progress.log(a.o.Log, 0)
	return nil
}

// failure is how often a protocol has failed in a row without getting on, and until when it is left alone.
type failure struct {
	times int
	until time.Time
}

func (a *Archiver) judge(ctx context.Context, p Protocol, before failure, err error) failure {
	switch {
	case err == nil, ctx.Err() != nil:
		return failure{}
	case errors.Is(err, ledger.ErrHeld):
		a.o.Log.Debug("another process archives", zap.String("protocol", p.Name))
		return failure{}
	}
	f := failure{times: before.times + 1}
	wait := backoff(f.times, a.o.Interval, logEvery)
	f.until = time.Now().Add(wait)
	a.o.Log.Error("archiving", zap.String("protocol", p.Name), zap.Int("times", f.times), zap.Duration("again_in", wait), zap.Error(err))
	return f
}

// Once makes one pass over all protocols: every entry that is there, and that is or can be counted in all generations, is
// in a batch, and every batch that is due is written. With force the young and small ones are due as well. It waits
// for another process that archives, and tries what fails a few times.
func (a *Archiver) Once(ctx context.Context, force bool) error {
	var errs []error
	for _, p := range a.o.Protocols {
		if err := a.persistently(ctx, p, force); err != nil {
			errs = append(errs, fmt.Errorf("archiving %s: %w", p.Name, err))
		}
	}
	a.expire(ctx)
	a.progress.log(a.o.Log, 0)
	return errors.Join(errs...)
}

func (a *Archiver) persistently(ctx context.Context, p Protocol, force bool) error {
	for n := 1; ; n++ {
		err := a.protocol(ctx, p, force, true)
		if err == nil || n == attempts || hopeless(err) || ctx.Err() != nil {
			return err
		}
		a.o.Log.Warn("archiving again", zap.String("protocol", p.Name), zap.Error(err))
		if pause(ctx, backoff(n, a.limits.first, a.limits.most)) != nil {
			return err
		}
	}
}

// Drain writes all batches of a protocol that were opened before an epoch, whoever has the lease: a replay of that epoch
// lists the archive only when there are none left. nil: none is left.
func (a *Archiver) Drain(ctx context.Context, protocol string, epoch int64) error {
	batches, err := a.o.Entries.Unwritten(ctx, protocol)
	if err != nil {
		return fmt.Errorf("looking for batches of %s: %w", protocol, err)
	}
	var errs []error
	for _, b := range batches {
		if b.Epoch >= epoch {
			continue
		}
		if err := a.finish(ctx, b, nothing); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func nothing(context.Context) error { return nil }

// protocol makes passes over one protocol under its lease until one comes to its end.
func (a *Archiver) protocol(ctx context.Context, p Protocol, force, wait bool) error {
	if err := enter(ctx, a.looking); err != nil {
		return err
	}
	defer leave(a.looking)
	keep, err := a.lease(ctx, p.Name, wait)
	if err != nil {
		return err
	}
	defer a.release(ctx, p.Name)
	for range restarts {
		s := pass{Archiver: a, p: p, force: force, keep: keep}
		if err = s.run(ctx); !errors.Is(err, errAgain) {
			return err
		}
	}
	return err
}

func leaseName(protocol string) string { return "archive#" + protocol }

// lease takes a protocol's lease, waiting for it if wait says so. What it returns is to be called again and again: it
// renews the lease when a third of it is over.
func (a *Archiver) lease(ctx context.Context, protocol string, wait bool) (keep func(context.Context) error, err error) {
	var renewed time.Time
	keep = func(ctx context.Context) error {
		a.alive.Beat()
		now := time.Now()
		if now.Sub(renewed) < a.o.Lease/3 {
			return nil
		}
		l, err := a.o.Ledger.AcquireLease(ctx, ledger.Lease{Name: leaseName(protocol), Owner: a.o.Owner, Until: now.Add(a.o.Lease)}, now)
		if err != nil {
			return fmt.Errorf("lease of archiving %s, held by %s: %w", protocol, l.Owner, err)
		}
		renewed = now
		return nil
	}
	for said := false; ; {
		err := keep(ctx)
		if err == nil || !wait || !errors.Is(err, ledger.ErrHeld) {
			return keep, err
		}
		if !said {
			a.o.Log.Info("waiting for another process that archives", zap.String("protocol", protocol), zap.Error(err))
			said = true
		}
		if err := pause(ctx, jitter(a.limits.wait)); err != nil {
			return nil, err
		}
	}
}

// release frees the lease also where ctx has ended: nobody should have to wait for it to run out.
func (a *Archiver) release(ctx context.Context, protocol string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	if err := a.o.Ledger.ReleaseLease(ctx, leaseName(protocol), a.o.Owner); err != nil {
		a.o.Log.Debug("releasing a lease", zap.String("protocol", protocol), zap.Error(err))
	}
}

// expire removes what was archived long enough ago, in steps, and no more than so many at once. It can wait.
func (a *Archiver) expire(ctx context.Context) {
	for range expireSteps {
		if ctx.Err() != nil {
			return
		}
		n, err := a.o.Entries.Expire(ctx, time.Now(), expireStep)
		a.progress.add(totals{removed: int64(n)})
		if err != nil && ctx.Err() == nil {
			a.o.Log.Warn("removing archived entries", zap.Error(err))
		}
		if err != nil || n == 0 {
			return
		}
	}
}

// patiently makes a call again that was refused for a while; nothing was written then.
func (a *Archiver) patiently(ctx context.Context, call func() error) error {
	for n := 1; ; n++ {
		err := call()
		if !errors.Is(err, entries.ErrConflict) && !errors.Is(err, ledger.ErrThrottled) || n == retries {
			return err
		}
		if pause(ctx, backoff(n, a.limits.first, a.limits.most)) != nil {
			return err
		}
	}
}

func enter(ctx context.Context, door chan struct{}) error {
	select {
	case door <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func leave(door chan struct{}) { <-door }

// backoff is the delay after failure number n, from 1: between half and all of base doubled n-1 times, up to limit.
func backoff(n int, base, limit time.Duration) time.Duration {
	d := limit
	if n < 30 && base<<(n-1) < limit {
		d = base << (n - 1)
	}
	return jitter(d)
}

func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

// pause waits for d, or until ctx ends: its error then.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
