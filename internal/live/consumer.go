package live

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/telemetry"
)

// ConsumerOptions are what reading the feed needs. Zero durations and numbers take the defaults.
type ConsumerOptions struct {
	Counter   *Counter
	Protocols []string // whose entries are counted; those of others stay as they are. Empty: every protocol that has a generation
	Owner     string   // of the leases: unique among processes

	Shards   int           // that are read at once (default 16)
	Batch    int           // records of one read (default 500)
	Poll     time.Duration // between two reads of a shard that had nothing more (default 1 s)
	Discover time.Duration // between two looks for shards that nobody reads (default 10 s)
	Save     time.Duration // the longest time between two checkpoints of a shard that has news (default 5 s); six times that without
	Lease    time.Duration // after which what a dead process read is taken over (default 30 s)
	Patience time.Duration // with entries that the store refuses, before they are left to the sweeps (default 2 min)
	Sweep    time.Duration // between two sweeps of entries that are not counted in any generation (default 1 min)
	SweepAll time.Duration // between two sweeps of all entries that are not archived (default 1 h)
	Compact  time.Duration // between two compactions (default 24 h)
	Once     bool          // end when every shard was read to the present and a sweep found nothing left of what was there
	Log      *zap.Logger   // default: none

	// Whom to tell that the loops go on, that look for shards and that sweep; both may be nil.
	Following, Sweeping *telemetry.Pulse
}

// Consumer reads the feed and counts what it brings. Run it once.
type Consumer struct {
	o       ConsumerOptions
	counter *Counter

	reading sync.Map      // shards that are read here, by their IDs
	changed chan struct{} // has a token when a shard was read to its end: its children may be read
	trimmed chan struct{} // has a token when the feed has lost something: only a sweep finds it
	done    done
	started atomic.Bool
	metrics *telemetry.Live
	shards  atomic.Int64 // when the feed's shards were read last, in nanoseconds since 1970
}

// done is what a consumer has done since it said so last.
type done struct {
	read, bad, left atomic.Int64
	lag             sync.Map // by shard: position
}

// position is how far a shard was read.
type position struct {
	behind time.Time // when the last record read was written, where more wait; zero: nothing waits
	at     time.Time // when it was read, and what it brought counted
}

// lagPatience is how long a shard may go without being read before it counts as behind: longer than a poll and a read.
const lagPatience = 15 * time.Second

// Observe lets the consumer tell what it does. Call it before Run.
func (c *Consumer) Observe(m *telemetry.Metrics) {
	c.metrics = m.Live(c.lag, c.reads)
}

// reads is how many shards are read here.
func (c *Consumer) reads() int {
	n := 0
	c.reading.Range(func(any, any) bool { n++; return true })
	return n
}

// lag is how far the slowest of the shards that are read here is behind. One that cannot be read is as far behind as that lasts,
// and so is all of the feed where its shards cannot be read.
func (c *Consumer) lag() time.Duration {
	lag := time.Since(time.Unix(0, c.shards.Load()))
	if lag < lagPatience+c.o.Discover {
		lag = 0
	}
	c.done.lag.Range(func(_, at any) bool {
		switch p := at.(position); {
		case !p.behind.IsZero():
			lag = max(lag, time.Since(p.behind))
		case time.Since(p.at) > lagPatience:
			lag = max(lag, time.Since(p.at))
		}
		return true
	})
	return lag
}

// NewConsumer makes a consumer; nothing runs yet.
func NewConsumer(o ConsumerOptions) (*Consumer, error) {
	if o.Counter == nil || o.Owner == "" {
		return nil, errors.New("live: a counter and an owner are needed")
	}
	for d, value := range map[*time.Duration]time.Duration{
		&o.Poll: time.Second, &o.Discover: 10 * time.Second, &o.Save: 5 * time.Second, &o.Lease: 30 * time.Second,
		&o.Patience: 2 * time.Minute, &o.Sweep: time.Minute, &o.SweepAll: time.Hour, &o.Compact: 24 * time.Hour,
	} {
		if *d == 0 {
			*d = value
		}
		if *d < 0 {
			return nil, errors.New("live: no duration may be below 0")
		}
	}
	for n, value := range map[*int]int{&o.Shards: 16, &o.Batch: 500} {
		if *n == 0 {
			*n = value
		}
		if *n < 1 {
			return nil, errors.New("live: shards and batch must be above 0")
		}
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	c := &Consumer{o: o, counter: o.Counter, changed: make(chan struct{}, 1), trimmed: make(chan struct{}, 1)}
	c.shards.Store(time.Now().UnixNano())
	return c, nil
}

var errStarted = errors.New("live: a consumer runs once")

// Run reads and counts until ctx ends, then saves its checkpoints, gives its leases back, and returns nil when every goroutine
// that it started has ended. Errors of the store are logged, and what they were about is tried again. With Once it ends by itself:
// nil when everything was counted that was there when it began, else an error that says what was not.
//
// The protocols need their first generation before (replay.Driver.OpenLive): entries of a protocol without one are passed over, and
// counted by the sweeps when there is one.
func (c *Consumer) Run(ctx context.Context) error {
	if c.started.Swap(true) {
		return errStarted
	}
	if c.o.Once {
		return c.once(ctx)
	}
	var jobs sync.WaitGroup
	for _, job := range []func(context.Context){c.follow, c.sweep, c.compact, c.report} {
		jobs.Go(func() { job(ctx) })
	}
	jobs.Wait()
	return nil
}

// report says once a minute what was done.
func (c *Consumer) report(ctx context.Context) {
	for ctx.Err() == nil {
		pause(ctx, time.Minute)
		c.o.Log.Info("progress", zap.Int("shards", c.reads()), zap.Int64("entries", c.done.read.Swap(0)),
			zap.Int64("undecodable", c.done.bad.Swap(0)), zap.Int64("left_to_sweeps", c.done.left.Swap(0)), zap.Duration("lag", c.lag()))
	}
}

// signal puts the token into a channel that holds one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
