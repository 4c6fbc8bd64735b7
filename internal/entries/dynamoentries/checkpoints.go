package dynamoentries

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/internal/entries"
)

// Checkpoints are items of the Meta table: pk = checkpoint, sk = the shard.
const checkpoint = "checkpoint"

// checkpointLife is how long a checkpoint is kept: the stream itself remembers a day.
const checkpointLife = 7 * 24 * time.Hour

// Checkpoints returns how far each shard was read.
func (e *Entries) Checkpoints(ctx context.Context) ([]entries.Checkpoint, error) {
	const of = "#pk = :pk"
	in := &dynamodb.QueryInput{
		TableName: &e.tables.Meta, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String(of),
		ExpressionAttributeNames: dynamo.NamesIn(of), ExpressionAttributeValues: dynamo.Item{":pk": dynamo.Text(checkpoint)},
	}
	var list []entries.Checkpoint
	for {
		out, err := dynamo.Call(ctx, e.db.Query, in)
		if err != nil {
			return nil, e.explainAt(e.tables.Meta, err, "reading the checkpoints")
		}
		for _, i := range out.Items {
			var c entries.Checkpoint
			r := dynamo.Reader{Item: i}
			r.Record("record", &c)
			if r.Err != nil {
				return nil, e.explainAt(e.tables.Meta, r.Err, "reading the checkpoints")
			}
			list = append(list, c)
		}
		if len(out.LastEvaluatedKey) == 0 {
			return list, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// SaveCheckpoint stores how far a shard was read.
func (e *Entries) SaveCheckpoint(ctx context.Context, c entries.Checkpoint) error {
	_, err := dynamo.Call(ctx, e.db.PutItem, &dynamodb.PutItemInput{TableName: &e.tables.Meta, Item: dynamo.Item{
		"pk": dynamo.Text(checkpoint), "sk": dynamo.Text(c.Shard),
		"record": dynamo.Record(c, false), dynamo.Expires: seconds(c.At.Add(checkpointLife)),
	}})
	return e.explainAt(e.tables.Meta, err, "storing the checkpoint of shard %s", c.Shard)
}
