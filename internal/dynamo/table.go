package dynamo

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

// Expires is the attribute by which DynamoDB deletes items that nobody needs any more, some days late, in seconds since 1970.
const Expires = "expires"

// ErrNoTable says that a table is not there.
var ErrNoTable = errors.New("there is no such table (reprise init --aws makes it)")

// tableWait is how long is waited for a table to become active; DynamoDB takes seconds.
const tableWait = 2 * time.Minute

// The permissions that tables take. A transaction needs those of what it does, and has none of its own.
const (
	ActionDescribe    = "dynamodb:DescribeTable"
	ActionDescribeTTL = "dynamodb:DescribeTimeToLive"
	ActionGet         = "dynamodb:GetItem"
	ActionBatchGet    = "dynamodb:BatchGetItem"
	ActionQuery       = "dynamodb:Query"
	ActionPut         = "dynamodb:PutItem"
	ActionUpdate      = "dynamodb:UpdateItem"
	ActionDelete      = "dynamodb:DeleteItem"
	ActionCondition   = "dynamodb:ConditionCheckItem"
	ActionBatch       = "dynamodb:BatchWriteItem"
)

// Finding is one permission that was tried, or one setting that was looked at.
type Finding struct {
	Table  string
	Action string // the permission
	By     string // the call, where it is not named like the permission
	Err    error  // nil: it is there; awsapi.Denied tells a refusal from other reasons
	Wrong  error  // of a setting that could be looked at: how it is not as it should be
}

// Create makes a table that is paid by the request, and reports whether it was not there before.
func Create(ctx context.Context, client *dynamodb.Client, in *dynamodb.CreateTableInput) (bool, error) {
	in.BillingMode = types.BillingModePayPerRequest
	_, err := Call(ctx, client.CreateTable, in)
	if exists := (*types.ResourceInUseException)(nil); errors.As(err, &exists) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("creating table %s: %w", aws.ToString(in.TableName), err)
	}
	return true, nil
}

// Await waits until a table can be used.
func Await(ctx context.Context, client *dynamodb.Client, table string) error {
	ctx, cancel := context.WithTimeout(ctx, tableWait)
	defer cancel()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		d, err := Describe(ctx, client, table)
		switch {
		case err != nil && !errors.Is(err, ErrNoTable): // creating it may not have come everywhere yet
			return err
		case err == nil && d.TableStatus == types.TableStatusActive, err == nil && d.TableStatus == types.TableStatusUpdating:
			return nil
		}
		if !Rest(ctx, pause) {
			return fmt.Errorf("waiting for table %s to become active: %w", table, ctx.Err())
		}
	}
}

// Describe tells of a table; ErrNoTable.
func Describe(ctx context.Context, client *dynamodb.Client, table string) (*types.TableDescription, error) {
	out, err := Call(ctx, client.DescribeTable, &dynamodb.DescribeTableInput{TableName: &table})
	if missing := (*types.ResourceNotFoundException)(nil); errors.As(err, &missing) {
		return nil, fmt.Errorf("table %s in region %s: %w", table, client.Options().Region, ErrNoTable)
	}
	if err != nil {
		return nil, fmt.Errorf("describing table %s: %w", table, err)
	}
	return out.Table, nil
}

// Keys are the keys of a table or an index in words: "pk (HASH, S), sk (RANGE, S)".
func Keys(d *types.TableDescription, schema []types.KeySchemaElement) string {
	kinds := map[string]types.ScalarAttributeType{}
	for _, a := range d.AttributeDefinitions {
		kinds[aws.ToString(a.AttributeName)] = a.AttributeType
	}
	var keys []string
	for _, k := range schema {
		name := aws.ToString(k.AttributeName)
		keys = append(keys, fmt.Sprintf("%s (%s, %s)", name, k.KeyType, kinds[name]))
	}
	slices.Sort(keys) // the hash key comes first, in whatever order they are told
	return strings.Join(keys, ", ")
}

// CheckKeys compares the keys of a table with those wanted, in words.
func CheckKeys(table string, d *types.TableDescription, want string) error {
	if got := Keys(d, d.KeySchema); got != want {
		return fmt.Errorf("table %s has the keys %s, but needs %s: it is of something else, name another one or delete it", table, got, want)
	}
	return nil
}

// Recovery turns point-in-time recovery on where it is off, unless the implementation has none.
func Recovery(ctx context.Context, client *dynamodb.Client, table string) (bool, error) {
	out, err := Call(ctx, client.DescribeContinuousBackups, &dynamodb.DescribeContinuousBackupsInput{TableName: &table})
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
		_, err = Call(ctx, client.UpdateContinuousBackups, in)
		// A new table's backups can be set up only some seconds after it is active.
		if awsapi.ErrorCode(err) != "ContinuousBackupsUnavailableException" || !Rest(ctx, time.Second) {
			break
		}
	}
	if err != nil {
		return false, fmt.Errorf("turning point-in-time recovery of table %s on: %w", table, err)
	}
	return true, nil
}

// TimeToLive turns the expiry of items on where it is off. Where another process does so at the same time, it is on.
func TimeToLive(ctx context.Context, client *dynamodb.Client, table string) (bool, error) {
	on, err := expiring(ctx, client, table)
	if on || err != nil {
		return false, err
	}
	_, err = Call(ctx, client.UpdateTimeToLive, &dynamodb.UpdateTimeToLiveInput{
		TableName: &table, TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String(Expires), Enabled: aws.Bool(true)},
	})
	if err != nil {
		if on, _ := expiring(ctx, client, table); on {
			return false, nil
		}
		return false, fmt.Errorf("turning the time to live of table %s on: %w", table, err)
	}
	return true, nil
}

// expiring reports whether items expire; by another attribute than Expires is an error.
func expiring(ctx context.Context, client *dynamodb.Client, table string) (bool, error) {
	out, err := Call(ctx, client.DescribeTimeToLive, &dynamodb.DescribeTimeToLiveInput{TableName: &table})
	if err != nil {
		return false, fmt.Errorf("reading the time to live of table %s: %w", table, err)
	}
	d := out.TimeToLiveDescription
	if d == nil || d.TimeToLiveStatus != types.TimeToLiveStatusEnabled && d.TimeToLiveStatus != types.TimeToLiveStatusEnabling {
		return false, nil
	}
	if name := aws.ToString(d.AttributeName); name != Expires {
		return false, fmt.Errorf("table %s expires its items by %s, but needs %s", table, name, Expires)
	}
	return true, nil
}

// LookTimeToLive is a finding of ActionDescribeTTL. without says what happens where it is off.
func LookTimeToLive(ctx context.Context, client *dynamodb.Client, table, without string) Finding {
	f := Finding{Table: table, Action: ActionDescribeTTL}
	out, err := Call(ctx, client.DescribeTimeToLive, &dynamodb.DescribeTimeToLiveInput{TableName: &table})
	if err != nil {
		f.Err = fmt.Errorf("reading the time to live of table %s: %w", table, err)
		return f
	}
	d := out.TimeToLiveDescription
	if d == nil || d.TimeToLiveStatus != types.TimeToLiveStatusEnabled && d.TimeToLiveStatus != types.TimeToLiveStatusEnabling {
		f.Wrong = errors.New("it is off: " + without)
	} else if name := aws.ToString(d.AttributeName); name != Expires {
		f.Wrong = fmt.Errorf("items expire by %s, not by %s", name, Expires)
	}
	return f
}

// RefusedByCondition knows the answer to whoever may write.
func RefusedByCondition(err error) bool {
	if _, refused := OldItem(err); refused {
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
