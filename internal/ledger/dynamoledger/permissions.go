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
	"github.com/seed-56345083/reprise/internal/dynamo"
)

// Look compares the keys of the tables, and the expiry of Meta's items, with what the ledger needs: a finding of
// dynamo.ActionDescribe for each table, and one of dynamo.ActionDescribeTTL. dynamo.ErrNoTable.
func Look(ctx context.Context, client *dynamodb.Client, t Tables) []dynamo.Finding {
	var findings []dynamo.Finding
	for _, table := range []string{t.Meta, t.Cursors, t.Stats} {
		f := dynamo.Finding{Table: table, Action: dynamo.ActionDescribe}
		var d *types.TableDescription
		if d, f.Err = dynamo.Describe(ctx, client, table); f.Err == nil {
			f.Wrong = dynamo.CheckKeys(table, d, tableKeys)
		}
		findings = append(findings, f)
		if f.Err != nil && awsapi.StatusCode(f.Err) == 0 && !errors.Is(f.Err, dynamo.ErrNoTable) {
			return findings // no answer: the others would have none either
		}
	}
	if errors.Is(findings[0].Err, dynamo.ErrNoTable) {
		return findings
	}
	return append(findings, dynamo.LookTimeToLive(ctx, client, t.Meta, "leases and progress that nobody needs any more stay for ever"))
}

// TryTable tries what the ledger calls on one of its tables, and changes nothing: reads of a key that nobody has, writes
// of it under a condition that does not hold, and in a batch, which knows no conditions, its deletion.
func TryTable(ctx context.Context, client *dynamodb.Client, t Tables, table string) []dynamo.Finding {
	p := prober{client: client, table: table, key: item{partitionKey: dynamo.Text("reprise-check"), sortKey: dynamo.Text(rand.Text())}}
	tries := map[string][]try{
		t.Meta: {
			{dynamo.ActionGet, "", p.get}, {dynamo.ActionQuery, "", p.query}, {dynamo.ActionPut, "", p.put}, {dynamo.ActionPut, "TransactWriteItems", p.transact},
			{dynamo.ActionUpdate, "", p.update}, {dynamo.ActionDelete, "", p.remove},
		},
		t.Cursors: {{dynamo.ActionGet, "", p.get}, {dynamo.ActionQuery, "", p.query}, {dynamo.ActionPut, "", p.put}, {dynamo.ActionUpdate, "", p.update}},
		t.Stats:   {{dynamo.ActionQuery, "", p.query}, {dynamo.ActionPut, "", p.put}, {dynamo.ActionBatch, "", p.batch}, {dynamo.ActionDelete, "", p.remove}},
	}
	var findings []dynamo.Finding
	for _, t := range tries[table] {
		f := dynamo.Finding{Table: table, Action: t.action, By: t.by, Err: t.call(ctx)}
		if dynamo.RefusedByCondition(f.Err) {
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

// prober makes the calls on one table, with a key that no record of the ledger has.
type prober struct {
	client *dynamodb.Client
	table  string
	key    item
}

const existing = "attribute_exists(#pk)"

func (p *prober) get(ctx context.Context) error {
	_, err := dynamo.Call(ctx, p.client.GetItem, &dynamodb.GetItemInput{TableName: &p.table, Key: p.key})
	return err
}

func (p *prober) query(ctx context.Context) error {
	_, err := dynamo.Call(ctx, p.client.Query, &dynamodb.QueryInput{
		TableName: &p.table, KeyConditionExpression: aws.String("#pk = :pk AND #sk = :sk"), ExpressionAttributeNames: dynamo.NamesIn("#pk #sk"),
		ExpressionAttributeValues: item{":pk": p.key[partitionKey], ":sk": p.key[sortKey]},
	})
	return err
}

func (p *prober) put(ctx context.Context) error {
	_, err := dynamo.Call(ctx, p.client.PutItem, &dynamodb.PutItemInput{
		TableName: &p.table, Item: p.key, ConditionExpression: aws.String(existing), ExpressionAttributeNames: dynamo.NamesIn(existing),
	})
	return err
}

func (p *prober) transact(ctx context.Context) error {
	_, err := dynamo.Call(ctx, p.client.TransactWriteItems, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{{Put: &types.Put{
		TableName: &p.table, Item: p.key, ConditionExpression: aws.String(existing), ExpressionAttributeNames: dynamo.NamesIn(existing),
	}}}})
	return err
}

func (p *prober) update(ctx context.Context) error {
	const change = "SET #expires = :expires"
	_, err := dynamo.Call(ctx, p.client.UpdateItem, &dynamodb.UpdateItemInput{
		TableName: &p.table, Key: p.key, UpdateExpression: aws.String(change), ConditionExpression: aws.String(existing),
		ExpressionAttributeNames: dynamo.NamesIn(change, existing), ExpressionAttributeValues: item{":expires": dynamo.Number(0)},
	})
	return err
}

func (p *prober) remove(ctx context.Context) error {
	_, err := dynamo.Call(ctx, p.client.DeleteItem, &dynamodb.DeleteItemInput{
		TableName: &p.table, Key: p.key, ConditionExpression: aws.String(existing), ExpressionAttributeNames: dynamo.NamesIn(existing),
	})
	return err
}

func (p *prober) batch(ctx context.Context) error {
	_, err := dynamo.Call(ctx, p.client.BatchWriteItem, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{
		p.table: {{DeleteRequest: &types.DeleteRequest{Key: p.key}}},
	}})
	return err
}
