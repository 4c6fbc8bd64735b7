package app_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/seed-56345083/reprise/internal/app"
	"github.com/seed-56345083/reprise/internal/config"
	"github.com/seed-56345083/reprise/internal/realservers"
)

// provision makes everything, and returns what was said.
func provision(t *testing.T, c config.Config, createBucket bool) []app.Step {
	t.Helper()
	steps, err := app.Provision(t.Context(), c, "test", createBucket)
	if err != nil {
		t.Fatalf("%v\n%+v", err, steps)
	}
	return steps
}

// did are the things, without their settings, of an action.
func did(steps []app.Step, action app.Action) []string {
	var on []string
	for _, s := range steps {
		if s.Setting == "" && s.Action == action {
			on = append(on, s.On)
		}
	}
	slices.Sort(on)
	return on
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// TestProvision: from nothing, without the bucket, and again with it.
func TestProvision(t *testing.T) {
	t.Parallel()
	c := site(t, nil)
	a := c.AWS
	bucket := "bucket " + a.Bucket
	most := []string{"queue " + a.Queue, "queue " + a.DeadLetterQueue, "table " + a.Tables.Meta, "table " + a.Tables.Cursors, "table " + a.Tables.Stats,
		"table " + a.Tables.Incoming}

	steps, err := app.Provision(t.Context(), c, "test", false)
	if !errors.Is(err, app.ErrRefused) {
		t.Errorf("without a bucket: %v, want ErrRefused", err)
	}
	same(t, "made", did(steps, app.ActionMade), append([]string{"time to live in table " + a.Tables.Meta, "time to live in table " + a.Tables.Incoming}, most...))
	same(t, "refused", did(steps, app.ActionRefused), []string{bucket})

	steps = provision(t, c, true)
	same(t, "made with the bucket", did(steps, app.ActionMade), []string{bucket + " in " + realservers.Region})
	same(t, "found then", did(steps, app.ActionFound), slices.Clone(most))

	for _, create := range []bool{true, false} {
		steps = provision(t, c, create)
		same(t, "made at the end", did(steps, app.ActionMade), nil)
		same(t, "found at the end", did(steps, app.ActionFound), append([]string{bucket}, most...))
	}
}

// TestProvisionRefused: what somebody set otherwise stays and is named, and the rest is made.
func TestProvisionRefused(t *testing.T) {
	t.Parallel()
	c := site(t, nil)
	queues, db := clients(t, c)
	spoilQueues(t, queues, c)
	spoilTable(t, db, c.AWS.Tables.Cursors)
	steps, err := app.Provision(t.Context(), c, "test", true)
	if !errors.Is(err, app.ErrRefused) {
		t.Errorf("%v, want ErrRefused", err)
	}
	var refused []string
	for _, s := range steps {
		if s.Action == app.ActionRefused {
			refused = append(refused, s.On+" "+s.Setting+" "+s.Why)
		}
	}
	if len(refused) != 2 || !strings.Contains(refused[0], c.AWS.Queue+" RedrivePolicy") || !strings.Contains(refused[1], c.AWS.Tables.Cursors) {
		t.Errorf("refused: %q", refused)
	}
	made := did(steps, app.ActionMade)
	for _, on := range []string{"table " + c.AWS.Tables.Meta, "bucket " + c.AWS.Bucket + " in " + realservers.Region} {
		if !slices.Contains(made, on) {
			t.Errorf("made %q, which lacks %q", made, on)
		}
	}
}

// TestProvisionDenied: what may not be made is named with the reason, and the rest is made.
func TestProvisionDenied(t *testing.T) {
	t.Parallel()
	c := site(t, gate(t, func(r request) bool { return r.action == "sqs:CreateQueue" || r.action == "s3:CreateBucket" }, nil))
	steps, err := app.Provision(t.Context(), c, "test", true)
	if !errors.Is(err, app.ErrRefused) {
		t.Errorf("%v, want ErrRefused", err)
	}
	same(t, "refused", did(steps, app.ActionRefused), []string{"queues", "bucket " + c.AWS.Bucket})
	if made := did(steps, app.ActionMade); len(made) != 6 {
		t.Errorf("made %q, want four tables and the time to live of two", made)
	}
	for _, s := range steps {
		if s.Action == app.ActionRefused && !strings.Contains(s.Why, "the user of the test is not authorized") {
			t.Errorf("%+v does not say what AWS said", s)
		}
	}
}

// TestProvisionIncoming: the incoming table is made without a live side too, and said to be for one; one that somebody made
// otherwise is refused with what is wrong with it.
func TestProvisionIncoming(t *testing.T) {
	t.Parallel()
	c := site(t, nil)
	on := "table " + c.AWS.Tables.Incoming
	for _, live := range []bool{false, true, false} {
		c.Live.On = live
		for _, s := range provision(t, c, true) {
			if s.On == on && s.Setting == "" && strings.Contains(s.Why, "live: none") == live {
				t.Errorf("with a live side: %v, and %+v", live, s)
			}
		}
	}
	c = site(t, nil)
	_, db := clients(t, c)
	spoilTable(t, db, c.AWS.Tables.Incoming)
	steps, err := app.Provision(t.Context(), c, "test", true)
	if !errors.Is(err, app.ErrRefused) {
		t.Errorf("%v, want ErrRefused", err)
	}
	for _, s := range steps {
		if refused := s.On == "table "+c.AWS.Tables.Incoming; refused != (s.Action == app.ActionRefused) {
			t.Errorf("%+v", s)
		} else if refused && (!strings.Contains(s.Why, "no index todo") || !strings.Contains(s.Why, "no stream")) {
			t.Errorf("refused because of %q", s.Why)
		}
	}
}

func TestProvisionLocal(t *testing.T) {
	t.Parallel()
	_, err := app.Provision(t.Context(), load(t, protocols), "test", true)
	if !errors.Is(err, app.ErrUsage) || !strings.Contains(err.Error(), "backend: aws") {
		t.Errorf("%v, want ErrUsage that names the key", err)
	}
}

// clients of the servers themselves, for what an operator might have set.
func clients(t *testing.T, c config.Config) (*sqs.Client, *dynamodb.Client) {
	t.Helper()
	settings := realservers.Config(t)
	return sqs.NewFromConfig(settings, func(o *sqs.Options) { o.BaseEndpoint = &c.AWS.EndpointURL.SQS }),
		dynamodb.NewFromConfig(settings, func(o *dynamodb.Options) { o.BaseEndpoint = &c.AWS.EndpointURL.DynamoDB })
}

// spoilQueues makes the work queue with another dead-letter queue than the configuration's.
func spoilQueues(t *testing.T, client *sqs.Client, c config.Config) {
	t.Helper()
	other, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(realservers.Unique(t, "other"))})
	if err != nil {
		t.Fatal(err)
	}
	out, err := client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: other.QueueUrl, AttributeNames: []sqsName{"QueueArn"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &c.AWS.Queue, Attributes: map[string]string{
		"RedrivePolicy": `{"deadLetterTargetArn":"` + out.Attributes["QueueArn"] + `","maxReceiveCount":3}`,
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// spoilTable makes a table with other keys.
func spoilTable(t *testing.T, client *dynamodb.Client, table string) {
	t.Helper()
	_, err := client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &table, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
	})
	if err != nil {
		t.Fatal(err)
	}
}
