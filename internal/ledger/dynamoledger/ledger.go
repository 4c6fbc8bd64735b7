package dynamoledger

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/time/rate"

	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// DefaultWriteRate is how many write units a second one process spends on rows where Options do not say: a quarter of
// what a new on-demand table takes.
const DefaultWriteRate = 1000

// DefaultPrefix is where segments are kept where Options do not say. No archive may lie below it.
const DefaultPrefix = "partials/"

// Tables are the names of the tables, which must differ.
type Tables struct {
	Meta    string // protocols, generations, replays, leases, progress
	Cursors string
	Stats   string // rows
}

// Options of Open.
type Options struct {
	Client    *dynamodb.Client // of settings that awsapi prepared
	Tables    Tables
	S3        *s3.Client // of the same
	Bucket    string     // for the partials that are too large for a cursor
	Prefix    string     // of their keys, with a slash at its end; "": DefaultPrefix
	WriteRate float64    // write units a second for PutRows and Purge together; 0: DefaultWriteRate
}

// Ledger is the ledger in three tables and a prefix of a bucket. All its methods may be called by any number of
// goroutines at once.
type Ledger struct {
	db     *dynamodb.Client
	tables Tables
	s3     *s3.Client
	bucket string
	prefix string
	limit  *rate.Limiter // write units of rows

	mu    sync.Mutex
	known map[place]time.Time // partitions that stand in the directory, and when they were put there
}

var _ ledger.Ledger = (*Ledger)(nil)

// Open returns the ledger in the tables, without asking for them: [Ensure] makes them, [Check] looks at them. It holds
// nothing that needs to be closed.
func Open(o Options) (*Ledger, error) {
	t := o.Tables
	switch {
	case o.Client == nil || o.S3 == nil:
		return nil, errors.New("opening the ledger: a client is missing")
	case t.Meta == "" || t.Cursors == "" || t.Stats == "" || o.Bucket == "":
		return nil, errors.New("opening the ledger: a table's or the bucket's name is missing")
	case t.Meta == t.Cursors || t.Meta == t.Stats || t.Cursors == t.Stats:
		return nil, fmt.Errorf("opening the ledger: %s, %s and %s are not three tables", t.Meta, t.Cursors, t.Stats)
	case o.WriteRate < 0:
		return nil, fmt.Errorf("opening the ledger: a rate of %g write units a second", o.WriteRate)
	}
	l := &Ledger{db: o.Client, tables: t, s3: o.S3, bucket: o.Bucket, prefix: o.Prefix, known: map[place]time.Time{}}
	if l.prefix == "" {
		l.prefix = DefaultPrefix
	}
	if o.WriteRate == 0 {
		o.WriteRate = DefaultWriteRate
	}
	l.limit = rate.NewLimiter(rate.Limit(o.WriteRate), max(int(min(o.WriteRate, 1e6)), 1))
	return l, nil
}

// explain turns an error of a service into one of the contract's, with what was being done and what to do about it.
func (l *Ledger) explain(err error, where, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return dynamo.Explain(err, l.db.Options().Region, where, fmt.Sprintf(format, args...))
}

// get reads one item, consistently; nil: there is none.
func (l *Ledger) get(ctx context.Context, table string, key item) (item, error) {
	return dynamo.Get(ctx, l.db, table, key)
}
