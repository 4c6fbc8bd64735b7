package realservers_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/seed-56345083/reprise/internal/realservers"
)

func TestMain(m *testing.M) { realservers.Main(m) }

func TestSQS(t *testing.T) {
	t.Parallel()
	client := sqs.NewFromConfig(realservers.Config(t), func(o *sqs.Options) { o.BaseEndpoint = aws.String(realservers.SQS(t)) })
	if _, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(realservers.Unique(t, "start"))}); err != nil {
		t.Fatal(err)
	}
}

func TestDynamoDB(t *testing.T) {
	t.Parallel()
	client := dynamodb.NewFromConfig(realservers.Config(t), func(o *dynamodb.Options) { o.BaseEndpoint = aws.String(realservers.DynamoDB(t)) })
	if _, err := client.ListTables(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

func TestS3(t *testing.T) {
	t.Parallel()
	for _, base := range []string{realservers.S3(t), realservers.Moto(t)} {
		client := s3.NewFromConfig(realservers.Config(t), func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = aws.String(base), true })
		if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(realservers.Unique(t, "start"))}); err != nil {
			t.Fatal(err)
		}
	}
}
