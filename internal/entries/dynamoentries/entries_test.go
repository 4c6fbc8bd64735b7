package dynamoentries_test

import (
	"flag"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/seed-56345083/reprise/internal/awsapi"
	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/entries/dynamoentries"
	"github.com/seed-56345083/reprise/internal/entries/entriestest"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/ledger/dynamoledger"
	"github.com/seed-56345083/reprise/internal/realservers"
)

// TestMain makes the suite fit DynamoDB Local, which takes some milliseconds for a call and carries out one write after the
// other: the model test, whose calls come one after the other, tries fewer histories, and not more tests run at once than leave each call
// enough of its time on a loaded machine (see open). Flags of the command line win over both.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"test.parallel": "4", "rapid.checks": "15"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	realservers.Main(m)
}

// site is where a store lives: the ledger's tables and that of the entries.
type site struct {
	ledger dynamoledger.Tables
	table  string
}

// build makes a site of its own.
func build(tb testing.TB) site {
	tb.Helper()
	s := site{table: realservers.Unique(tb, "incoming"), ledger: dynamoledger.Tables{
		Meta: realservers.Unique(tb, "meta"), Cursors: realservers.Unique(tb, "cursors"), Stats: realservers.Unique(tb, "stats"),
	}}
	db := database(tb, "")
	if _, err := dynamoledger.Ensure(tb.Context(), db, s.ledger, dynamoledger.EnsureOptions{}); err != nil {
		tb.Fatal(err)
	}
	if _, err := dynamoentries.Ensure(tb.Context(), db, s.table, dynamoledger.EnsureOptions{}); err != nil {
		tb.Fatal(err)
	}
	return s
}

// database is a client of DynamoDB Local, or of what stands before it at url.
func database(tb testing.TB, url string) *dynamodb.Client {
	tb.Helper()
	if url == "" {
		url = realservers.DynamoDB(tb)
	}
	return dynamodb.NewFromConfig(awsapi.Prepare(realservers.Config(tb)), func(o *dynamodb.Options) { o.BaseEndpoint = &url })
}

// stream is a client of DynamoDB Local's streams, or of what stands before them at url.
func stream(tb testing.TB, url string) *dynamodbstreams.Client {
	tb.Helper()
	if url == "" {
		url = realservers.DynamoDB(tb)
	}
	return dynamodbstreams.NewFromConfig(awsapi.Prepare(realservers.Config(tb)), func(o *dynamodbstreams.Options) { o.BaseEndpoint = &url })
}

// open opens a store at a site with clients of its own, of DynamoDB Local or of what stands before it at url.
func open(tb testing.TB, s site, url string) (*dynamoledger.Ledger, *dynamoentries.Entries) {
	tb.Helper()
	db := database(tb, url)
	l, err := dynamoledger.Open(dynamoledger.Options{
		// Cursors and their segments have no part in this.
		Client: db, Tables: s.ledger, S3: s3.NewFromConfig(realservers.Config(tb)), Bucket: "none",
	})
	if err != nil {
		tb.Fatal(err)
	}
	e, err := dynamoentries.Open(dynamoentries.Options{Client: db, Streams: stream(tb, url), Ledger: l, Table: s.table, AtOnce: 4})
	if err != nil {
		tb.Fatal(err)
	}
	return l, e
}

// harness opens each store in tables of its own and knows which.
func harness() entriestest.Harness {
	var sites sync.Map // entries.Entries to site
	return entriestest.Harness{
		Driver: "dynamoentries on DynamoDB Local",
		Open: func(tb testing.TB) (ledger.Ledger, entries.Entries) {
			s := build(tb)
			l, e := open(tb, s, "")
			sites.Store(e, s)
			return l, e
		},
		Again: func(tb testing.TB, e entries.Entries) entries.Entries {
			s, _ := sites.Load(e)
			_, again := open(tb, s.(site), "")
			return again
		},
		Many:          400,
		ExpiresItself: true,
	}
}

func TestEntries(t *testing.T) {
	t.Parallel()
	entriestest.Run(t, harness())
}
