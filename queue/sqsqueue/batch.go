package sqsqueue

import (
	"context"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/seed-56345083/reprise/internal/awsapi"
	"github.com/seed-56345083/reprise/queue"
)

// batch is one call of the contract that is several entries. It keeps what became of them.
type batch struct {
	q        *Queue
	doing    string                           // for errors
	mean     func(code, message string) error // what the refusal of an entry means, nil where it means no more than it says
	deadline time.Time
	refused  map[int]error
	err      error // of the call itself, for as many entries as are left
	left     int
}

func (q *Queue) batch(doing string, mean func(code, message string) error) *batch {
	return &batch{q: q, doing: doing, mean: mean, deadline: time.Now().Add(awsapi.CallTimeout), refused: map[int]error{}}
}

// verdicts is how the service answers a batch: every entry is in one of the two, by its id.
type verdicts struct {
	done   []string
	failed []types.BatchResultErrorEntry
}

// id of an entry is its index in the caller's batch.
func id(i int) *string { return aws.String(strconv.Itoa(i)) }

// run carries the entries of these indexes out with call, again those that the service failed by its own fault. It
// returns an error when entries are left; the rest are either done or refused.
func (b *batch) run(ctx context.Context, left []int, call func(ctx context.Context, entries []int) (verdicts, error)) error {
	_, err := awsapi.CallFor(ctx, time.Until(b.deadline), func(ctx context.Context) (struct{}, error) {
		v, err := call(ctx, left)
		if err != nil {
			return struct{}{}, err
		}
		left, err = b.sort(left, v)
		return struct{}{}, err
	})
	if err != nil {
		b.leave(left, b.q.explain(b.doing, err))
	}
	return b.err
}

// leave says why entries were not done that the service did not refuse one by one.
func (b *batch) leave(entries []int, err error) {
	b.err, b.left = err, b.left+len(entries)
	for _, i := range entries {
		b.refused[i] = err
	}
}

// sort returns the entries that may be tried again, with the reason of one of them.
func (b *batch) sort(entries []int, v verdicts) (left []int, reason error) {
	done := map[string]bool{}
	for _, d := range v.done {
		done[d] = true
	}
	failed := map[string]*entryError{}
	for _, f := range v.failed {
		failed[aws.ToString(f.Id)] = &entryError{code: aws.ToString(f.Code), message: aws.ToString(f.Message), sender: f.SenderFault}
	}
	for _, i := range entries {
		switch e := failed[*id(i)]; {
		case done[*id(i)]:
		case e == nil:
			left, reason = append(left, i), &entryError{code: "InternalError", message: "the answer does not name every entry"}
		case !e.sender || awsapi.Throttled(e):
			left, reason = append(left, i), e
		default:
			b.refused[i] = b.q.explain(b.doing, e.means(b.mean))
		}
	}
	return left, reason
}

// result is the error of the whole call, of n entries.
func (b *batch) result(n int) error {
	switch {
	case len(b.refused) == 0:
		return nil
	case b.left == n: // all for one reason
		return b.err
	default:
		return &queue.BatchError{Errs: b.refused}
	}
}

// entryError is why the service did not do one entry of a batch.
type entryError struct {
	code, message string
	sender        bool // it is the sender's fault
}

func (e *entryError) Error() string     { return e.code + ": " + e.message }
func (e *entryError) ErrorCode() string { return e.code }

// RetryableError tells awsapi.Call that the entries that are left may be tried again.
func (e *entryError) RetryableError() bool { return true }

func (e *entryError) means(mean func(code, message string) error) error {
	if err := mean(e.code, e.message); err != nil {
		return err
	}
	return e
}
