package dynamoledger

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"

	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// inserts is how many cursors of one Insert are on their way at once.
const inserts = 32

// Insert puts cursors that are not there yet: conditional puts side by side, one write unit each. (A batch knows no
// conditions, and a transaction costs twice as much and is given up whole where one cursor is there.)
func (l *Ledger) Insert(ctx context.Context, cursors []ledger.Cursor) error {
	if len(cursors) > ledger.MaxInsert {
		return fmt.Errorf("inserting %d cursors: at most %d at once", len(cursors), ledger.MaxInsert)
	}
	items := make([]item, len(cursors))
	for n := range cursors {
		err := cursors[n].Check()
		if err == nil {
			items[n], err = cursorItem(&cursors[n])
		}
		if err != nil {
			return fmt.Errorf("inserting cursors: %w", err)
		}
	}
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(inserts)
	for n, i := range items {
		if inner.Err() != nil {
			break
		}
		group.Go(func() error {
			_, err := dynamo.Call(inner, l.db.PutItem, &dynamodb.PutItemInput{
				TableName: &l.tables.Cursors, Item: i,
				ConditionExpression: aws.String("attribute_not_exists(#pk)"), ExpressionAttributeNames: dynamo.NamesIn("#pk"),
			})
			if _, there := dynamo.OldItem(err); there {
				return nil
			}
			return l.explain(err, l.tables.Cursors, "inserting the cursor of %s", cursors[n].Key)
		})
	}
	err := group.Wait()
	if err == nil {
		err = ctx.Err() // it ended before the first was sent
	}
	return err
}

// Cursor reads one, with its partial; ErrNotFound.
func (l *Ledger) Cursor(ctx context.Context, id ledger.CursorID) (ledger.Cursor, error) {
	c, err := l.cursor(ctx, id)
	return c, l.explain(err, l.tables.Cursors, "reading the cursor of %s", id.Key)
}

func (l *Ledger) cursor(ctx context.Context, id ledger.CursorID) (ledger.Cursor, error) {
	key, err := cursorKey(id)
	if err != nil {
		return ledger.Cursor{}, err
	}
	i, err := l.get(ctx, l.tables.Cursors, key)
	if err != nil {
		return ledger.Cursor{}, err
	}
	if i == nil {
		return ledger.Cursor{}, ledger.ErrNotFound
	}
	return cursorOf(i)
}

// Note keeps a remark about the mirror of the state.
func (l *Ledger) Note(ctx context.Context, id ledger.CursorID, remark string) error {
	key, err := cursorKey(id)
	if err != nil {
		return fmt.Errorf("noting: %w", err)
	}
	var u dynamo.Update
	u.Set(note, dynamo.Optional(remark))
	const there = "attribute_exists(#pk)"
	_, err = dynamo.Call(ctx, l.db.UpdateItem, &dynamodb.UpdateItemInput{
		TableName: &l.tables.Cursors, Key: key, UpdateExpression: aws.String(u.Expression()), ConditionExpression: aws.String(there),
		ExpressionAttributeNames: dynamo.NamesIn(u.Expression(), there), ExpressionAttributeValues: u.Values,
	})
	if _, refused := dynamo.OldItem(err); refused {
		err = ledger.ErrNotFound
	}
	return l.explain(err, l.tables.Cursors, "noting at %s", id.Key)
}
