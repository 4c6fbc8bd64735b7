package dynamoledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/seed-56345083/reprise/internal/awsapi"
)

// expires is the attribute by which DynamoDB deletes leases and progress that nobody renews.
const expires = "expires"

// tableWait is how long Ensure waits for one table to become active; DynamoDB takes seconds.
const tableWait = 2 * time.Minute

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
		if err := await(ctx, client, table); err != nil {
			return made, err
		}
		if err := checkTable(ctx, client, table); err != nil {
			return made, err
		}
		if !o.NoBackup {
			fresh, err := recovery(ctx, client, table)
			if err != nil {
				return made, err
			}
			if fresh {
				made = append(made, "point-in-time recovery of table "+table)
			}
		}
	}
	fresh, err := timeToLive(ctx, client, t.Meta)
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
	_, err := call(ctx, client.CreateTable, &dynamodb.CreateTableInput{
		TableName:   &table,
		BillingMode: types.BillingModePayPerRequest,
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
	if exists := (*types.ResourceInUseException)(nil); errors.As(err, &exists) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("creating table %s: %w", table, err)
	}
	return true, nil
}

// await waits until a table can be used.
func await(ctx context.Context, client *dynamodb.Client, table string) error {
	ctx, cancel := context.WithTimeout(ctx, tableWait)
	defer cancel()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		d, err := describe(ctx, client, table)
		switch {
		case err != nil && !errors.Is(err, errNoTable): // creating it may not have come everywhere yet
			return err
		case err == nil && d.TableStatus == types.TableStatusActive, err == nil && d.TableStatus == types.TableStatusUpdating:
			return nil
		}
		if !rest(ctx, pause) {
			return fmt.Errorf("waiting for table %s to become active: %w", table, ctx.Err())
		}
	}
}

var errNoTable = errors.New("there is no such table (reprise init --aws makes it)")

func describe(ctx context.Context, client *dynamodb.Client, table string) (*types.TableDescription, error) {
	out, err := call(ctx, client.DescribeTable, &dynamodb.DescribeTableInput{TableName: &table})
	if missing := (*types.ResourceNotFoundException)(nil); errors.As(err, &missing) {
		return nil, fmt.Errorf("table %s in region %s: %w", table, client.Options().Region, errNoTable)
	}
	if err != nil {
		return nil, fmt.Errorf("describing table %s: %w", table, err)
	}
	return out.Table, nil
}

// checkTable compares a table's keys with what this package needs.
func checkTable(ctx context.Context, client *dynamodb.Client, table string) error {
	d, err := describe(ctx, client, table)
	if err != nil {
		return err
	}
	return checkKeys(table, d)
}

func checkKeys(table string, d *types.TableDescription) error {
	const want = "pk (HASH, S), sk (RANGE, S)"
	kinds := map[string]types.ScalarAttributeType{}
	for _, a := range d.AttributeDefinitions {
		kinds[aws.ToString(a.AttributeName)] = a.AttributeType
	}
	var keys []string
	for _, k := range d.KeySchema {
		name := aws.ToString(k.AttributeName)
		keys = append(keys, fmt.Sprintf("%s (%s, %s)", name, k.KeyType, kinds[name]))
	}
	slices.Sort(keys)
	if got := strings.Join(keys, ", "); got != want {
		return fmt.Errorf("table %s has the keys %s, but needs %s: it is of something else, name another one or delete it", table, got, want)
	}
	return nil
}

// recovery turns point-in-time recovery on where it is off, unless the implementation has none.
func recovery(ctx context.Context, client *dynamodb.Client, table string) (bool, error) {
	out, err := call(ctx, client.DescribeContinuousBackups, &dynamodb.DescribeContinuousBackupsInput{TableName: &table})
	if awsapi.ErrorCode(err) == "UnknownOperationException" {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading the backups of table %s: %w", table, err)
	}
	if d := out.ContinuousBackupsDescription; d != nil && d.PointInTimeRecoveryDescription != nil &&
		d.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus == types.PointInTimeRecoveryStatusEnabled {
		return false, nil
	}
	in := &dynamodb.UpdateContinuousBackupsInput{
		TableName: &table, PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(true)},
	}
	ctx, cancel := context.WithTimeout(ctx, tableWait)
	defer cancel()
	for {
		_, err = call(ctx, client.UpdateContinuousBackups, in)
		// A new table's backups can be set up only some seconds after it is active.
		if awsapi.ErrorCode(err) != "ContinuousBackupsUnavailableException" || !rest(ctx, time.Second) {
			break
		}
	}
	if err != nil {
		return false, fmt.Errorf("turning point-in-time recovery of table %s on: %w", table, err)
	}
	return true, nil
}

// timeToLive turns the expiry of items on where it is off.
func timeToLive(ctx context.Context, client *dynamodb.Client, table string) (bool, error) {
	out, err := call(ctx, client.DescribeTimeToLive, &dynamodb.DescribeTimeToLiveInput{TableName: &table})
	if err != nil {
		return false, fmt.Errorf("reading the time to live of table %s: %w", table, err)
	}
	if d := out.TimeToLiveDescription; d != nil {
		on := d.TimeToLiveStatus == types.TimeToLiveStatusEnabled || d.TimeToLiveStatus == types.TimeToLiveStatusEnabling
		if on && aws.ToString(d.AttributeName) == expires {
			return false, nil
		}
		if on {
			return false, fmt.Errorf("table %s expires its items by %s, but needs %s", table, aws.ToString(d.AttributeName), expires)
		}
	}
	_, err = call(ctx, client.UpdateTimeToLive, &dynamodb.UpdateTimeToLiveInput{
		TableName: &table, TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String(expires), Enabled: aws.Bool(true)},
	})
	if err != nil {
		return false, fmt.Errorf("turning the time to live of table %s on: %w", table, err)
	}
	return true, nil
}
