package dynamoledger_test

import (
	"flag"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/seed-56345083/reprise/internal/awsapi"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/ledger/dynamoledger"
	"github.com/seed-56345083/reprise/internal/ledger/ledgertest"
	"github.com/seed-56345083/reprise/internal/realservers"
)

// TestMain makes the suite fit DynamoDB Local, which takes some milliseconds for a call: more tests wait at once, and the
// model test, whose calls come one after the other, tries fewer histories. Flags of the command line win over both.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"test.parallel": "8", "rapid.checks": "15"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	realservers.Main(m)
}

// site is where a ledger lives: its tables and its bucket.
type site struct {
	tables dynamoledger.Tables
	bucket string
}

// bucket is one for all tests: each has its own prefix.
var bucket struct {
	once sync.Once
	name string
	err  error
}

// build makes a site of its own.
func build(tb testing.TB) site {
	tb.Helper()
	s := site{tables: dynamoledger.Tables{
		Meta: realservers.Unique(tb, "meta"), Cursors: realservers.Unique(tb, "cursors"), Stats: realservers.Unique(tb, "stats"),
	}}
	if _, err := dynamoledger.Ensure(tb.Context(), database(tb, ""), s.tables, dynamoledger.EnsureOptions{}); err != nil {
		tb.Fatal(err)
	}
	store := objects(tb, "")
	bucket.once.Do(func() {
		bucket.name = realservers.Unique(tb, "partials")
		_, bucket.err = store.CreateBucket(tb.Context(), &s3.CreateBucketInput{Bucket: &bucket.name})
	})
	if bucket.err != nil {
		tb.Fatal(bucket.err)
	}
	s.bucket = bucket.name
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

// objects is a client of versitygw, or of what stands before it at url.
func objects(tb testing.TB, url string) *s3.Client {
	tb.Helper()
	if url == "" {
		url = realservers.S3(tb)
	}
	return s3.NewFromConfig(awsapi.Prepare(realservers.Config(tb)), func(o *s3.Options) {
		o.BaseEndpoint, o.UsePathStyle = aws.String(url), true
	})
}

// open opens a ledger at a site, with clients of its own.
func open(tb testing.TB, s site) *dynamoledger.Ledger {
	tb.Helper()
	return openAt(tb, s, database(tb, ""), objects(tb, ""))
}

func openAt(tb testing.TB, s site, db *dynamodb.Client, store *s3.Client) *dynamoledger.Ledger {
	tb.Helper()
	l, err := dynamoledger.Open(dynamoledger.Options{
		Client: db, Tables: s.tables, S3: store, Bucket: s.bucket, Prefix: s.tables.Meta + "/", WriteRate: 1e9,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// harness opens each ledger in tables of its own and knows which.
func harness() ledgertest.Harness {
	var sites sync.Map // ledger.Ledger to site
	return ledgertest.Harness{
		Driver: "dynamoledger on DynamoDB Local",
		Open: func(tb testing.TB) ledger.Ledger {
			s := build(tb)
			l := open(tb, s)
			sites.Store(l, s)
			return l
		},
		Again: func(tb testing.TB, l ledger.Ledger) ledger.Ledger {
			s, _ := sites.Load(l)
			return open(tb, s.(site))
		},
		Many: 400, // pages are of 1 MiB: see TestPages
	}
}

func TestLedger(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, harness())
}

func BenchmarkLedger(b *testing.B) { ledgertest.Bench(b, harness()) }
