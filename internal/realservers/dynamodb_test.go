package realservers_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streams "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/seed-56345083/reprise/internal/realservers"
)

func TestDynamoDBTransactionsAndStreams(t *testing.T) {
	t.Parallel()
	base := realservers.DynamoDB(t)
	client := dynamodb.NewFromConfig(realservers.Config(t), func(o *dynamodb.Options) { o.BaseEndpoint = &base })
	table := aws.String(realservers.Unique(t, "table"))
	created, err := client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: table, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}},
		StreamSpecification:  &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewImage},
	})
	if err != nil {
		t.Fatal(err)
	}
	write := func(keys ...string) error {
		var items []types.TransactWriteItem
		for _, key := range keys {
			items = append(items, types.TransactWriteItem{Put: &types.Put{
				TableName: table, Item: item(key), ConditionExpression: aws.String("attribute_not_exists(pk)"),
			}})
		}
		_, err := client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: items})
		return err
	}
	if err := write("a", "b"); err != nil {
		t.Fatal(err)
	}
	var cancelled *types.TransactionCanceledException
	if err := write("c", "a"); !errors.As(err, &cancelled) {
		t.Fatalf("a condition that does not hold is answered with %v", err)
	}
	if r := cancelled.CancellationReasons; len(r) != 2 || *r[0].Code != "None" || *r[1].Code != "ConditionalCheckFailed" {
		t.Errorf("reasons: %+v", r)
	}
	got, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: table, Key: item("c"), ConsistentRead: aws.Bool(true)})
	if err != nil || got.Item != nil {
		t.Errorf("half a transaction is there: %v %v", got, err)
	}
	if keys := streamKeys(t, base, created.TableDescription.LatestStreamArn); len(keys) != 2 || keys[0]+keys[1] != "ab" && keys[0]+keys[1] != "ba" {
		t.Errorf("the stream has %v", keys)
	}
}

func item(key string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: key}}
}

// streamKeys reads what the stream of two inserts has to say.
func streamKeys(t *testing.T, base string, arn *string) []string {
	t.Helper()
	client := dynamodbstreams.NewFromConfig(realservers.Config(t), func(o *dynamodbstreams.Options) { o.BaseEndpoint = &base })
	described, err := client.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: arn})
	if err != nil || len(described.StreamDescription.Shards) == 0 {
		t.Fatalf("the stream is described as %v, %v", described, err)
	}
	iterator, err := client.GetShardIterator(t.Context(), &dynamodbstreams.GetShardIteratorInput{
		StreamArn: arn, ShardId: described.StreamDescription.Shards[0].ShardId, ShardIteratorType: streams.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for next, calls := iterator.ShardIterator, 0; len(keys) < 2 && next != nil && calls < 100; calls++ {
		records, err := client.GetRecords(t.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: next})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records.Records {
			keys = append(keys, r.Dynamodb.NewImage["pk"].(*streams.AttributeValueMemberS).Value)
		}
		next = records.NextShardIterator
	}
	return keys
}
