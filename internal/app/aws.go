package app

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/seed-56345083/reprise/internal/archive/s3archive"
	"github.com/seed-56345083/reprise/internal/awsapi"
	"github.com/seed-56345083/reprise/internal/config"
	"github.com/seed-56345083/reprise/internal/entries/dynamoentries"
	"github.com/seed-56345083/reprise/internal/ledger/dynamoledger"
	"github.com/seed-56345083/reprise/queue/sqsqueue"
)

// awsClients are the clients of one process; they share its connections.
type awsClients struct {
	region  string
	sqs     *sqs.Client
	s3      *s3.Client
	dynamo  *dynamodb.Client
	streams *dynamodbstreams.Client
}

func newAWSClients(ctx context.Context, c config.Config, version string, tell awsapi.Observer) (awsClients, error) {
	// Each slot reads, commits, tags and sends; a heartbeat and a listing, which sets 32 tags at once, come on top.
	settings, err := awsapi.Load(ctx, awsapi.Options{Region: c.AWS.Region, Version: version, Connections: 40 + 4*c.Worker.Slots, Observer: tell})
	if err != nil {
		return awsClients{}, err
	}
	return awsClients{
		region: settings.Region,
		sqs:    sqs.NewFromConfig(settings, func(o *sqs.Options) { o.BaseEndpoint = endpoint(c.AWS.EndpointURL.SQS) }),
		s3:     s3archive.Client(settings, c.AWS.EndpointURL.S3),
		dynamo: dynamodb.NewFromConfig(settings, func(o *dynamodb.Options) { o.BaseEndpoint = endpoint(c.AWS.EndpointURL.DynamoDB) }),
		// AWS has streams at an address of their own; other implementations of DynamoDB have both at one.
		streams: dynamodbstreams.NewFromConfig(settings, func(o *dynamodbstreams.Options) { o.BaseEndpoint = endpoint(c.AWS.EndpointURL.DynamoDB) }),
	}, nil
}

// endpoint is nil for AWS's own.
func endpoint(url string) *string {
	if url == "" {
		return nil
	}
	return aws.String(url)
}

func (b *backend) openAWS(ctx context.Context, c config.Config, version string, tell awsapi.Observer) error {
	clients, err := newAWSClients(ctx, c, version, tell)
	if err != nil {
		return err
	}
	q, err := sqsqueue.Open(ctx, sqsqueue.Options{Client: clients.sqs, Name: c.AWS.Queue})
	if err != nil {
		return fmt.Errorf("aws.queue: %w", err)
	}
	dead, err := sqsqueue.Open(ctx, sqsqueue.Options{Client: clients.sqs, Name: c.AWS.DeadLetterQueue})
	if err != nil {
		return fmt.Errorf("aws.dead_letter_queue: %w", err)
	}
	attributes, err := q.Attributes(ctx)
	if err != nil {
		return fmt.Errorf("aws.queue: %w", err)
	}
	objects, err := s3archive.New(s3archive.Options{Client: clients.s3, Bucket: c.AWS.Bucket, TagRate: float64(c.AWS.TagRate)})
	if err != nil {
		return fmt.Errorf("aws.bucket: %w", err)
	}
	l, err := clients.openLedger(c)
	if err != nil {
		return err
	}
	if c.Live.On {
		if b.entries, err = clients.openEntries(c, l); err != nil {
			return err
		}
	}
	b.queue, b.dead, b.archive, b.ledger = q, dead, objects, l
	b.retention, b.report = attributes.Retention, 10*time.Second
	// Above the age that a worker's copy reaches by itself, so that nearly every read after a tag is spared.
	b.tagAge = 1500 * time.Millisecond
	b.lease = min(30*time.Second, lease(c.Watcher)) // longer than a call may take
	return nil
}

func (c awsClients) openLedger(from config.Config) (*dynamoledger.Ledger, error) {
	l, err := dynamoledger.Open(dynamoledger.Options{
		Client: c.dynamo, Tables: tables(from.AWS.Tables), S3: c.s3, Bucket: from.AWS.Bucket, WriteRate: rate(from.AWS.WriteRate),
	})
	if err != nil {
		return nil, fmt.Errorf("aws.tables: %w", err)
	}
	return l, nil
}

// openEntries opens the incoming table, beside the ledger.
func (c awsClients) openEntries(from config.Config, l *dynamoledger.Ledger) (*dynamoentries.Entries, error) {
	e, err := dynamoentries.Open(dynamoentries.Options{Client: c.dynamo, Streams: c.streams, Ledger: l, Table: from.AWS.Tables.Incoming})
	if err != nil {
		return nil, fmt.Errorf("aws.tables.incoming: %w", err)
	}
	return e, nil
}

func tables(t config.Tables) dynamoledger.Tables {
	return dynamoledger.Tables{Meta: t.Meta, Cursors: t.Cursors, Stats: t.Stats}
}

// rate is what dynamoledger takes: there 0 is its default, in the configuration no limit.
func rate(perSecond int) float64 {
	if perSecond == 0 {
		return math.MaxInt32
	}
	return float64(perSecond)
}
