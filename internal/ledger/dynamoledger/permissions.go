package dynamoledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/seed-56345083/reprise/internal/awsapi"
)

// The permissions that tables take. A transaction needs those of what it does, and has none of its own.
const (
	ActionDescribe    = "dynamodb:DescribeTable"
	ActionDescribeTTL = "dynamodb:DescribeTimeToLive"
	ActionGet         = "dynamodb:GetItem"
	ActionQuery       = "dynamodb:Query"
	ActionPut         = "dynamodb:PutItem"
	ActionUpdate      = "dynamodb:UpdateItem"
	ActionDelete      = "dynamodb:DeleteItem"
	ActionBatch       = "dynamodb:BatchWriteItem"
)

// ErrNoTable says that a table is not there.
var ErrNoTable = errNoTable

// Finding is one permission that was tried, or one setting that was looked at.
type Finding struct {
	Table  string
	Action string // the permission
	By     string // the call, where it is not named like the permission
	Err    error  // nil: it is there; awsapi.Denied tells a refusal from other reasons
	Wrong  error  // of a setting that could be looked at: how it is not as it should be
}

// Look compares the keys of the tables, and the expiry of Meta's items, with what the ledger needs: a finding of
// ActionDescribe for each table, and one of ActionDescribeTTL. ErrNoTable.
func Look(ctx context.Context, client *dynamodb.Client, t Tables) []Finding {
	var findings []Finding
	for _, table := range []string{t.Meta, t.Cursors, t.Stats} {
		f := Finding{Table: table, Action: ActionDescribe}
		var d *types.TableDescription
		if d, f.Err = describe(ctx, client, table); f.Err == nil {
			f.Wrong = checkKeys(table, d)
		}
		findings = append(findings, f)
		if f.Err != nil && awsapi.StatusCode(f.Err) == 0 && !errors.Is(f.Err, ErrNoTable) {
			return findings // no answer: the others would have none either
		}
	}
	if errors.Is(findings[0].Err, ErrNoTable) {
		return findings
	}
	return append(findings, lookTimeToLive(ctx, client, t.Meta))
}

func lookTimeToLive(ctx context.Context, client *dynamodb.Client, table string) Finding {
	f := Finding{Table: table, Action: ActionDescribeTTL}
	out, err := call(ctx, client.DescribeTimeToLive, &dynamodb.DescribeTimeToLiveInput{TableName: &table})
	if err != nil {
		f.Err = fmt.Errorf("reading the time to live of table %s: %w", table, err)
		return f
	}
	d := out.TimeToLiveDescription
	if d == nil || d.TimeToLiveStatus != types.TimeToLiveStatusEnabled && d.TimeToLiveStatus != types.TimeToLiveStatusEnabling {
		f.Wrong = errors.New("it is off: leases and progress that nobody needs any more stay for ever")
	} else if name := aws.ToString(d.AttributeName); name != expires {
		f.Wrong = fmt.Errorf("items expire by %s, not by %s", name, expires)
	}
	return f
}

// TryTable tries what the ledger calls on one of its tables, and changes nothing: reads of a key that nobody has, writes
// of it under a condition that does not hold, and in a batch, which knows no conditions, its deletion.
func TryTable(ctx context.Context, client *dynamodb.Client, t Tables, table string) []Finding {
	p := prober{client: client, table: table, key: item{partitionKey: text("reprise-check"), sortKey: text(rand.Text())}}
	tries := map[string][]try{
		t.Meta: {
			{ActionGet, "", p.get}, {ActionQuery, "", p.query}, {ActionPut, "", p.put}, {ActionPut, "TransactWriteItems", p.transact},
			{ActionUpdate, "", p.update}, {ActionDelete, "", p.remove},
		},
		t.Cursors: {{ActionGet, "", p.get}, {ActionQuery, "", p.query}, {ActionPut, "", p.put}, {ActionUpdate, "", p.update}},
		t.Stats:   {{ActionQuery, "", p.query}, {ActionPut, "", p.put}, {ActionBatch, "", p.batch}, {ActionDelete, "", p.remove}},
	}
	var findings []Finding
	for _, t := range tries[table] {
		f := Finding{Table: table, Action: t.action, By: t.by, Err: t.call(ctx)}
		if refusedByCondition(f.Err) {
			f.Err = nil
		}
		if f.Err != nil {
			f.Err = fmt.Errorf("trying %s on table %s: %w", f.Action, table, f.Err)
		}
		findings = append(findings, f)
	}
	return findings
}

type try struct {
	action, by string
	call       func(context.Context) error
}

// refusedByCondition knows the answer to whoever may write.
func refusedByCondition(err error) bool {
	if _, refused := oldItem(err); refused {
		return true
	}
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		return false
	}
	for _, r := range cancelled.CancellationReasons {
		if aws.ToString(r.Code) == "ConditionalCheckFailed" {
			return true
		}
	}
	return false
}

// prober makes the calls on one table, with a key that no record of the ledger has.
type prober struct {
	client *dynamodb.Client
	table  string
	key    item
}

const existing = "attribute_exists(#pk)"

func (p *prober) get(ctx context.Context) error {
	_, err := call(ctx, p.client.GetItem, &dynamodb.GetItemInput{TableName: &p.table, Key: p.key})
	return err
}

func (p *prober) query(ctx context.Context) error {
	_, err := call(ctx, p.client.Query, &dynamodb.QueryInput{
		TableName: &p.table, KeyConditionExpression: aws.String("#pk = :pk AND #sk = :sk"), ExpressionAttributeNames: namesIn("#pk #sk"),
		ExpressionAttributeValues: item{":pk": p.key[partitionKey], ":sk": p.key[sortKey]},
	})
	return err
}

func (p *prober) put(ctx context.Context) error {
	_, err := call(ctx, p.client.PutItem, &dynamodb.PutItemInput{
		TableName: &p.table, Item: p.key, ConditionExpression: aws.String(existing), ExpressionAttributeNames: namesIn(existing),
	})
	return err
}

func (p *prober) transact(ctx context.Context) error {
	_, err := call(ctx, p.client.TransactWriteItems, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{{Put: &types.Put{
		TableName: &p.table, Item: p.key, ConditionExpression: aws.String(existing), ExpressionAttributeNames: namesIn(existing),
	}}}})
	return err
}

func (p *prober) update(ctx context.Context) error {
	const change = "SET #expires = :expires"
	_, err := call(ctx, p.client.UpdateItem, &dynamodb.UpdateItemInput{
		TableName: &p.table, Key: p.key, UpdateExpression: aws.String(change), ConditionExpression: aws.String(existing),
		ExpressionAttributeNames: namesIn(change, existing), ExpressionAttributeValues: item{":expires": number(0)},
	})
	return err
}

func (p *prober) remove(ctx context.Context) error {
	_, err := call(ctx, p.client.DeleteItem, &dynamodb.DeleteItemInput{
		TableName: &p.table, Key: p.key, ConditionExpression: aws.String(existing), ExpressionAttributeNames: namesIn(existing),
	})
	return err
}

func (p *prober) batch(ctx context.Context) error {
	_, err := call(ctx, p.client.BatchWriteItem, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{
		p.table: {{DeleteRequest: &types.DeleteRequest{Key: p.key}}},
	}})
	return err
}
