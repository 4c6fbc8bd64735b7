package dynamoledger_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/internal/ledger/dynamoledger"
	"github.com/seed-56345083/reprise/internal/realservers"
)

// TestPermissions: everything is allowed here, and trying it leaves the tables as they were.
func TestPermissions(t *testing.T) {
	t.Parallel()
	db, s := database(t, ""), build(t)
	for _, f := range dynamoledger.Look(t.Context(), db, s.tables) {
		must(t, errors.Join(f.Err, f.Wrong))
	}
	for table, want := range map[string]int{s.tables.Meta: 6, s.tables.Cursors: 4, s.tables.Stats: 4} {
		findings := dynamoledger.TryTable(t.Context(), db, s.tables, table)
		equal(t, "permissions of "+table, len(findings), want)
		for _, f := range findings {
			must(t, f.Err)
		}
		out, err := db.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table})
		must(t, err)
		equal(t, "items left in "+table, len(out.Items), 0)
	}
}

// TestLook: what is missing, and what is set otherwise.
func TestLook(t *testing.T) {
	t.Parallel()
	db, s := database(t, ""), build(t)
	_, err := db.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{
		TableName: &s.tables.Meta, TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("expires"), Enabled: aws.Bool(false)},
	})
	must(t, err)
	s.tables.Stats = realservers.Unique(t, "none")
	var off, missing bool
	for _, f := range dynamoledger.Look(t.Context(), db, s.tables) {
		switch {
		case f.Action == dynamo.ActionDescribeTTL:
			off = f.Wrong != nil
		case f.Table == s.tables.Stats:
			missing = errors.Is(f.Err, dynamo.ErrNoTable)
		default:
			must(t, errors.Join(f.Err, f.Wrong))
		}
	}
	equal(t, "found that the time to live is off", off, true)
	equal(t, "found that a table is missing", missing, true)
	for _, f := range dynamoledger.TryTable(t.Context(), db, s.tables, s.tables.Stats) {
		says(t, f.Action+" on a table that is missing", f.Err, s.tables.Stats, f.Action)
	}
}
