package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/seed-56345083/reprise/internal/archive/s3archive"
	"github.com/seed-56345083/reprise/internal/awsapi"
	"github.com/seed-56345083/reprise/internal/ledger/dynamoledger"
	"github.com/seed-56345083/reprise/internal/realservers"
	"github.com/seed-56345083/reprise/queue"
)

// cloud is what a site on the aws backend has: services, and the names that are the site's own.
type cloud struct {
	at          endpoints // as the program sees them
	direct      endpoints
	queue, dead string
	bucket      string
	tables      dynamoledger.Tables
	sqs         *sqs.Client // of the test, beside the program
	s3          *s3.Client
	dynamo      *dynamodb.Client
	incoming    string     // its table
	watcher     string     // of the configuration
	live        string     // the same; "": no live side
	meddler     *sendProxy // in front of the queues; nil: none
}

// endpoints are base URLs.
type endpoints struct{ sqs, s3, dynamo string }

// newCloudSite makes a site on the aws backend: queues, tables and a bucket of its own. change, which may be nil, is called
// before anything is made.
func newCloudSite(t *testing.T, worker, protocols string, change func(*cloud)) *site {
	t.Helper()
	c := &cloud{
		direct:  endpoints{realservers.SQS(t), realservers.S3(t), realservers.DynamoDB(t)},
		queue:   realservers.Unique(t, "work"),
		dead:    realservers.Unique(t, "dead"),
		bucket:  realservers.Unique(t, "bucket"),
		watcher: "interval: 500ms, stuck_after: 3s",
	}
	name := realservers.Unique(t, "table")
	c.tables = dynamoledger.Tables{Meta: name + "-meta", Cursors: name + "-cursors", Stats: name + "-stats"}
	c.incoming = name + "-incoming"
	c.at = c.direct
	if change != nil {
		change(c)
	}
	settings := awsapi.Prepare(realservers.Config(t))
	c.sqs = sqs.NewFromConfig(settings, func(o *sqs.Options) { o.BaseEndpoint = &c.direct.sqs })
	c.s3 = s3archive.Client(settings, c.direct.s3)
	c.dynamo = dynamodb.NewFromConfig(settings, func(o *dynamodb.Options) { o.BaseEndpoint = &c.direct.dynamo })
	s := &site{t: t, dir: t.TempDir(), cloud: c, prepare: func(cmd *exec.Cmd) { cmd.Env = append(realservers.Environ(), "TZ=UTC") }}
	s.configure(worker, protocols)
	s.must("init", "--aws", "--create-bucket")
	return s
}

// places are those of the configuration.
func (c *cloud) places() string {
	return fmt.Sprintf(`backend: aws
aws:
  region: %s
  endpoint_url: {sqs: %q, s3: %q, dynamodb: %q}
  queue: %s
  dead_letter_queue: %s
  bucket: %s
  tables: {meta: %s, cursors: %s, stats: %s, incoming: %s}
watcher: {%s}
%s`, realservers.Region, c.at.sqs, c.at.s3, c.at.dynamo, c.queue, c.dead, c.bucket, c.tables.Meta, c.tables.Cursors, c.tables.Stats, c.incoming,
		c.watcher, c.live)
}

func (c *cloud) put(t *testing.T, key string, content []byte) {
	t.Helper()
	_, err := c.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &c.bucket, Key: &key, Body: bytes.NewReader(content)})
	if err != nil {
		t.Fatal(err)
	}
}

// bodies are the messages of a queue, whoever has them: fauxqs tells without receiving them.
func (c *cloud) bodies(t *testing.T, name string) [][]byte {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.direct.sqs+"/_fauxqs/queues/"+name, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	type message struct {
		Body *string `json:"body"`
	}
	var q struct {
		Messages *struct {
			Ready, Delayed []message
			InFlight       []struct{ Message message }
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&q); err != nil || response.StatusCode != http.StatusOK || q.Messages == nil {
		t.Fatalf("looking into queue %s: %s, %v", name, response.Status, err)
	}
	messages := slices.Concat(q.Messages.Ready, q.Messages.Delayed)
	for _, m := range q.Messages.InFlight {
		messages = append(messages, m.Message)
	}
	var bodies [][]byte
	for _, m := range messages {
		if m.Body == nil {
			t.Fatalf("a message of queue %s has no body", name)
		}
		bodies = append(bodies, []byte(*m.Body))
	}
	return bodies
}

// held is how many objects a process of that number has in work, read from the table as it lies there.
func (c *cloud) held(t *testing.T, pid int) (n int) {
	t.Helper()
	in := &dynamodb.ScanInput{
		TableName: &c.tables.Cursors, ConsistentRead: aws.Bool(true), ProjectionExpression: aws.String("#owner"),
		FilterExpression:          aws.String("#state = :processing"),
		ExpressionAttributeNames:  map[string]string{"#owner": "owner", "#state": "state"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":processing": &types.AttributeValueMemberS{Value: "PROCESSING"}},
	}
	pages := dynamodb.NewScanPaginator(c.dynamo, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			if owner, ok := item["owner"].(*types.AttributeValueMemberS); ok && strings.Contains(owner.Value, fmt.Sprintf("-%d-", pid)) {
				n++
			}
		}
	}
	return n
}

// keysOf are the objects that messages are of.
func keysOf(t *testing.T, bodies [][]byte) []string {
	t.Helper()
	keys := map[string]bool{}
	for _, body := range bodies {
		var task queue.Task
		if err := json.Unmarshal(body, &task); err != nil {
			t.Errorf("a message is %q", body)
		}
		keys[task.Key] = true
	}
	return slices.Sorted(maps.Keys(keys))
}
