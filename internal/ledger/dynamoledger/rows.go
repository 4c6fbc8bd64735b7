package dynamoledger

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/internal/ledger"
)

const (
	batch       = 25               // items of one BatchWriteItem; at 400 KiB each they are below its 16 MiB
	batches     = 8                // on their way at once
	batchLimit  = 30 * time.Second // until a batch is refused because of what DynamoDB leaves undone again and again
	batchPause  = 50 * time.Millisecond
	maxPause    = 3 * time.Second
	dims        = "dims"
	measures    = "measures"
	stateOfRow  = "state"
	purgeAtOnce = 500 // rows whose keys are in memory
)

// PutRows puts rows of one part: batches of 25 side by side, no faster than Options.WriteRate. Of rows with the same
// statistic, day and key the last one counts.
func (l *Ledger) PutRows(ctx context.Context, part ledger.Part, rows []ledger.Row) error {
	doing := fmt.Sprintf("putting rows of %s, generation %d, part %s", part.Protocol, part.Generation, part.Name)
	items, places, err := rowItems(part, rows)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if err := l.enter(ctx, places); err != nil {
		return l.explain(err, l.tables.Stats, "%s", doing)
	}
	requests := make([]types.WriteRequest, len(items))
	cost := make([]int, len(items))
	for n, i := range items {
		requests[n], cost[n] = types.WriteRequest{PutRequest: &types.PutRequest{Item: i}}, dynamo.Units(i)
	}
	return l.explain(l.batches(ctx, requests, cost), l.tables.Stats, "%s", doing)
}

// rowItems turns rows into items, each key once, and tells in which partitions they lie.
func rowItems(part ledger.Part, rows []ledger.Row) (items []item, places map[place]bool, _ error) {
	type name struct {
		place
		key string
	}
	at := make(map[name]int, len(rows))
	places = map[place]bool{}
	for n := range rows {
		r := &rows[n]
		p := place{part.Protocol, part.Generation, r.Statistic, part.Name, r.Day}
		if !places[p] {
			if err := p.check(); err != nil {
				return nil, nil, err
			}
			places[p] = true
		}
		i, err := rowItem(p, r)
		if err != nil {
			return nil, nil, err
		}
		if before, twice := at[name{p, r.Key}]; twice {
			items[before] = i
			continue
		}
		at[name{p, r.Key}] = len(items)
		items = append(items, i)
	}
	return items, places, nil
}

func rowItem(p place, r *ledger.Row) (item, error) {
	i, err := keyOf(p.partition(), r.Key)
	if err != nil {
		return nil, fmt.Errorf("statistic %s: %w", r.Statistic, err)
	}
	for name, v := range map[string][]byte{dims: r.Dims, measures: r.Measures} {
		if len(v) > 0 {
			i[name] = dynamo.Readable(v)
		}
	}
	if len(r.State) > 0 {
		i[stateOfRow] = dynamo.Binary(r.State)
	}
	if n := dynamo.Size(i); n > dynamo.MaxItem {
		return nil, fmt.Errorf("statistic %s: the row of %d bytes with the key %.200s does not fit into DynamoDB's %d: "+
			"count by fewer or shorter values, or leave measures out", r.Statistic, n, r.Key, dynamo.MaxItem)
	}
	return i, nil
}

// batches carries out requests to the statistics table, each of which costs so many write units.
func (l *Ledger) batches(ctx context.Context, requests []types.WriteRequest, cost []int) error {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(batches)
	var late error
	for some := range slices.Chunk(requests, batch) {
		sum := 0
		for _, c := range cost[:len(some)] {
			sum += c
		}
		cost = cost[len(some):]
		if late = l.spend(inner, sum); late != nil {
			break
		}
		group.Go(func() error { return l.writeBatch(inner, some) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return late
}

// spend waits until so many write units may be used.
func (l *Ledger) spend(ctx context.Context, units int) error {
	for units > 0 {
		n := min(units, l.limit.Burst())
		if err := l.limit.WaitN(ctx, n); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("%w: %g write units a second leave no time for %d", context.DeadlineExceeded, l.limit.Limit(), units)
		}
		units -= n
	}
	return nil
}

// writeBatch carries out one batch, and again what DynamoDB left of it.
func (l *Ledger) writeBatch(ctx context.Context, requests []types.WriteRequest) error {
	deadline := time.Now().Add(batchLimit)
	for pause := batchPause; ; pause = min(2*pause, maxPause) {
		out, err := dynamo.Call(ctx, l.db.BatchWriteItem, &dynamodb.BatchWriteItemInput{
			RequestItems: map[string][]types.WriteRequest{l.tables.Stats: requests},
		})
		if err != nil {
			return err
		}
		if requests = out.UnprocessedItems[l.tables.Stats]; len(requests) == 0 {
			return nil
		}
		wait := rand.N(pause)
		if time.Until(deadline) < wait {
			return fmt.Errorf("%w: %d rows of a batch were left undone for %s", ledger.ErrThrottled, len(requests), batchLimit)
		}
		if !dynamo.Rest(ctx, wait) {
			return ctx.Err()
		}
	}
}

// Rows yields the rows of one statistic: the partitions that the directory names, some at once, consistent. It costs a
// read unit for each 4 KiB, and at least one for each partition.
func (l *Ledger) Rows(ctx context.Context, p ledger.RowsParams) iter.Seq2[ledger.Row, error] {
	return func(yield func(ledger.Row, error) bool) {
		for row, err := range l.VersionedRows(ctx, p) {
			if !yield(row.Row, err) {
				return
			}
		}
	}
}

// Purge removes up to limit rows of a generation, partition by partition as the directory names them, no faster than
// Options.WriteRate. A partition leaves the directory after its last row.
func (l *Ledger) Purge(ctx context.Context, p ledger.PurgeParams, limit int) (int, error) {
	if limit < 1 {
		return 0, fmt.Errorf("purging generation %d of %s: limit %d", p.Generation, p.Protocol, limit)
	}
	n, err := l.purge(ctx, p, limit)
	return n, l.explain(err, l.tables.Stats, "purging generation %d of %s", p.Generation, p.Protocol)
}

func (l *Ledger) purge(ctx context.Context, p ledger.PurgeParams, limit int) (removed int, _ error) {
	for page, err := range l.partition(ctx, l.tables.Stats, directory(p.Protocol, p.Generation), "") {
		if err != nil {
			return removed, err
		}
		for _, i := range page {
			at, err := placeOf(p.Protocol, p.Generation, (&dynamo.Reader{Item: i}).Key(sortKey))
			if err != nil {
				return removed, err
			}
			if stays(p, at.part) {
				continue
			}
			n, err := l.empty(ctx, at, limit-removed)
			if removed += n; err != nil || removed == limit {
				return removed, err
			}
		}
	}
	return removed, nil
}

// stays reports whether a purge leaves a part alone.
func stays(p ledger.PurgeParams, part string) bool {
	if p.BelowBase == 0 {
		return false
	}
	fold, ok := ledger.FoldOf(part)
	return !ok || fold >= p.BelowBase
}

// empty removes up to limit rows of a partition, and takes it out of the directory where none is left.
func (l *Ledger) empty(ctx context.Context, at place, limit int) (removed int, _ error) {
	q := query(l.tables.Stats, at.partition(), "")
	q.ProjectionExpression = aws.String(projection(partitionKey, sortKey))
	q.ExpressionAttributeNames = dynamo.NamesIn(*q.KeyConditionExpression, *q.ProjectionExpression)
	for removed < limit {
		q.Limit = aws.Int32(int32(min(limit-removed, purgeAtOnce)))
		out, err := dynamo.Call(ctx, l.db.Query, q)
		if err != nil {
			return removed, err
		}
		requests := make([]types.WriteRequest, len(out.Items))
		cost := make([]int, len(out.Items))
		for n, key := range out.Items {
			// What a removal costs is the size of the row, which this does not know.
			requests[n], cost[n] = types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: key}}, 1
		}
		if err := l.batches(ctx, requests, cost); err != nil {
			return removed, err
		}
		removed += len(requests)
		if len(out.LastEvaluatedKey) == 0 {
			return removed, l.leave(ctx, at)
		}
		q.ExclusiveStartKey = out.LastEvaluatedKey
	}
	return removed, nil
}
