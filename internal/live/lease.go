package live

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/ledger"
)

// errLost says that another process has taken the lease over.
var errLost = errors.New("another process has the lease now")

// lastWrites bounds what is written after a stop.
const lastWrites = 5 * time.Second

// afterStop is the context of what is written when a job has ended, perhaps because its own has.
func afterStop(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), lastWrites)
}

// under does a job while it holds a lease, and reports whether it could: no lease is waited for. The job's context ends with the
// cause errLost when the lease is lost. A job that has come to its end by itself, without an error, leaves the lease standing
// until rest has passed since it began, so that all processes together do it once in that time.
func (c *Consumer) under(ctx context.Context, name string, rest time.Duration, job func(context.Context) error) (held bool, err error) {
	began := time.Now()
	if err := c.acquire(ctx, name, began.Add(c.o.Lease)); err != nil {
		if errors.Is(err, ledger.ErrHeld) {
			return false, nil
		}
		return false, err
	}
	working, lose := context.WithCancelCause(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() { c.renew(working, name, lose) })
	err = job(working)
	lost := context.Cause(working) == errLost //nolint:errorlint // our own, as it was given
	lose(nil)
	renewing.Wait()
	if lost {
		return true, fmt.Errorf("lease %s: %w", name, errLost)
	}
	last, cancel := afterStop(ctx)
	defer cancel()
	if until := began.Add(rest); err == nil && ctx.Err() == nil && until.After(time.Now()) {
		if err := c.acquire(last, name, until); err != nil && !errors.Is(err, ledger.ErrHeld) {
			return true, err
		}
		return true, nil
	}
	if e := c.counter.o.Ledger.ReleaseLease(last, name, c.o.Owner); e != nil {
		c.o.Log.Warn("giving a lease back: it is free when its time is over", zap.String("lease", name), zap.Error(e))
	}
	return true, err
}

func (c *Consumer) acquire(ctx context.Context, name string, until time.Time) error {
	_, err := c.counter.o.Ledger.AcquireLease(ctx, ledger.Lease{Name: name, Owner: c.o.Owner, Until: until}, time.Now())
	return err
}

// renew keeps a lease until ctx ends, and ends ctx when somebody else has it.
func (c *Consumer) renew(ctx context.Context, name string, lose context.CancelCauseFunc) {
	for {
		pause(ctx, c.o.Lease/3)
		if ctx.Err() != nil {
			return
		}
		err := c.acquire(ctx, name, time.Now().Add(c.o.Lease))
		switch {
		case errors.Is(err, ledger.ErrHeld):
			lose(errLost)
			return
		case err != nil && ctx.Err() == nil: // leases save work only: the job goes on
			c.o.Log.Warn("keeping a lease", zap.String("lease", name), zap.Error(err))
		}
	}
}
