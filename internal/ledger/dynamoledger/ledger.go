package dynamoledger

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"golang.org/x/time/rate"

	"github.com/seed-56345083/reprise/internal/awsapi"
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
	doing := fmt.Sprintf(format, args...)
	switch code := awsapi.ErrorCode(err); {
	case errors.Is(err, ledger.ErrThrottled):
		return fmt.Errorf("%s: %s: %w", doing, where, err)
	case awsapi.Throttled(err):
		return fmt.Errorf("%s: %s: %w: %w", doing, where, ledger.ErrThrottled, err)
	case code == "ResourceNotFoundException":
		return fmt.Errorf("%s: there is no table %s in region %s (reprise init --aws makes it): %w", doing, where, l.db.Options().Region, err)
	case code == "NoSuchBucket":
		return fmt.Errorf("%s: there is no bucket %s (reprise init --aws makes it): %w", doing, where, err)
	case code == "AccessDeniedException" || code == "AccessDenied":
		return fmt.Errorf("%s: these credentials are not allowed %s on %s: %w", doing, action(err), where, err)
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}

// action is the name of the permission that a call needs.
func action(err error) string {
	var op *smithy.OperationError
	if !errors.As(err, &op) {
		return "this"
	}
	switch service, name := op.Service(), op.Operation(); {
	case name == "TransactWriteItems":
		return "dynamodb:PutItem (in a transaction)"
	case service == "S3":
		return map[string]string{
			"PutObject": "s3:PutObject", "GetObject": "s3:GetObject", "ListObjectsV2": "s3:ListBucket", "DeleteObjects": "s3:DeleteObject",
		}[name]
	default:
		return "dynamodb:" + name
	}
}

// once is awsapi.Call for a call of the SDK that takes one input.
func once[In, Out, Opt any](ctx context.Context, f func(context.Context, *In, ...func(*Opt)) (*Out, error), in *In) (*Out, error) {
	return awsapi.Call(ctx, func(ctx context.Context) (*Out, error) { return f(ctx, in) })
}

// call is once for calls that may be carried out any number of times.
func call[In, Out, Opt any](ctx context.Context, f func(context.Context, *In, ...func(*Opt)) (*Out, error), in *In) (*Out, error) {
	out, err := once(ctx, f, in)
	return out, harmless(err)
}

// harmless makes ErrThrottled of the service's last word, also where another attempt may have been carried out: whoever
// tries again does no harm.
func harmless(err error) error {
	if _, throttled := retry.DefaultThrottleErrorCodes[awsapi.ErrorCode(err)]; throttled {
		return fmt.Errorf("%w: %w", ledger.ErrThrottled, err)
	}
	return err
}

// rest waits and reports whether ctx still goes on.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// get reads one item, consistently; nil: there is none.
func (l *Ledger) get(ctx context.Context, table string, key item) (item, error) {
	out, err := call(ctx, l.db.GetItem, &dynamodb.GetItemInput{TableName: &table, Key: key, ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}
