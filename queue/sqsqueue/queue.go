package sqsqueue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/seed-56345083/reprise/internal/awsapi"
	"github.com/seed-56345083/reprise/queue"
)

var _ queue.Queue = (*Queue)(nil)

// ErrNotFound says that there is no queue of that name in the region, or none that these credentials may see.
var ErrNotFound = errors.New("there is no such queue")

// Options of a queue. The client is made from settings of awsapi.Load or awsapi.Prepare, which give its calls their
// deadlines; it may be shared.
type Options struct {
	Client *sqs.Client
	Name   string // of a standard queue of the client's region and account
}

// Queue is one queue. It is safe for use by any number of goroutines, and holds nothing that must be closed.
type Queue struct {
	client *sqs.Client
	name   string
	url    string
}

// Open looks the queue up. It is ErrNotFound where it does not exist: Ensure makes it.
func Open(ctx context.Context, o Options) (*Queue, error) {
	if err := checkName(o.Name); err != nil {
		return nil, err
	}
	q := &Queue{client: o.Client, name: o.Name}
	out, err := awsapi.Call(ctx, func(ctx context.Context) (*sqs.GetQueueUrlOutput, error) {
		return q.client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &q.name})
	})
	if err != nil {
		return nil, q.explain("looking it up", err)
	}
	q.url = aws.ToString(out.QueueUrl)
	return q, nil
}

// checkName refuses what SQS would, so that the error is ours.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("a queue needs a name")
	case strings.HasSuffix(name, ".fifo"):
		return fmt.Errorf("queue %s is a FIFO queue: Reprise needs a standard queue", name)
	case len(name) > 80 || strings.Trim(name, nameCharacters) != "":
		return fmt.Errorf("%q names no queue: it takes 1 to 80 letters, digits, hyphens and underscores (no URL, no ARN)", name)
	}
	return nil
}

const nameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

// Counts implements [queue.Queue]; they are approximate.
func (q *Queue) Counts(ctx context.Context) (queue.Counts, error) {
	names := []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages,
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
	}
	values, err := q.read(ctx, names...)
	if err != nil {
		return queue.Counts{}, q.explain("counting", err)
	}
	var c queue.Counts
	for i, into := range []*int64{&c.Visible, &c.InFlight, &c.Delayed} {
		if *into, err = strconv.ParseInt(values[string(names[i])], 10, 64); err != nil {
			return queue.Counts{}, q.explain("counting", fmt.Errorf("reading %s: %w", names[i], err))
		}
	}
	return c, nil
}

// read asks for attributes of the queue.
func (q *Queue) read(ctx context.Context, names ...types.QueueAttributeName) (map[string]string, error) {
	out, err := awsapi.Call(ctx, func(ctx context.Context) (*sqs.GetQueueAttributesOutput, error) {
		return q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &q.url, AttributeNames: names})
	})
	if err != nil {
		return nil, err
	}
	return out.Attributes, nil
}

// explain names the queue in an error, and maps what the service said to what it means for the caller.
func (q *Queue) explain(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case isNotFound(err):
		return fmt.Errorf("queue %s: %s: %w in %s (make it with reprise init --aws, or correct its name): %w",
			q.name, doing, ErrNotFound, q.client.Options().Region, err)
	case awsapi.Throttled(err):
		return fmt.Errorf("queue %s: %s: %w: %w", q.name, doing, queue.ErrThrottled, err)
	default:
		return fmt.Errorf("queue %s: %s: %w", q.name, doing, err)
	}
}

func isNotFound(err error) bool {
	name := codeOf(err)
	return name == "NonExistentQueue" || name == "QueueDoesNotExist"
}

// codeOf is the service's name of the error. SQS calls some by the names of its older protocol, and those differ in more
// than the prefix.
func codeOf(err error) string { return shortCode(awsapi.ErrorCode(err)) }

func shortCode(code string) string { return strings.TrimPrefix(code, "AWS.SimpleQueueService.") }

// seconds rounds up to what the service tells apart.
func seconds(d time.Duration) int32 {
	return int32((d + time.Second - 1) / time.Second)
}
