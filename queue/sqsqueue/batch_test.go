package sqsqueue

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/seed-56345083/reprise/queue"
)

// What no server does at will: failing single entries by its own fault. The texts of TestRefusal are those of SQS.

func testBatch() *batch {
	q := &Queue{client: sqs.New(sqs.Options{Region: "eu-west-1"}), name: "work"}
	return q.batch("sending", refusal)
}

func failed(i int, code, message string, sender bool) types.BatchResultErrorEntry {
	return types.BatchResultErrorEntry{Id: id(i), Code: &code, Message: &message, SenderFault: sender}
}

func TestServerFaultsAreTriedAgain(t *testing.T) {
	t.Parallel()
	b := testBatch()
	var calls [][]int
	err := b.run(context.Background(), []int{0, 1, 2, 3, 4}, func(_ context.Context, entries []int) (verdicts, error) {
		calls = append(calls, slices.Clone(entries))
		switch len(calls) {
		case 1:
			return verdicts{done: []string{"0"}, failed: []types.BatchResultErrorEntry{
				failed(1, "InternalError", "try again", false),
				failed(2, "InvalidParameterValue", "too large", true),
				failed(3, "RequestThrottled", "slow down", true),
			}}, nil // and nothing about 4
		default:
			v := verdicts{}
			for _, i := range entries {
				v.done = append(v.done, strconv.Itoa(i))
			}
			return v, nil
		}
	})
	if err != nil || len(calls) != 2 || !slices.Equal(calls[1], []int{1, 3, 4}) {
		t.Errorf("run = %v with the entries %v", err, calls)
	}
	batch := (*queue.BatchError)(nil)
	if err := b.result(5); !errors.As(err, &batch) || len(batch.Errs) != 1 || !strings.Contains(batch.Errs[2].Error(), "too large") {
		t.Errorf("result = %v, want entry 2 alone", err)
	}
}

func TestServerFaultsToTheEnd(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b := testBatch()
	calls := 0
	err := b.run(ctx, []int{0, 1}, func(context.Context, []int) (verdicts, error) {
		if calls++; calls == 3 {
			cancel()
		}
		return verdicts{done: []string{"0"}, failed: []types.BatchResultErrorEntry{failed(1, "InternalError", "no", false)}}, nil
	})
	if !errors.Is(err, context.Canceled) || calls != 3 {
		t.Errorf("run = %v after %d calls", err, calls)
	}
	batch := (*queue.BatchError)(nil)
	if err := b.result(2); !errors.As(err, &batch) || len(batch.Errs) != 1 || !errors.Is(batch.Errs[1], context.Canceled) {
		t.Errorf("result = %v, want entry 1 alone", err)
	}
}

// TestThrottledEntry: a key of the customer's throttles entries one by one.
func TestThrottledEntry(t *testing.T) {
	t.Parallel()
	err := testBatch().q.explain("sending", &entryError{code: "KMS.ThrottlingException"})
	if !errors.Is(err, queue.ErrThrottled) {
		t.Errorf("%v, want ErrThrottled", err)
	}
}

func TestRefusal(t *testing.T) {
	t.Parallel()
	const parameter = "InvalidParameterValue: Value 900 for parameter "
	for _, c := range []struct {
		text string
		want error
	}{
		{"MessageNotInflight: The specified message isn't in flight.", queue.ErrStaleReceipt},
		{"AWS.SimpleQueueService.MessageNotInflight: The specified message isn't in flight.", queue.ErrStaleReceipt},
		{"ReceiptHandleIsInvalid: The input receipt handle is invalid.", queue.ErrStaleReceipt},
		{parameter + "ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.", queue.ErrStaleReceipt},
		{parameter + "ReceiptHandle is invalid. Reason: The receipt handle has expired.", queue.ErrStaleReceipt},
		{
			parameter + "VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds].",
			queue.ErrInvalid,
		},
		{parameter + "VisibilityTimeout is invalid. Reason: Must be between 0 and 43200.", nil},
		{"AccessDenied: Access to the resource is denied.", nil},
	} {
		code, message, _ := strings.Cut(c.text, ": ")
		if got := refusal(code, message); !errors.Is(got, c.want) || c.want == nil && got != nil {
			t.Errorf("%s\nmeans %v, want %v", c.text, got, c.want)
		}
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	var messages []queue.Outgoing
	for _, size := range []int{maxBatchBytes, 1, maxBatchBytes - 1, 1, 1, maxBatchBytes} {
		messages = append(messages, queue.Outgoing{Body: make([]byte, size)})
	}
	want := [][]int{{0}, {1, 2}, {3, 4}, {5}}
	if got := split(messages); !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("split = %v, want %v", got, want)
	}
}

func TestSeconds(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]int32{0: 0, 1: 1, time.Second: 1, time.Second + 1: 2, queue.MaxVisibility: 43200} {
		if got := seconds(d); got != want {
			t.Errorf("seconds(%s) = %d, want %d", d, got, want)
		}
	}
}
