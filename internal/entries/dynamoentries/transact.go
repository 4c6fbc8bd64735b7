package dynamoentries

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/seed-56345083/reprise/internal/awsapi"
	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// write is one item of a transaction, and what it means that its condition does not hold.
type write struct {
	types.TransactWriteItem
	refused error
}

// refusal is the error of a transaction of which a condition does not hold.
type refusal struct {
	error
	item dynamo.Item // as it stood, where the write asked for that
}

func (r *refusal) Unwrap() error { return r.error }

// transact carries out all the writes or none. Of several whose conditions do not hold the first one tells the error. The
// token stays the same over all attempts of the call: DynamoDB knows an attempt that was carried out, so a condition that does
// not hold is never the call's own earlier attempt.
func (e *Entries) transact(ctx context.Context, writes []write) error {
	items := make([]types.TransactWriteItem, len(writes))
	for n := range writes {
		items[n] = writes[n].TransactWriteItem
	}
	_, err := dynamo.Once(ctx, e.db.TransactWriteItems, &dynamodb.TransactWriteItemsInput{
		TransactItems: items, ClientRequestToken: aws.String(rand.Text()),
	})
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		return err
	}
	return verdict(writes, cancelled.CancellationReasons, err)
}

// verdict is why a transaction was cancelled. A condition that does not hold says more than what another item has met at the
// same time.
func verdict(writes []write, reasons []types.CancellationReason, err error) error {
	var met, busy bool
	var invalid error
	for n, r := range reasons {
		switch code := aws.ToString(r.Code); code {
		case "", "None":
		case "ConditionalCheckFailed":
			if n < len(writes) {
				return &refusal{error: writes[n].refused, item: r.Item}
			}
		case "TransactionConflict":
			met = true
		case "ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded":
			busy = true
		default:
			if invalid == nil {
				invalid = fmt.Errorf("item %d of the transaction: %s: %s: %w", n+1, code, aws.ToString(r.Message), err)
			}
		}
	}
	switch {
	case invalid != nil:
		return invalid
	case met:
		return fmt.Errorf("%w: %w", entries.ErrConflict, err)
	case busy && !awsapi.Unclear(err):
		return fmt.Errorf("%w: %w", ledger.ErrThrottled, err)
	default:
		return err
	}
}

// change is the update of an item of the incoming table under a condition.
func (e *Entries) change(name string, u *dynamo.Update, condition string, refused error) write {
	expression := u.Expression()
	return write{refused: refused, TransactWriteItem: types.TransactWriteItem{Update: &types.Update{
		TableName: &e.table, Key: dynamo.Item{id: dynamo.Text(name)},
		UpdateExpression: &expression, ConditionExpression: &condition,
		ExpressionAttributeNames: dynamo.NamesIn(expression, condition), ExpressionAttributeValues: u.Values,
	}}}
}
