package dynamoentries

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/seed-56345083/reprise/internal/awsapi"
	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/internal/entries"
)

// errNoStream says that nothing can be fed.
var errNoStream = errors.New("the table has no stream: turn one on that shows new images (NEW_IMAGE)")

// stream is the ARN of the table's stream, asked for once, and again after forgetStream.
func (e *Entries) stream(ctx context.Context) (string, error) {
	e.mu.Lock()
	arn := e.arn
	e.mu.Unlock()
	if arn != "" {
		return arn, nil
	}
	if e.streams == nil {
		return "", errors.New("reading the stream: there is no client for it")
	}
	table, err := dynamo.Describe(ctx, e.db, e.table)
	if err != nil {
		return "", err
	}
	if arn = aws.ToString(table.LatestStreamArn); arn == "" {
		return "", fmt.Errorf("table %s: %w", e.table, errNoStream)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.arn = arn
	return arn, nil
}

// forgetStream makes the next call ask for the stream again: it may have been turned off and on.
func (e *Entries) forgetStream() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.arn = ""
}

// Shards returns the shards of the stream.
func (e *Entries) Shards(ctx context.Context) ([]entries.Shard, error) {
	all, err := e.describe(ctx)
	if missing(err) { // it was another stream's
		e.forgetStream()
		all, err = e.describe(ctx)
	}
	if err != nil {
		return nil, e.explain(err, "reading the shards of the stream")
	}
	ended := map[string]bool{}
	for _, s := range all {
		if s.SequenceNumberRange != nil && s.SequenceNumberRange.EndingSequenceNumber != nil {
			ended[aws.ToString(s.ShardId)] = true
		}
	}
	e.mu.Lock()
	e.ended = ended
	e.mu.Unlock()
	return inOrder(all), nil
}

func (e *Entries) describe(ctx context.Context) (all []types.Shard, _ error) {
	arn, err := e.stream(ctx)
	if err != nil {
		return nil, err
	}
	in := &dynamodbstreams.DescribeStreamInput{StreamArn: &arn}
	for {
		out, err := dynamo.Call(ctx, e.streams.DescribeStream, in)
		if err != nil {
			return nil, err
		}
		all = append(all, out.StreamDescription.Shards...)
		if s := out.StreamDescription.StreamStatus; s == types.StreamStatusDisabling || s == types.StreamStatusDisabled {
			e.forgetStream() // it can be read for a day, while another one may have taken its place
		}
		if aws.ToString(out.StreamDescription.LastEvaluatedShardId) == "" {
			return all, nil
		}
		in.ExclusiveStartShardId = out.StreamDescription.LastEvaluatedShardId
	}
}

// inOrder puts each shard after its parent. A parent that the stream does not remember any more is none.
func inOrder(all []types.Shard) []entries.Shard {
	listed := make(map[string]types.Shard, len(all))
	for _, s := range all {
		listed[aws.ToString(s.ShardId)] = s
	}
	var list []entries.Shard
	placed := map[string]bool{}
	var place func(s types.Shard)
	place = func(s types.Shard) {
		name, parent := aws.ToString(s.ShardId), aws.ToString(s.ParentShardId)
		if placed[name] {
			return
		}
		placed[name] = true
		above, there := listed[parent]
		if there {
			place(above)
		} else {
			parent = ""
		}
		list = append(list, entries.Shard{ID: name, Parent: parent})
	}
	for _, s := range all {
		place(s)
	}
	return list
}

// iterator is where reading a shard goes on. DynamoDB forgets it after 15 minutes. It knows more than the position: where
// nothing was written for a while, it moves on and the position does not.
type iterator struct{ position, token string }

// A read takes a new iterator for one that has expired, and again where the stream's end has moved on under it.
const iterators = 3

// maxRecords is what one GetRecords returns at most, of up to 1 MiB.
const maxRecords = 1000

// Feed reads records after a position, which is a sequence number.
func (e *Entries) Feed(ctx context.Context, shard, position string, limit int) (entries.Records, error) {
	doing := "reading shard " + shard
	if limit < 1 {
		return entries.Records{}, fmt.Errorf("%s: limit %d", doing, limit)
	}
	var err error
	for range iterators {
		var token string
		if token, err = e.iterator(ctx, shard, position); err != nil {
			break
		}
		var out *dynamodbstreams.GetRecordsOutput
		out, err = dynamo.Call(ctx, e.streams.GetRecords, &dynamodbstreams.GetRecordsInput{
			ShardIterator: &token, Limit: aws.Int32(int32(min(limit, maxRecords))),
		})
		if err == nil {
			return e.records(shard, position, out), nil
		}
		if code := awsapi.ErrorCode(err); code != "ExpiredIteratorException" && code != "TrimmedDataAccessException" {
			break
		}
		e.remember(shard, iterator{})
	}
	switch {
	case awsapi.ErrorCode(err) == "TrimmedDataAccessException":
		return entries.Records{}, fmt.Errorf("%s after %s: %w", doing, position, entries.ErrTrimmed)
	case missing(err):
		e.remember(shard, iterator{})
		e.forgetStream()
		return entries.Records{}, fmt.Errorf("%s: the stream remembers nothing of it: %w", doing, entries.ErrTrimmed)
	}
	return entries.Records{}, e.explain(err, "%s", doing)
}

// missing knows the answer for a stream or a shard that is gone.
func missing(err error) bool { return awsapi.ErrorCode(err) == "ResourceNotFoundException" }

// iterator is the one that an earlier read has left at the position, or a new one.
func (e *Entries) iterator(ctx context.Context, shard, position string) (string, error) {
	e.mu.Lock()
	left := e.iterators[shard]
	e.mu.Unlock()
	if left.token != "" && left.position == position {
		return left.token, nil
	}
	arn, err := e.stream(ctx)
	if err != nil {
		return "", err
	}
	in := &dynamodbstreams.GetShardIteratorInput{StreamArn: &arn, ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon}
	if position != "" {
		in.ShardIteratorType, in.SequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, &position
	}
	out, err := dynamo.Call(ctx, e.streams.GetShardIterator, in)
	if err != nil {
		return "", err
	}
	return aws.ToString(out.ShardIterator), nil
}

// remember keeps the iterator that a read has left; without a token, none.
func (e *Entries) remember(shard string, i iterator) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if i.token == "" {
		delete(e.iterators, shard)
		return
	}
	e.iterators[shard] = i
}

// records turns an answer into records, and keeps where the next read goes on.
func (e *Entries) records(shard, position string, out *dynamodbstreams.GetRecordsOutput) entries.Records {
	found := entries.Records{Next: position, Closed: aws.ToString(out.NextShardIterator) == ""}
	for _, r := range out.Records {
		if r.Dynamodb == nil {
			continue
		}
		if n := aws.ToString(r.Dynamodb.SequenceNumber); n != "" {
			found.Next = n
		}
		found.Newest = aws.ToTime(r.Dynamodb.ApproximateCreationDateTime)
		if r.EventName != types.OperationTypeInsert {
			continue
		}
		entry, ok, err := inserted(fromStream(r.Dynamodb.NewImage))
		switch {
		case err != nil:
			found.Bad = append(found.Bad, fmt.Sprintf("record %s: %v", aws.ToString(r.Dynamodb.SequenceNumber), err))
		case ok:
			found.Entries = append(found.Entries, entry)
		}
	}
	e.remember(shard, iterator{position: found.Next, token: aws.ToString(out.NextShardIterator)})
	e.mu.Lock()
	ended := e.ended[shard]
	e.mu.Unlock()
	// An answer may be empty before the end: of a shard that has one, the next is asked for at once.
	found.More = !found.Closed && (len(out.Records) > 0 || ended)
	return found
}
