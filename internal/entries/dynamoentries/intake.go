package dynamoentries

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"math"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/seed-56345083/reprise/internal/awsapi"
	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/internal/entries"
)

// Put puts new entries: conditional puts side by side. Of an id that comes twice the first counts, and the second was there.
func (e *Entries) Put(ctx context.Context, list []entries.Entry) (there int, err error) {
	if err := entries.CheckPut(list); err != nil {
		return 0, fmt.Errorf("putting entries: %w", err)
	}
	var found atomic.Int64
	seen := make(map[string]bool, len(list))
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(e.atOnce)
	for _, entry := range list {
		if inner.Err() != nil {
			break
		}
		if seen[entry.ID] {
			found.Add(1)
			continue
		}
		seen[entry.ID] = true
		group.Go(func() error {
			was, err := e.put(inner, entry)
			if was {
				found.Add(1)
			}
			return e.explain(err, "putting entry %q", entry.ID)
		})
	}
	err = group.Wait()
	if err == nil {
		err = ctx.Err() // it ended before the first was sent
	}
	return int(found.Load()), err
}

// put reports whether the entry's id was there before. Where an earlier attempt may have been carried out, an entry with the
// same content is that attempt's.
func (e *Entries) put(ctx context.Context, entry entries.Entry) (was bool, _ error) {
	const fresh = "attribute_not_exists(#id)"
	_, err := dynamo.Call(ctx, e.db.PutItem, &dynamodb.PutItemInput{
		TableName: &e.table, Item: newItem(entry), ConditionExpression: aws.String(fresh), ExpressionAttributeNames: dynamo.NamesIn(fresh),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	unclear := awsapi.Unclear(err)
	old, refused := dynamo.OldItem(err)
	if awsapi.ErrorCode(err) == "TransactionConflictException" { // it is there, and somebody is counting it
		if old, err = dynamo.Get(ctx, e.db, e.table, dynamo.Item{id: dynamo.Text(entry.ID)}); err == nil {
			refused = len(old) > 0
		}
	}
	switch {
	case !refused:
		return false, err
	case !unclear:
		return true, nil
	}
	stands, err := entryOf(old)
	same := err == nil && stands.Protocol == entry.Protocol && stands.TS.Equal(entry.TS) && bytes.Equal(stands.Line, entry.Line)
	return !same, nil
}

// Read returns the entries of these ids. What is no entry is left out: the feed names it when it comes.
func (e *Entries) Read(ctx context.Context, ids []string) ([]entries.Entry, error) {
	if err := entries.CheckRead(len(ids)); err != nil {
		return nil, fmt.Errorf("reading entries: %w", err)
	}
	var keys []dynamo.Item
	seen := make(map[string]bool, len(ids))
	for _, name := range ids {
		key, possible := keyOf(name)
		if possible && !seen[name] && !isOwn(name) {
			keys = append(keys, key)
		}
		seen[name] = true
	}
	items, err := dynamo.BatchGet(ctx, e.db, e.table, keys)
	if err != nil {
		return nil, e.explain(err, "reading %d entries", len(ids))
	}
	found := make([]entries.Entry, 0, len(items))
	for _, i := range items {
		if entry, err := entryOf(i); err == nil {
			found = append(found, entry)
		}
	}
	return found, nil
}

// The sparse index of the entries that are not archived. It lags.
const todoIndex = "todo"

// page reads up to limit entries of one shard of the index, the oldest first, after an earlier page.
func (e *Entries) page(ctx context.Context, name string, shard int, after dynamo.Item, limit int64) ([]entries.Unfinished, dynamo.Item, error) {
	const same = "#todo = :todo"
	in := &dynamodb.QueryInput{
		TableName: &e.table, IndexName: aws.String(todoIndex), KeyConditionExpression: aws.String(same), ExclusiveStartKey: after,
		ExpressionAttributeNames:  dynamo.NamesIn(same),
		ExpressionAttributeValues: dynamo.Item{":todo": dynamo.Text(entries.Todo(name, shard))},
	}
	if limit > 0 {
		in.Limit = aws.Int32(int32(min(limit, math.MaxInt32)))
	}
	out, err := dynamo.Call(ctx, e.db.Query, in)
	if err != nil {
		return nil, nil, e.explain(err, "looking for unfinished entries of %s", name)
	}
	found := make([]entries.Unfinished, len(out.Items))
	for n, i := range out.Items {
		r := dynamo.Reader{Item: i}
		found[n] = entries.Unfinished{ID: r.Key(id), TS: timeOf(r.Key(ts)), Processed: truth(&r, processed), Batch: r.Key(inBatch)}
	}
	return found, out.LastEvaluatedKey, nil
}

// Unfinished yields what the index shows, shard after shard, a page of up to 1 MiB in memory.
func (e *Entries) Unfinished(ctx context.Context, name string) iter.Seq2[entries.Unfinished, error] {
	return func(yield func(entries.Unfinished, error) bool) {
		for shard := range entries.Shards {
			var after dynamo.Item
			for more := true; more; more = len(after) > 0 {
				var found []entries.Unfinished
				var err error
				if found, after, err = e.page(ctx, name, shard, after, 0); err != nil {
					yield(entries.Unfinished{}, err)
					return
				}
				for _, u := range found {
					if !yield(u, nil) {
						return
					}
				}
			}
		}
	}
}

// Backlog counts what the index shows. Beyond the limit it only looks for the oldest entry of each shard.
func (e *Entries) Backlog(ctx context.Context, name string, limit int64) (entries.Backlog, error) {
	if err := entries.CheckLimit(limit); err != nil {
		return entries.Backlog{}, fmt.Errorf("counting the backlog of %s: %w", name, err)
	}
	var b entries.Backlog
	for shard := range entries.Shards {
		var after dynamo.Item
		for first, more := true, true; more; more = len(after) > 0 && !b.AtLeast {
			room := max(limit-b.Unarchived, 0)
			found, next, err := e.page(ctx, name, shard, after, room+1)
			if err != nil {
				return entries.Backlog{}, err
			}
			for _, u := range found {
				if first && (b.Oldest.IsZero() || u.TS.Before(b.Oldest)) {
					b.Oldest = u.TS
				}
				first = false
				if b.Unarchived >= limit {
					b.AtLeast = true
					break
				}
				b.Unarchived++
				if !u.Processed {
					b.Unprocessed++
				}
			}
			after = next
		}
	}
	return b, nil
}

// Expire does nothing: DynamoDB removes what has expired by itself, some days late.
func (e *Entries) Expire(_ context.Context, _ time.Time, limit int) (int, error) {
	return 0, entries.CheckLimit(int64(limit))
}
