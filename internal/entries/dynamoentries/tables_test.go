package dynamoentries_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/internal/entries/dynamoentries"
	"github.com/seed-56345083/reprise/internal/ledger/dynamoledger"
	"github.com/seed-56345083/reprise/internal/realservers"
)

func TestEnsure(t *testing.T) {
	t.Parallel()
	db, table := database(t, ""), realservers.Unique(t, "incoming")
	says(t, "there is none", dynamoentries.Check(t.Context(), db, table), table, "us-east-1", "reprise init --aws")
	made, err := dynamoentries.Ensure(t.Context(), db, table, dynamoledger.EnsureOptions{Protect: true})
	must(t, err)
	equal(t, "made", made, []string{"table " + table, "time to live in table " + table})
	for range 2 {
		made, err = dynamoentries.Ensure(t.Context(), db, table, dynamoledger.EnsureOptions{})
		must(t, err)
		equal(t, "made again", len(made), 0)
	}
	out, err := db.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &table})
	must(t, err)
	d := out.Table
	equal(t, "billing", d.BillingModeSummary.BillingMode, types.BillingModePayPerRequest)
	equal(t, "protection", aws.ToBool(d.DeletionProtectionEnabled), true)
	equal(t, "stream", d.StreamSpecification.StreamViewType, types.StreamViewTypeNewImage)
	for _, f := range dynamoentries.Look(t.Context(), db, table) {
		must(t, errors.Join(f.Err, f.Wrong))
	}

	// A table whose time to live an earlier call did not come to.
	_, err = db.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{
		TableName: &table, TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("expires"), Enabled: aws.Bool(false)},
	})
	must(t, err)
	findings := dynamoentries.Look(t.Context(), db, table)
	says(t, "time to live", findings[len(findings)-1].Wrong, "it is off", "archived entries")
	made, err = dynamoentries.Ensure(t.Context(), db, table, dynamoledger.EnsureOptions{})
	must(t, err)
	equal(t, "completed", made, []string{"time to live in table " + table})
}

// TestEnsureAtOnce: several processes that make the table at once all succeed.
func TestEnsureAtOnce(t *testing.T) {
	t.Parallel()
	table := realservers.Unique(t, "incoming")
	var all sync.WaitGroup
	for range 6 {
		db := database(t, "")
		all.Go(func() {
			if _, err := dynamoentries.Ensure(t.Context(), db, table, dynamoledger.EnsureOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, f := range dynamoentries.Look(t.Context(), database(t, ""), table) {
		must(t, errors.Join(f.Err, f.Wrong))
	}
}

// TestWrong: a table that is there is named with all that is wrong, and left as it is.
func TestWrong(t *testing.T) {
	t.Parallel()
	db := database(t, "")
	s := func(name string) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: aws.String(name), AttributeType: types.ScalarAttributeTypeS}
	}
	key := func(name string, kind types.KeyType) types.KeySchemaElement {
		return types.KeySchemaElement{AttributeName: aws.String(name), KeyType: kind}
	}
	index := func(projection types.Projection, keys ...types.KeySchemaElement) []types.GlobalSecondaryIndex {
		return []types.GlobalSecondaryIndex{{IndexName: aws.String("todo"), KeySchema: keys, Projection: &projection}}
	}
	all := types.Projection{ProjectionType: types.ProjectionTypeAll}
	include := types.Projection{ProjectionType: types.ProjectionTypeInclude, NonKeyAttributes: []string{"PROCESSED"}}
	byTodo := []types.KeySchemaElement{key("todo", types.KeyTypeHash), key("ts", types.KeyTypeRange)}
	streaming := func(view types.StreamViewType) *types.StreamSpecification {
		return &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: view}
	}
	for what, c := range map[string]struct {
		in   dynamodb.CreateTableInput
		want []string
	}{
		"other keys": {dynamodb.CreateTableInput{
			AttributeDefinitions: []types.AttributeDefinition{s("id"), s("ts")},
			KeySchema:            []types.KeySchemaElement{key("id", types.KeyTypeHash), key("ts", types.KeyTypeRange)},
		}, []string{"id (HASH, S), ts (RANGE, S), but needs id (HASH, S)"}},
		"no index, no stream": {dynamodb.CreateTableInput{
			AttributeDefinitions: []types.AttributeDefinition{s("id")},
		}, []string{"there is no index todo", "it has no stream"}},
		"an index with other keys, a stream of keys": {dynamodb.CreateTableInput{
			AttributeDefinitions:   []types.AttributeDefinition{s("id"), s("todo")},
			GlobalSecondaryIndexes: index(all, byTodo[0]), StreamSpecification: streaming(types.StreamViewTypeKeysOnly),
		}, []string{"the index todo has the keys todo (HASH, S)", "its stream shows KEYS_ONLY"}},
		"an index without batch, a stream of old images": {dynamodb.CreateTableInput{
			AttributeDefinitions:   []types.AttributeDefinition{s("id"), s("todo"), s("ts")},
			GlobalSecondaryIndexes: index(include, byTodo...), StreamSpecification: streaming(types.StreamViewTypeOldImage),
		}, []string{"the index todo does not include batch", "its stream shows OLD_IMAGE"}},
		"more than is needed": {dynamodb.CreateTableInput{
			AttributeDefinitions:   []types.AttributeDefinition{s("id"), s("todo"), s("ts")},
			GlobalSecondaryIndexes: index(all, byTodo...), StreamSpecification: streaming(types.StreamViewTypeNewAndOldImages),
		}, nil},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			in, table := c.in, realservers.Unique(t, "incoming")
			in.TableName, in.BillingMode = &table, types.BillingModePayPerRequest
			if in.KeySchema == nil {
				in.KeySchema = []types.KeySchemaElement{key("id", types.KeyTypeHash)}
			}
			out, err := db.CreateTable(t.Context(), &in)
			must(t, err)
			made, err := dynamoentries.Ensure(t.Context(), db, table, dynamoledger.EnsureOptions{})
			var found []string
			for _, f := range dynamoentries.Look(t.Context(), db, table) {
				must(t, f.Err)
				if f.Wrong != nil && f.Action == dynamo.ActionDescribe {
					found = append(found, f.Wrong.Error())
				}
			}
			if c.want == nil {
				must(t, err)
				equal(t, "made", made, []string{"time to live in table " + table})
				equal(t, "wrong", found, []string(nil))
				return
			}
			says(t, "Ensure", err, append([]string{table}, c.want...)...)
			equal(t, "made", len(made), 0)
			equal(t, "findings", len(found), len(c.want))
			for n, want := range c.want {
				if !strings.Contains(found[n], want) || !strings.Contains(found[n], table) {
					t.Errorf("found %q, want %q", found[n], want)
				}
			}
			now, err := db.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &table})
			must(t, err)
			equal(t, "indexes afterwards", len(now.Table.GlobalSecondaryIndexes), len(out.TableDescription.GlobalSecondaryIndexes))
		})
	}
}

// TestTry: everything is allowed here, and trying it leaves the tables as they were.
func TestTry(t *testing.T) {
	t.Parallel()
	s := build(t)
	_, e := open(t, s, "")
	var actions []string
	for _, f := range e.Try(t.Context()) {
		must(t, f.Err)
		actions = append(actions, string(f.Place)+" "+strings.TrimPrefix(f.Action, "dynamodb:"))
	}
	slices.Sort(actions)
	equal(t, "permissions", actions, []string{
		"index Query", "meta ConditionCheckItem", "stats BatchGetItem", "stream DescribeStream", "stream GetRecords", "stream GetShardIterator",
		"table BatchGetItem", "table GetItem", "table PutItem", "table UpdateItem",
	})
	for _, table := range []string{s.table, s.ledger.Meta, s.ledger.Stats} {
		out, err := database(t, "").Scan(t.Context(), &dynamodb.ScanInput{TableName: &table})
		must(t, err)
		equal(t, "items left in "+table, len(out.Items), 0)
	}
	s.table = realservers.Unique(t, "none")
	_, e = open(t, s, "")
	for _, f := range e.Try(t.Context()) {
		if f.Place != dynamoentries.OnMeta && f.Place != dynamoentries.OnStats {
			says(t, f.Action+" on a table that is missing", f.Err, s.table, f.Action)
		}
	}
}

func TestOpenRefused(t *testing.T) {
	t.Parallel()
	s := build(t)
	l, _ := open(t, s, "")
	db := database(t, "")
	for what, o := range map[string]dynamoentries.Options{
		"no client":             {Ledger: l, Table: "x"},
		"no ledger":             {Client: db, Table: "x"},
		"no table":              {Client: db, Ledger: l},
		"writes below 0":        {Client: db, Ledger: l, Table: "x", AtOnce: -1},
		"a table of the ledger": {Client: db, Ledger: l, Table: s.ledger.Meta},
	} {
		_, err := dynamoentries.Open(o)
		says(t, what, err, "opening the incoming table")
	}
	// Without a client of streams everything but the feed works.
	e, err := dynamoentries.Open(dynamoentries.Options{Client: db, Ledger: l, Table: s.table})
	must(t, err)
	_, err = e.Put(t.Context(), numbered(1))
	must(t, err)
	_, err = e.Shards(t.Context())
	says(t, "the feed", err, "no client")
}
