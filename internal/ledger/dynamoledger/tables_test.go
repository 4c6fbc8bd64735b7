package dynamoledger_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/ledger/dynamoledger"
	"github.com/seed-56345083/reprise/internal/realservers"
)

func TestEnsure(t *testing.T) {
	t.Parallel()
	db := database(t, "")
	tables := dynamoledger.Tables{
		Meta: realservers.Unique(t, "m"), Cursors: realservers.Unique(t, "c"), Stats: realservers.Unique(t, "s"),
	}
	err := dynamoledger.Check(t.Context(), db, tables)
	says(t, "none is there", err, tables.Meta, tables.Cursors, tables.Stats, "us-east-1", "reprise init --aws")

	made, err := dynamoledger.Ensure(t.Context(), db, tables, dynamoledger.EnsureOptions{Protect: true})
	must(t, err)
	equal(t, "made", made, []string{"table " + tables.Meta, "table " + tables.Cursors, "table " + tables.Stats, "time to live in table " + tables.Meta})
	for range 2 {
		made, err = dynamoledger.Ensure(t.Context(), db, tables, dynamoledger.EnsureOptions{})
		must(t, err)
		equal(t, "made again", len(made), 0)
	}
	must(t, dynamoledger.Check(t.Context(), db, tables))
	out, err := db.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &tables.Stats})
	must(t, err)
	equal(t, "billing", out.Table.BillingModeSummary.BillingMode, types.BillingModePayPerRequest)
	equal(t, "protection", aws.ToBool(out.Table.DeletionProtectionEnabled), true)

	other := realservers.Unique(t, "other")
	_, err = db.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &other, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeN}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
	})
	must(t, err)
	tables.Cursors = other
	says(t, "other keys", dynamoledger.Check(t.Context(), db, tables), other, "id (HASH, N)", "pk (HASH, S), sk (RANGE, S)")
	_, err = dynamoledger.Ensure(t.Context(), db, tables, dynamoledger.EnsureOptions{})
	says(t, "other keys", err, other)
}

func TestOpenRefused(t *testing.T) {
	t.Parallel()
	good := dynamoledger.Options{
		Client: &dynamodb.Client{}, S3: objects(t, ""), Bucket: "b", Tables: dynamoledger.Tables{Meta: "m", Cursors: "c", Stats: "s"},
	}
	_, err := dynamoledger.Open(good)
	must(t, err)
	for name, spoil := range map[string]func(o *dynamoledger.Options){
		"no client":      func(o *dynamoledger.Options) { o.Client = nil },
		"no bucket":      func(o *dynamoledger.Options) { o.Bucket = "" },
		"no table":       func(o *dynamoledger.Options) { o.Tables.Stats = "" },
		"one for two":    func(o *dynamoledger.Options) { o.Tables.Stats = "c" },
		"a rate below 0": func(o *dynamoledger.Options) { o.WriteRate = -1 },
	} {
		o := good
		spoil(&o)
		_, err := dynamoledger.Open(o)
		says(t, name, err, "opening the ledger")
	}
}

// TestErrors: what an operator can mend is named.
func TestErrors(t *testing.T) {
	t.Parallel()
	tables := dynamoledger.Tables{Meta: realservers.Unique(t, "m"), Cursors: realservers.Unique(t, "c"), Stats: realservers.Unique(t, "s")}
	s := site{tables: tables, bucket: realservers.Unique(t, "none")}
	missing := open(t, s)
	calls := func(l *dynamoledger.Ledger) map[string]error {
		ctx := t.Context()
		_, claim := l.Claim(ctx, ledger.Claim{ID: id("a"), Now: start, Until: start})
		_, deleted := l.DeleteSegments(ctx, replay, 1)
		return map[string]error{
			tables.Meta:    l.Write(ctx, ledger.Writes{Protocols: []ledger.Protocol{{Name: "dns"}}}),
			tables.Cursors: claim,
			tables.Stats:   l.PutRows(ctx, live(0), []ledger.Row{{Statistic: "q", Day: "-", Key: "[]"}}),
			s.bucket:       deleted,
		}
	}
	for name, err := range calls(missing) {
		says(t, "missing", err, name, "reprise init --aws")
	}

	// Permissions are nothing that DynamoDB Local has: this stands for their refusal alone.
	refuse := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Target") == "" {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `<Error><Code>AccessDenied</Code><Message>no</Message></Error>`)
			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"User x is not authorized"}`)
	}))
	t.Cleanup(refuse.Close)
	actions := map[string]string{
		tables.Meta: "dynamodb:PutItem", tables.Cursors: "dynamodb:UpdateItem", tables.Stats: "dynamodb:PutItem", s.bucket: "s3:ListBucket",
	}
	for name, err := range calls(openAt(t, s, database(t, refuse.URL), objects(t, refuse.URL))) {
		says(t, "not allowed", err, name, "not allowed", actions[name])
	}
}
