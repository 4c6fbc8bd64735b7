package dynamoledger

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/seed-56345083/reprise/internal/dynamo"
)

// tableKeys are those of all tables.
const tableKeys = "pk (HASH, S), sk (RANGE, S)"

// EnsureOptions say how Ensure makes tables.
type EnsureOptions struct {
	Protect  bool // against deletion
	NoBackup bool // without point-in-time recovery, which costs by the size
}

// Ensure makes the tables that are missing: keys pk and sk, paid by the request, with point-in-time recovery, and time
// to live in the Meta table. It completes what an earlier call began and changes nothing that is there. It returns what
// it made, in words.
func Ensure(ctx context.Context, client *dynamodb.Client, t Tables, o EnsureOptions) (made []string, err error) {
	for _, table := range []string{t.Meta, t.Cursors, t.Stats} {
		fresh, err := create(ctx, client, table, o.Protect)
		if err != nil {
			return made, err
		}
		if fresh {
			made = append(made, "table "+table)
		}
	}
	for _, table := range []string{t.Meta, t.Cursors, t.Stats} {
		if err := dynamo.Await(ctx, client, table); err != nil {
			return made, err
		}
		if err := checkTable(ctx, client, table); err != nil {
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
	}
	fresh, err := dynamo.TimeToLive(ctx, client, t.Meta)
	if fresh {
		made = append(made, "time to live in table "+t.Meta)
	}
	return made, err
}

// Check tells which tables are missing or have other keys than this package needs.
func Check(ctx context.Context, client *dynamodb.Client, t Tables) error {
	var errs []error
	for _, table := range []string{t.Meta, t.Cursors, t.Stats} {
		errs = append(errs, checkTable(ctx, client, table))
	}
	return errors.Join(errs...)
}

func create(ctx context.Context, client *dynamodb.Client, table string, protect bool) (bool, error) {
	return dynamo.Create(ctx, client, &dynamodb.CreateTableInput{
		TableName: &table,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String(partitionKey), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(sortKey), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String(partitionKey), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String(sortKey), KeyType: types.KeyTypeRange},
		},
		DeletionProtectionEnabled: aws.Bool(protect),
	})
}

// checkTable compares a table's keys with what this package needs.
func checkTable(ctx context.Context, client *dynamodb.Client, table string) error {
	d, err := dynamo.Describe(ctx, client, table)
	if err != nil {
		return err
	}
	return dynamo.CheckKeys(table, d, tableKeys)
}
