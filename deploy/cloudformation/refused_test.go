package cloudformation

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/seed-56345083/reprise/internal/awsapi"
)

// tried is a call that a role must not be able to make; may names the roles whose job it is.
type tried struct {
	what string
	may  string
	call func(ctx context.Context, c clients) error
}

// clients have the credentials of one role.
type clients struct {
	s3     *s3.Client
	sqs    *sqs.Client
	dynamo *dynamodb.Client
}

// outside is what some of the roles, or all, have no business with. Whoever may is tried all the same: a call that is refused to
// everybody would show nothing.
func outside(s *site, others *site) []tried {
	queue := func(s *site, name string) *string { return aws.String(s.moto + "/" + account + "/" + s.prefix + name) }
	bucket, log, partial := s.bucket(), aws.String("logs/dns/a.log"), aws.String("partials/x")
	table := func(name string) *string { return aws.String(s.prefix + name) }
	pk := map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "x"}, "sk": &types.AttributeValueMemberS{Value: "x"}}
	id := map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "x"}}
	never := aws.String("attribute_exists(nothing) AND attribute_not_exists(nothing)")
	get := func(key *string) func(context.Context, clients) error {
		return func(ctx context.Context, c clients) error {
			out, err := c.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key})
			if err == nil {
				return out.Body.Close()
			}
			return err
		}
	}
	put := func(bucket, key *string) func(context.Context, clients) error {
		return func(ctx context.Context, c clients) error {
			_, err := c.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader("x"), IfNoneMatch: aws.String("*")})
			return err
		}
	}
	remove := func(key *string) func(context.Context, clients) error {
		return func(ctx context.Context, c clients) error {
			_, err := c.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key})
			return err
		}
	}
	receive := func(url *string) func(context.Context, clients) error {
		return func(ctx context.Context, c clients) error {
			_, err := c.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: 0, VisibilityTimeout: 0})
			return err
		}
	}
	send := func(url *string) func(context.Context, clients) error {
		return func(ctx context.Context, c clients) error {
			_, err := c.sqs.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("{}")})
			return err
		}
	}
	write := func(table *string, key map[string]types.AttributeValue) func(context.Context, clients) error {
		return func(ctx context.Context, c clients) error {
			_, err := c.dynamo.PutItem(ctx, &dynamodb.PutItemInput{TableName: table, Item: key, ConditionExpression: never})
			return err
		}
	}
	drop := func(table *string, key map[string]types.AttributeValue) func(context.Context, clients) error {
		return func(ctx context.Context, c clients) error {
			_, err := c.dynamo.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: table, Key: key, ConditionExpression: never})
			return err
		}
	}
	scan := func(table *string) func(context.Context, clients) error {
		return func(ctx context.Context, c clients) error {
			_, err := c.dynamo.Scan(ctx, &dynamodb.ScanInput{TableName: table})
			return err
		}
	}
	return []tried{
		{"deleting the work queue", "", func(ctx context.Context, c clients) error {
			_, err := c.sqs.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: queue(s, "-work")})
			return err
		}},
		{"purging the dead letters", "", func(ctx context.Context, c clients) error {
			_, err := c.sqs.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: queue(s, "-work-dlq")})
			return err
		}},
		{"setting the redrive policy", "", func(ctx context.Context, c clients) error {
			_, err := c.sqs.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: queue(s, "-work"), Attributes: map[string]string{string(sqstypes.QueueAttributeNameDelaySeconds): "1"}})
			return err
		}},
		{"making a queue", "", func(ctx context.Context, c clients) error {
			_, err := c.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String(s.prefix + "-more")})
			return err
		}},
		{"receiving work", "worker", receive(queue(s, "-work"))},
		{"receiving dead letters", "watch-archive operator", receive(queue(s, "-work-dlq"))},
		{"sending work", "worker watch-archive operator", send(queue(s, "-work"))},
		{"sending dead letters", "worker", send(queue(s, "-work-dlq"))},
		{"sending work of another stack", "", send(queue(others, "-work"))},
		{"receiving work of another stack", "", receive(queue(others, "-work"))},
		{"reading a line of the archive", "worker watch-archive operator", get(log)},
		{"reading elsewhere in the bucket", "", get(aws.String("secret/a"))},
		{"reading a partial", "worker", get(partial)},
		{"writing a log object", "watch-archive operator", put(bucket, log)},
		{"writing a partial", "worker", put(bucket, partial)},
		{"writing elsewhere in the bucket", "", put(bucket, aws.String("secret/a"))},
		{"writing into another bucket", "", put(others.bucket(), log)},
		{"deleting a log object", "", remove(log)},
		{"deleting a partial", "watch-archive operator", remove(partial)},
		{"listing another bucket", "", func(ctx context.Context, c clients) error {
			_, err := c.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: others.bucket()})
			return err
		}},
		{"listing the bucket", "worker watch-archive operator", func(ctx context.Context, c clients) error {
			_, err := c.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket, Prefix: aws.String("logs/")})
			return err
		}},
		{"tagging a log object", "worker watch-archive operator", func(ctx context.Context, c clients) error {
			_, err := c.s3.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: bucket, Key: log, Tagging: &s3types.Tagging{TagSet: []s3types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}}})
			return err
		}},
		{"tagging a partial", "", func(ctx context.Context, c clients) error {
			_, err := c.s3.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: bucket, Key: partial, Tagging: &s3types.Tagging{TagSet: []s3types.Tag{}}})
			return err
		}},
		{"deleting the bucket", "", func(ctx context.Context, c clients) error {
			_, err := c.s3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket})
			return err
		}},
		{"setting the bucket's policy", "", func(ctx context.Context, c clients) error {
			_, err := c.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: aws.String("{}")})
			return err
		}},
		{"opening a log object to the world", "", func(ctx context.Context, c clients) error {
			_, err := c.s3.PutObjectAcl(ctx, &s3.PutObjectAclInput{Bucket: bucket, Key: log, ACL: s3types.ObjectCannedACLPublicRead})
			return err
		}},
		{"deleting a table", "", func(ctx context.Context, c clients) error {
			_, err := c.dynamo.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: table("-stats")})
			return err
		}},
		{"changing a table", "", func(ctx context.Context, c clients) error {
			_, err := c.dynamo.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: table("-meta"), DeletionProtectionEnabled: aws.Bool(false)})
			return err
		}},
		{"making a table", "", func(ctx context.Context, c clients) error {
			_, err := c.dynamo.CreateTable(ctx, &dynamodb.CreateTableInput{
				TableName: table("-more"), BillingMode: types.BillingModePayPerRequest,
				AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
				KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
			})
			return err
		}},
		{"scanning the statistics", "", scan(table("-stats"))},
		{"scanning the incoming lines", "", scan(table("-incoming"))},
		{"reading an entry", "watch-archive operator reader", func(ctx context.Context, c clients) error {
			_, err := c.dynamo.GetItem(ctx, &dynamodb.GetItemInput{TableName: table("-incoming"), Key: id})
			return err
		}},
		{"putting an entry", "watch-archive operator", write(table("-incoming"), id)},
		{"deleting an entry", "", drop(table("-incoming"), id)},
		{"putting a cursor", "watch-archive operator", write(table("-cursors"), pk)},
		{"deleting a cursor", "", drop(table("-cursors"), pk)},
		{"putting a row", "worker watch-archive live operator", write(table("-stats"), pk)},
		{"deleting a row", "watch-archive live operator", drop(table("-stats"), pk)},
		{"deleting a generation", "watch-archive live operator", drop(table("-meta"), pk)},
		{"putting a row by way of a transaction over two tables", "watch-archive operator", func(ctx context.Context, c clients) error {
			_, err := c.dynamo.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
				{Put: &types.Put{TableName: table("-stats"), Item: pk, ConditionExpression: never}},
				{Put: &types.Put{TableName: table("-cursors"), Item: pk, ConditionExpression: never}},
			}})
			return err
		}},
		{"reading a table of another stack", "", func(ctx context.Context, c clients) error {
			_, err := c.dynamo.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(others.prefix + "-meta"), Key: pk})
			return err
		}},
		{"writing into a table of another stack", "", write(aws.String(others.prefix+"-stats"), pk)},
	}
}

// TestOutsideIsRefused: what is not a role's job is refused to it, and what is, is not.
func TestOutsideIsRefused(t *testing.T) {
	t.Parallel()
	s, others := newSite(t), newSite(t)
	s.put(t, "logs/dns/a.log", "{}\n")
	roles := []string{"worker", "watch-archive", "live", "operator", "reader"}
	list := outside(s, others)
	for _, name := range roles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := s.role(t, name)
			c := clients{s3: s.s3(t, h), sqs: s.sqs(t, h), dynamo: s.dynamo(t, h)}
			refused := 0
			for _, l := range list {
				err := l.call(t.Context(), c)
				denied := awsapi.Denied(err)
				if denied {
					refused++
				}
				if may := strings.Contains(" "+l.may+" ", " "+name+" "); may == denied {
					t.Errorf("%s may be %s: %v, and is answered %v", name, l.what, may, err)
				}
			}
			said, _ := s.take(h)
			if len(said) != refused || refused < 20 {
				t.Errorf("%d of %d refused: %s", refused, len(list), fmt.Sprint(said))
			}
		})
	}
}
