package dynamo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/seed-56345083/reprise/internal/awsapi"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// Once is awsapi.Call for a call of the SDK that takes one input.
func Once[In, Out, Opt any](ctx context.Context, f func(context.Context, *In, ...func(*Opt)) (*Out, error), in *In) (*Out, error) {
	return awsapi.Call(ctx, func(ctx context.Context) (*Out, error) { return f(ctx, in) })
}

// Call is Once for calls that may be carried out any number of times.
func Call[In, Out, Opt any](ctx context.Context, f func(context.Context, *In, ...func(*Opt)) (*Out, error), in *In) (*Out, error) {
	out, err := Once(ctx, f, in)
	return out, Harmless(err)
}

// Harmless makes ErrThrottled of the service's last word, also where another attempt may have been carried out: whoever
// tries again does no harm.
func Harmless(err error) error {
	if _, throttled := retry.DefaultThrottleErrorCodes[awsapi.ErrorCode(err)]; throttled {
		return fmt.Errorf("%w: %w", ledger.ErrThrottled, err)
	}
	return err
}

// Rest waits and reports whether ctx still goes on.
func Rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Explain turns an error of a service into one of the ledger's contract, with what was being done, on what (where, a table or
// a bucket), and what to do about it.
func Explain(err error, region, where, doing string) error {
	if err == nil {
		return nil
	}
	switch code := awsapi.ErrorCode(err); {
	case errors.Is(err, ledger.ErrThrottled):
		return fmt.Errorf("%s: %s: %w", doing, where, err)
	case awsapi.Throttled(err):
		return fmt.Errorf("%s: %s: %w: %w", doing, where, ledger.ErrThrottled, err)
	case code == "ResourceNotFoundException":
		return fmt.Errorf("%s: there is no table %s in region %s (reprise init --aws makes it): %w", doing, where, region, err)
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
		return "dynamodb:PutItem, or what else stands in the transaction,"
	case service == "S3":
		return map[string]string{
			"PutObject": "s3:PutObject", "GetObject": "s3:GetObject", "ListObjectsV2": "s3:ListBucket", "DeleteObjects": "s3:DeleteObject",
		}[name]
	default:
		return "dynamodb:" + name
	}
}

// OldItem is the item that did not fulfil a condition, as it stood then, and whether err says that at all. An empty item:
// there was none.
func OldItem(err error) (i Item, refused bool) {
	var failed *types.ConditionalCheckFailedException
	if !errors.As(err, &failed) {
		return nil, false
	}
	return failed.Item, true
}

// Get reads one item, consistently; nil: there is none.
func Get(ctx context.Context, client *dynamodb.Client, table string, key Item) (Item, error) {
	out, err := Call(ctx, client.GetItem, &dynamodb.GetItemInput{TableName: &table, Key: key, ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}

// MaxBatchGet is how many keys one BatchGet takes.
const MaxBatchGet = 100

// A batch that DynamoDB leaves undone again and again is given up after batchLimit. An answer has up to 16 MiB.
const (
	batchLimit   = 30 * time.Second
	batchAttempt = 15 * time.Second
	batchPause   = 50 * time.Millisecond
	maxPause     = 3 * time.Second
)

// BatchGet reads items by their keys, each of which comes once, consistently and in no certain order. Those that are not
// there are left out. What DynamoDB leaves undone is asked for again.
func BatchGet(ctx context.Context, client *dynamodb.Client, table string, keys []Item) ([]Item, error) {
	var found []Item
	deadline := time.Now().Add(batchLimit)
	for pause := batchPause; len(keys) > 0; pause = min(2*pause, maxPause) {
		out, err := Call(awsapi.WithAttemptTimeout(ctx, batchAttempt), client.BatchGetItem, &dynamodb.BatchGetItemInput{
			RequestItems: map[string]types.KeysAndAttributes{table: {Keys: keys, ConsistentRead: aws.Bool(true)}},
		})
		if err != nil {
			return nil, err
		}
		found = append(found, out.Responses[table]...)
		left := out.UnprocessedKeys[table].Keys
		if len(left) == 0 {
			break
		}
		if len(left) < len(keys) { // large items come in several answers
			pause = batchPause
		}
		keys = left
		wait := rand.N(pause)
		if time.Until(deadline) < wait {
			return nil, fmt.Errorf("%w: %d items of a batch were left undone for %s", ledger.ErrThrottled, len(keys), batchLimit)
		}
		if !Rest(ctx, wait) {
			return nil, ctx.Err()
		}
	}
	return found, nil
}
