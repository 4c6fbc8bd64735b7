package dynamoentries

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"

	"github.com/seed-56345083/reprise/internal/awsapi"
	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger/dynamoledger"
)

// Options of Open.
type Options struct {
	Client  *dynamodb.Client        // of settings that awsapi prepared
	Streams *dynamodbstreams.Client // of the same; only the feed needs it
	Ledger  *dynamoledger.Ledger    // whose rows are counted, and whose protocols have the epochs
	Table   string                  // of the incoming lines
	AtOnce  int                     // single writes of one call that are on their way; 0: DefaultAtOnce
}

// DefaultAtOnce is how many single writes of one call are on their way where Options do not say.
const DefaultAtOnce = 32

// Entries is the incoming table. All its methods may be called by any number of goroutines at once.
type Entries struct {
	db      *dynamodb.Client
	streams *dynamodbstreams.Client
	ledger  *dynamoledger.Ledger
	tables  dynamoledger.Tables
	table   string
	atOnce  int

	mu        sync.Mutex
	arn       string              // of the stream; "": not yet asked for
	iterators map[string]iterator // by shard: where its last read ended
	ended     map[string]bool     // shards that nothing is written to any more
}

var _ entries.Entries = (*Entries)(nil)

// Open returns the entries in a table, without asking for it: [Ensure] makes it, [Look] looks at it. It holds nothing that
// needs to be closed.
func Open(o Options) (*Entries, error) {
	if o.AtOnce == 0 {
		o.AtOnce = DefaultAtOnce
	}
	if o.Client == nil || o.Ledger == nil || o.Table == "" || o.AtOnce < 0 {
		return nil, errors.New("opening the incoming table: a client, the ledger or the table's name is missing, or writes at once are below 0")
	}
	t := o.Ledger.Tables()
	if o.Table == t.Meta || o.Table == t.Cursors || o.Table == t.Stats {
		return nil, fmt.Errorf("opening the incoming table: %s is a table of the ledger", o.Table)
	}
	return &Entries{
		db: o.Client, streams: o.Streams, ledger: o.Ledger, tables: t, table: o.Table, atOnce: o.AtOnce,
		iterators: map[string]iterator{}, ended: map[string]bool{},
	}, nil
}

// explain says what was being done, on the incoming table, and what to do about it.
func (e *Entries) explain(err error, format string, args ...any) error {
	return e.explainAt(e.table, err, format, args...)
}

func (e *Entries) explainAt(table string, err error, format string, args ...any) error {
	return dynamo.Explain(err, e.db.Options().Region, table, fmt.Sprintf(format, args...))
}

// A write that meets a transaction on the same item is refused, and the SDK does not try again.
const conflictTries = 8

// alone makes a write of one item that may be made any number of times, and again where it has met a transaction;
// entries.ErrConflict where it has met too many.
func alone[In, Out, Opt any](ctx context.Context, f func(context.Context, *In, ...func(*Opt)) (*Out, error), in *In) (*Out, error) {
	for try := range conflictTries {
		out, err := dynamo.Call(ctx, f, in)
		if awsapi.ErrorCode(err) != "TransactionConflictException" {
			return out, err
		}
		if try == conflictTries-1 {
			return out, fmt.Errorf("%w: %w", entries.ErrConflict, err)
		}
		if !dynamo.Rest(ctx, rand.N(20*time.Millisecond<<try)) {
			break
		}
	}
	return nil, ctx.Err()
}
