package dynamoentries

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/internal/ledger/dynamoledger"
)

// tableKeys and indexKeys are what the table and its index need, in words.
const (
	tableKeys = "id (HASH, S)"
	indexKeys = "todo (HASH, S), ts (RANGE, S)"
)

// Ensure makes the table if it is missing: its key, the index todo, a stream of new images, paid by the request, with time to
// live and point-in-time recovery. It completes what an earlier call began and changes nothing that is there: a table that is
// made otherwise is an error that says how. It returns what it made, in words.
func Ensure(ctx context.Context, client *dynamodb.Client, table string, o dynamoledger.EnsureOptions) (made []string, err error) {
	fresh, err := dynamo.Create(ctx, client, newTable(table, o.Protect))
	if err != nil {
		return nil, err
	}
	if fresh {
		made = append(made, "table "+table)
	}
	if err := dynamo.Await(ctx, client, table); err != nil {
		return made, err
	}
	if err := Check(ctx, client, table); err != nil {
		return made, err
	}
	if !o.NoBackup {
		fresh, err := dynamo.Recovery(ctx, client, table)
		if err != nil {
			return made, err
		}
		if fresh {
			made = append(made, "point-in-time recovery of table "+table)
		}
	}
	fresh, err = dynamo.TimeToLive(ctx, client, table)
	if fresh {
		made = append(made, "time to live in table "+table)
	}
	return made, err
}

func newTable(table string, protect bool) *dynamodb.CreateTableInput {
	var attributes []types.AttributeDefinition
	for _, name := range []string{id, todo, ts} {
		attributes = append(attributes, types.AttributeDefinition{AttributeName: aws.String(name), AttributeType: types.ScalarAttributeTypeS})
	}
	return &dynamodb.CreateTableInput{
		TableName: &table, AttributeDefinitions: attributes, DeletionProtectionEnabled: aws.Bool(protect),
		KeySchema: []types.KeySchemaElement{{AttributeName: aws.String(id), KeyType: types.KeyTypeHash}},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName: aws.String(todoIndex),
			KeySchema: []types.KeySchemaElement{
				{AttributeName: aws.String(todo), KeyType: types.KeyTypeHash},
				{AttributeName: aws.String(ts), KeyType: types.KeyTypeRange},
			},
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeInclude, NonKeyAttributes: []string{processed, inBatch}},
		}},
		StreamSpecification: &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewImage},
	}
}

// Check tells whether the table is missing, or made otherwise than this package needs.
func Check(ctx context.Context, client *dynamodb.Client, table string) error {
	d, err := dynamo.Describe(ctx, client, table)
	if err != nil {
		return err
	}
	return errors.Join(checkTable(d)...)
}

// checkTable compares key, index and stream with what is needed, and says what to do about each.
func checkTable(d *types.TableDescription) []error {
	table := aws.ToString(d.TableName)
	if err := dynamo.CheckKeys(table, d, tableKeys); err != nil {
		return []error{err} // of something else: nothing in it is right
	}
	var wrong []error
	for _, err := range []error{checkIndex(d), checkStream(d)} {
		if err != nil {
			wrong = append(wrong, fmt.Errorf("table %s: %w", table, err))
		}
	}
	return wrong
}

func checkIndex(d *types.TableDescription) error {
	const need = "it needs one with the keys " + indexKeys + " that includes PROCESSED and batch"
	at := slices.IndexFunc(d.GlobalSecondaryIndexes, func(i types.GlobalSecondaryIndexDescription) bool { return aws.ToString(i.IndexName) == todoIndex })
	if at < 0 {
		return errors.New("there is no index " + todoIndex + ": " + need + "; add it")
	}
	index := d.GlobalSecondaryIndexes[at]
	if got := dynamo.Keys(d, index.KeySchema); got != indexKeys {
		return fmt.Errorf("the index %s has the keys %s: %s; remove it, then add that", todoIndex, got, need)
	}
	if p := index.Projection; p != nil && p.ProjectionType != types.ProjectionTypeAll {
		for _, name := range []string{processed, inBatch} {
			if !slices.Contains(p.NonKeyAttributes, name) {
				return fmt.Errorf("the index %s does not include %s: %s; remove it, then add that", todoIndex, name, need)
			}
		}
	}
	return nil
}

func checkStream(d *types.TableDescription) error {
	s := d.StreamSpecification
	switch {
	case s == nil || !aws.ToBool(s.StreamEnabled):
		return errors.New("it has no stream, so nothing is counted as it comes: turn one on that shows new images (NEW_IMAGE)")
	case s.StreamViewType != types.StreamViewTypeNewImage && s.StreamViewType != types.StreamViewTypeNewAndOldImages:
		return fmt.Errorf("its stream shows %s, and not new images: turn it off, then on with NEW_IMAGE", s.StreamViewType)
	}
	return nil
}
