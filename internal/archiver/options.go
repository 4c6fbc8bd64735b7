package archiver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// Options are what archiving needs. Zero durations and numbers take the defaults.
type Options struct {
	Ledger  ledger.Ledger
	Entries entries.Entries
	Archive archive.Archive
	// Count counts entries in all generations that lack them. What it leaves uncounted is not archived.
	Count func(ctx context.Context, protocol string, list []entries.Entry) error

	Owner     string          // of the leases: unique among processes
	Prefix    string          // of the archive's keys
	Layout    *archive.Layout // of the keys below it; with {rest}
	Protocols []Protocol

	MaxBytes int64         // of the text of an object, before it is compressed (default 64 MiB, at most 1 GiB)
	MaxAge   time.Duration // of a batch that is joined (default 5 min)
	Keep     time.Duration // between an entry's archiving and its removal (default 48 h, longer than a stream remembers)
	Late     time.Duration // age, by their TS, at which entries that others archive are marked (default 15 min)
	Lease    time.Duration // how long a step is one process's (default 1 min)
	Interval time.Duration // between two looks of Run (default a tenth of MaxAge, 1 s to 30 s)
	Log      *zap.Logger   // default: none
}

// Protocol is one whose entries are archived.
type Protocol struct {
	Name   string
	Others bool // others write its archive: its entries are only marked as archived
}

const (
	maxBytes      = 64 << 20
	maxMaxBytes   = 1 << 30
	maxKeyBytes   = 1024
	retries       = 8  // of a call that was refused for a while
	restarts      = 20 // of a pass whose batch or epoch was another one's
	attempts      = 5  // of a protocol by Once
	countFailures = 3  // pages in a row that may fail to be counted
	releaseTime   = 5 * time.Second
	logEvery      = time.Minute
	expireStep    = 500
	expireSteps   = 100 // of one look
)

// limits are what tests make small.
type limits struct {
	first, most time.Duration // pauses between two tries
	wait        time.Duration // for a lease
	entries     int64         // of a batch: their ids are in memory while it is written
	member      int64         // bytes of text in a gzip member: a worker that takes an object up again begins at one
}

var usual = limits{first: 50 * time.Millisecond, most: 5 * time.Second, wait: 500 * time.Millisecond, entries: 250_000, member: 4 << 20}

func (o *Options) normalize() error {
	if o.Ledger == nil || o.Entries == nil || o.Archive == nil || o.Count == nil || o.Owner == "" || o.Layout == nil {
		return errors.New("archiver: a ledger, entries, an archive, a counter, an owner and a layout are needed")
	}
	for d, value := range map[*time.Duration]time.Duration{
		&o.MaxAge: 5 * time.Minute, &o.Keep: 48 * time.Hour, &o.Late: 15 * time.Minute, &o.Lease: time.Minute,
	} {
		switch {
		case *d == 0:
			*d = value
		case *d < 0:
			return fmt.Errorf("archiver: a duration of %s", *d)
		}
	}
	if o.Interval == 0 {
		o.Interval = min(max(o.MaxAge/10, time.Second), 30*time.Second)
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = maxBytes
	}
	if o.MaxBytes < 1 || o.MaxBytes > maxMaxBytes {
		return fmt.Errorf("archiver: objects of %d bytes; 1 to %d are possible", o.MaxBytes, maxMaxBytes)
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	for _, p := range o.Protocols {
		if _, err := o.key(p, 1<<53, ulid.MustNewDefault(time.Now()).String()); err != nil {
			return fmt.Errorf("archiver: protocol %s: %w", p.Name, err)
		}
	}
	return nil
}

// key is where the object of a batch is to be; "" where others write the archive.
func (o *Options) key(p Protocol, epoch int64, batch string) (string, error) {
	if p.Others {
		return "", nil
	}
	id, err := ulid.ParseStrict(batch)
	if err != nil {
		return "", fmt.Errorf("batch %q: %w", batch, err)
	}
	below, err := o.Layout.Key(p.Name, ulid.Time(id.Time()), archive.ObjectName(epoch, batch))
	if err != nil {
		return "", err
	}
	if key := o.Prefix + below; len(key) <= maxKeyBytes {
		return key, nil
	}
	return "", fmt.Errorf("keys below %q are longer than %d bytes", o.Prefix, maxKeyBytes)
}
