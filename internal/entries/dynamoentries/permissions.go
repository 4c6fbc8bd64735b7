package dynamoentries

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streams "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/seed-56345083/reprise/internal/dynamo"
)

// The permissions that the stream takes.
const (
	ActionStream   = "dynamodb:DescribeStream"
	ActionIterator = "dynamodb:GetShardIterator"
	ActionRecords  = "dynamodb:GetRecords"
)

// Place is what a permission is on.
type Place string

// The places. Meta and Stats are the ledger's tables, in which this driver calls what the ledger does not.
const (
	OnTable  Place = "table"
	OnIndex  Place = "index"
	OnStream Place = "stream"
	OnMeta   Place = "meta"
	OnStats  Place = "stats"
)

// Finding is a permission that was tried, and on what.
type Finding struct {
	dynamo.Finding
	Place Place
}

// Look compares the table with what is needed: a finding of dynamo.ActionDescribe for each setting that is wrong, one where
// none is, and one of dynamo.ActionDescribeTTL. dynamo.ErrNoTable.
func Look(ctx context.Context, client *dynamodb.Client, table string) []dynamo.Finding {
	f := dynamo.Finding{Table: table, Action: dynamo.ActionDescribe}
	d, err := dynamo.Describe(ctx, client, table)
	if err != nil {
		f.Err = err
		return []dynamo.Finding{f}
	}
	findings := []dynamo.Finding{f}
	for n, wrong := range checkTable(d) {
		f.Wrong = wrong
		if n == 0 {
			findings[0] = f
		} else {
			findings = append(findings, f)
		}
	}
	return append(findings, dynamo.LookTimeToLive(ctx, client, table, "archived entries stay for ever"))
}

// Try tries what this driver calls, and changes nothing: reads of what nobody has, writes under a condition that does not hold,
// and a look at the oldest record of the stream.
func (e *Entries) Try(ctx context.Context) []Finding {
	p := prober{Entries: e, key: dynamo.Item{id: dynamo.Text("batch-reprise-check-" + rand.Text())}}
	tries := []struct {
		place  Place
		action string
		call   func(context.Context) error
	}{
		{OnTable, dynamo.ActionGet, p.get},
		{OnTable, dynamo.ActionBatchGet, p.batchGet(e.table, p.key)},
		{OnTable, dynamo.ActionPut, p.put},
		{OnTable, dynamo.ActionUpdate, p.update},
		{OnIndex, dynamo.ActionQuery, p.query},
		{OnStream, ActionStream, p.describe},
		{OnStream, ActionIterator, p.iterate},
		{OnStream, ActionRecords, p.records},
		{OnMeta, dynamo.ActionCondition, p.condition},
		{OnStats, dynamo.ActionBatchGet, p.batchGet(e.tables.Stats, p.ledgerKey())},
	}
	names := map[Place]string{OnTable: e.table, OnIndex: e.table, OnStream: e.table, OnMeta: e.tables.Meta, OnStats: e.tables.Stats}
	var findings []Finding
	for _, t := range tries {
		f := Finding{Place: t.place, Finding: dynamo.Finding{Table: names[t.place], Action: t.action, Err: t.call(ctx)}}
		if dynamo.RefusedByCondition(f.Err) {
			f.Err = nil
		}
		if f.Err != nil {
			f.Err = fmt.Errorf("trying %s on the %s of table %s: %w", f.Action, f.Place, f.Table, f.Err)
		}
		findings = append(findings, f)
	}
	return findings
}

// prober makes the calls, with a key that no item has.
type prober struct {
	*Entries
	key   dynamo.Item
	shard string // of the stream
	token string // of an iterator
}

func (p *prober) ledgerKey() dynamo.Item {
	return dynamo.Item{"pk": dynamo.Text("reprise-check"), "sk": p.key[id]}
}

const existing = "attribute_exists(#id)"

func (p *prober) get(ctx context.Context) error {
	_, err := dynamo.Get(ctx, p.db, p.table, p.key)
	return err
}

func (p *prober) batchGet(table string, key dynamo.Item) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := dynamo.BatchGet(ctx, p.db, table, []dynamo.Item{key})
		return err
	}
}

func (p *prober) put(ctx context.Context) error {
	_, err := dynamo.Call(ctx, p.db.PutItem, &dynamodb.PutItemInput{
		TableName: &p.table, Item: p.key, ConditionExpression: aws.String(existing), ExpressionAttributeNames: dynamo.NamesIn(existing),
	})
	return err
}

func (p *prober) update(ctx context.Context) error {
	const change = "SET #expires = :expires"
	_, err := dynamo.Call(ctx, p.db.UpdateItem, &dynamodb.UpdateItemInput{
		TableName: &p.table, Key: p.key, UpdateExpression: aws.String(change), ConditionExpression: aws.String(existing),
		ExpressionAttributeNames: dynamo.NamesIn(change, existing), ExpressionAttributeValues: dynamo.Item{":expires": dynamo.Number(0)},
	})
	return err
}

func (p *prober) query(ctx context.Context) error {
	_, _, err := p.page(ctx, "reprise-check", 0, nil, 1)
	return err
}

func (p *prober) condition(ctx context.Context) error {
	const there = "attribute_exists(#pk)"
	_, err := dynamo.Call(ctx, p.db.TransactWriteItems, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{{
		ConditionCheck: &types.ConditionCheck{
			TableName: &p.tables.Meta, Key: p.ledgerKey(), ConditionExpression: aws.String(there), ExpressionAttributeNames: dynamo.NamesIn(there),
		},
	}}})
	return err
}

// ErrUntried says that a permission could not be tried because of another call before it.
var ErrUntried = errors.New("not tried, because a call before it did not succeed")

func (p *prober) describe(ctx context.Context) error {
	if _, err := p.stream(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrUntried, err)
	}
	all, err := p.Entries.describe(ctx)
	if len(all) > 0 {
		p.shard = aws.ToString(all[len(all)-1].ShardId)
	}
	return err
}

func (p *prober) iterate(ctx context.Context) error {
	if p.shard == "" {
		return ErrUntried
	}
	arn, err := p.stream(ctx)
	if err != nil {
		return err
	}
	out, err := dynamo.Call(ctx, p.streams.GetShardIterator, &dynamodbstreams.GetShardIteratorInput{
		StreamArn: &arn, ShardId: &p.shard, ShardIteratorType: streams.ShardIteratorTypeTrimHorizon,
	})
	if err == nil {
		p.token = aws.ToString(out.ShardIterator)
	}
	return err
}

func (p *prober) records(ctx context.Context) error {
	if p.token == "" {
		return ErrUntried
	}
	_, err := dynamo.Call(ctx, p.streams.GetRecords, &dynamodbstreams.GetRecordsInput{ShardIterator: &p.token, Limit: aws.Int32(1)})
	return err
}
