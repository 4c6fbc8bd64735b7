package dynamoledger

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"

	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// How many queries of one read run at once. Each has a page in hand: 1 MiB of items, several in memory. A fold reads
// partials in every slot of a worker, and spends its time with merging them.
const (
	queries        = 8
	contentQueries = 2
)

// Scan yields the cursors that p names: the queries of all shards, some at once, consistent. It reads all cursors of the
// replay, or all parts of the fold, whatever it yields, and with their partials, whatever it returns of them: one read
// unit for each 4 KiB of items, so for each object about its partial / 4 KiB, and at least 0.1.
func (l *Ledger) Scan(ctx context.Context, p ledger.ScanParams) iter.Seq2[ledger.Cursor, error] {
	return func(yield func(ledger.Cursor, error) bool) {
		if err := p.Check(); err != nil {
			yield(ledger.Cursor{}, err)
			return
		}
		width := queries
		if p.Partials {
			width = contentQueries
		}
		for page, err := range l.pages(ctx, width, slices.Values(l.scanQueries(p))) {
			if err != nil {
				yield(ledger.Cursor{}, l.explain(err, l.tables.Cursors, "scanning the cursors of %s", p.Replay))
				return
			}
			for _, i := range page {
				c, err := cursorOf(i)
				if !yield(c, err) || err != nil {
					return
				}
			}
		}
	}
}

func (l *Ledger) scanQueries(p ledger.ScanParams) (list []*dynamodb.QueryInput) {
	if p.Fold != 0 {
		list = append(list, query(l.tables.Cursors, cursorPartition(p.Replay, foldShard), fmt.Sprintf("fold#%d#", p.Fold)))
	} else {
		for n := range shards {
			list = append(list, query(l.tables.Cursors, cursorPartition(p.Replay, shardName(n)), ""))
		}
	}
	for _, q := range list {
		var filters []string
		if p.Protocol != "" {
			filters = append(filters, "#protocol = :protocol")
			q.ExpressionAttributeValues[":protocol"] = dynamo.Text(p.Protocol)
		}
		var states []string
		for _, s := range p.States {
			states = append(states, ":"+string(s))
			q.ExpressionAttributeValues[":"+string(s)] = dynamo.Text(string(s))
		}
		if len(states) > 0 {
			filters = append(filters, "#state IN ("+strings.Join(states, ", ")+")")
		}
		if len(filters) > 0 {
			q.FilterExpression = aws.String(strings.Join(filters, " AND "))
		}
		if !p.Partials {
			q.ProjectionExpression = &withoutContent
		}
	}
	return list
}

// Summarize counts a replay's cursors, at the cost of a Scan of all of them.
func (l *Ledger) Summarize(ctx context.Context, replay string) (ledger.Summary, error) {
	s := ledger.Summary{
		Objects:  map[ledger.State]ledger.Tally{},
		Protocol: map[string]ledger.Tally{},
		Parts:    map[int64]map[ledger.State]int64{},
	}
	list := []*dynamodb.QueryInput{query(l.tables.Cursors, cursorPartition(replay, foldShard), "")}
	for n := range shards {
		list = append(list, query(l.tables.Cursors, cursorPartition(replay, shardName(n)), ""))
	}
	for _, q := range list {
		q.ProjectionExpression = &forSummary
	}
	for page, err := range l.pages(ctx, queries, slices.Values(list)) {
		for _, i := range page {
			if err == nil {
				err = summarize(&s, i)
			}
		}
		if err != nil {
			return ledger.Summary{}, l.explain(err, l.tables.Cursors, "summarizing replay %s", replay)
		}
	}
	return s, nil
}

// summarize adds one cursor.
func summarize(s *ledger.Summary, i item) error {
	c, err := cursorOf(i)
	if err != nil {
		return err
	}
	if c.Fold {
		number, _, err := ledger.ParseFoldKey(c.Key)
		if err != nil {
			return err
		}
		if s.Parts[number] == nil {
			s.Parts[number] = map[ledger.State]int64{}
		}
		s.Parts[number][c.State]++
		return nil
	}
	one := ledger.Tally{Objects: 1, Size: c.Size, Rows: c.Rows, Lines: c.Line, Accounts: c.Accounts}
	byState, byProtocol := s.Objects[c.State], s.Protocol[c.Protocol]
	byState.Add(one)
	byProtocol.Add(one)
	s.Objects[c.State], s.Protocol[c.Protocol] = byState, byProtocol
	if c.Note != "" {
		s.Notes++
	}
	open := c.State == ledger.Pending || c.State == ledger.Processing
	if open && (s.Oldest.IsZero() || c.StateChange.Before(s.Oldest)) {
		s.Oldest = c.StateChange
	}
	return nil
}

// query reads a partition, or what of it has sort keys with a prefix, consistently and in the order of the keys. Names in
// its expressions are known when it is sent.
func query(table, partition, prefix string) *dynamodb.QueryInput {
	q := &dynamodb.QueryInput{
		TableName: &table, ConsistentRead: aws.Bool(true),
		KeyConditionExpression:    aws.String("#pk = :pk"),
		ExpressionAttributeValues: item{":pk": dynamo.Text(partition)},
	}
	if prefix != "" {
		q.KeyConditionExpression = aws.String("#pk = :pk AND begins_with(#sk, :prefix)")
		q.ExpressionAttributeValues[":prefix"] = dynamo.Text(prefix)
	}
	return q
}

// partition reads one partition, or what of it has sort keys with a prefix, page by page.
func (l *Ledger) partition(ctx context.Context, table, partition, prefix string) iter.Seq2[[]item, error] {
	return l.pages(ctx, 1, slices.Values([]*dynamodb.QueryInput{query(table, partition, prefix)}))
}

// pages runs queries, so many at once, and yields their pages in no certain order; its last yield may be an error. A query
// is taken from list when its turn comes, by another goroutine. Nothing is left running when it has returned.
func (l *Ledger) pages(ctx context.Context, width int, list iter.Seq[*dynamodb.QueryInput]) iter.Seq2[[]item, error] {
	return func(yield func([]item, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		group, inner := errgroup.WithContext(ctx)
		found, jobs := make(chan []item), make(chan *dynamodb.QueryInput)
		group.Go(func() error {
			defer close(jobs)
			for q := range list {
				select {
				case jobs <- q:
				case <-inner.Done():
					return inner.Err()
				}
			}
			return nil
		})
		for range width {
			group.Go(func() error {
				for q := range jobs {
					if err := l.run(inner, q, found); err != nil {
						return err
					}
				}
				return nil
			})
		}
		ended := make(chan error, 1)
		go func() {
			ended <- group.Wait()
			close(found)
		}()
		defer func() { // also where the loop's body panics
			cancel()
			for range found {
			}
		}()
		for page := range found {
			if len(page) > 0 && !yield(page, nil) {
				return
			}
		}
		if err := <-ended; err != nil {
			yield(nil, err)
		}
	}
}

// run sends the pages of one query.
func (l *Ledger) run(ctx context.Context, q *dynamodb.QueryInput, found chan<- []item) error {
	q.ExpressionAttributeNames = dynamo.NamesIn(*q.KeyConditionExpression, aws.ToString(q.FilterExpression), aws.ToString(q.ProjectionExpression))
	for {
		out, err := dynamo.Call(ctx, l.db.Query, q)
		if err != nil {
			return err
		}
		select {
		case found <- out.Items:
		case <-ctx.Done():
			return ctx.Err()
		}
		if len(out.LastEvaluatedKey) == 0 {
			return nil
		}
		q.ExclusiveStartKey = out.LastEvaluatedKey
	}
}
