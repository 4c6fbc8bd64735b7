package worker

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
)

const (
	// outageObjects is how many different objects must fail, with no success between them, before it is not their fault.
	// Each process that meets an outage holds attempts against fewer than so many.
	outageObjects = 3
	// outageForgets is the time without a failure after which the failures before it say nothing about the next one.
	outageForgets = time.Hour
	// outageSpares is for how long an outage is believed: where all that is left is objects that nobody may ever read,
	// they must come to their end. A real outage beyond it fails objects no faster than they are probed.
	outageSpares = 24 * time.Hour
	// outageProbe is the longest time between two probes.
	outageProbe = time.Minute
)

// outage tells a service that is down, and a role that is denied, from an object that cannot be read: in an outage
// different objects fail one after the other and none succeeds. It may be used by any number of goroutines.
type outage struct {
	log   *zap.Logger
	mu    sync.Mutex
	keys  []string      // objects that failed since the last success, up to outageObjects
	since time.Time     // of the first of these failures
	last  time.Time     // the last failure
	said  time.Time     // the last warning
	over  chan struct{} // closed when the outage ends; nil: there is none
}

// failed takes down that an object could not be read, for a reason that may be the service's. It reports whether it is:
// then the attempt must not be held against the object.
func (o *outage) failed(key string, reason error) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if now.Sub(o.last) > outageForgets {
		o.end()
	}
	o.last = now
	if len(o.keys) == 0 {
		o.since = now
	}
	if len(o.keys) < outageObjects && !slices.Contains(o.keys, key) {
		o.keys = append(o.keys, key)
	}
	if len(o.keys) < outageObjects {
		return false
	}
	if o.over == nil {
		o.over = make(chan struct{})
		o.said = time.Time{}
	}
	lasts := now.Sub(o.since)
	if now.Sub(o.said) >= time.Minute {
		o.said = now
		o.log.Warn("every object fails: taken for an outage, or for a role that may not read; objects are tried one at a time until one succeeds",
			zap.Duration("since", lasts), zap.Bool("attempts_count", lasts >= outageSpares), zap.String("object", key), zap.NamedError("reason", reason))
	}
	return lasts < outageSpares
}

// succeeded takes down that an object could be read.
func (o *outage) succeeded() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over != nil {
		o.log.Info("objects can be read again: the outage is over", zap.Duration("after", time.Since(o.since)))
	}
	o.end()
}

// end forgets all failures; mu is held.
func (o *outage) end() {
	o.keys = o.keys[:0]
	if o.over != nil {
		close(o.over)
		o.over = nil
	}
}

// lasting is a channel that is closed when the present outage ends, and nil where there is none.
func (o *outage) lasting() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.over
}

// weigh looks at what came of a message that was to read an object, and marks an error that is an outage's. Folds do
// not come into it, because they do not read the archive.
func (j *job) weigh(err error) error {
	switch {
	case !j.claimed || j.task.Fold:
	case j.cursor.NoProgress == 0: // lines were committed, whatever came then
		j.w.outage.succeeded()
	case maybeOutage(err) && j.w.outage.failed(j.task.Key, err):
		return fmt.Errorf("%w: %w", errOutage, err)
	}
	return err
}

// maybeOutage reports whether an error may be the service's or the role's: refusals, and all that nobody has named (network,
// server errors, timeouts), but for panics, which are our own.
func maybeOutage(err error) bool {
	return errors.Is(err, archive.ErrThrottled) || errors.Is(err, ledger.ErrThrottled) ||
		decide(err, 0, 1) == Retry && !errors.Is(err, errPanic)
}
