package awsapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
)

// Deadlines and pauses. The pause before try n of Call is random between 0 and min(maxPause, firstPause*2^n), the "full
// jitter" of Amazon's Builders' Library.
const (
	AttemptTimeout = 5 * time.Second  // of one request and its answer, unless the context says otherwise
	CallTimeout    = 20 * time.Second // of a Call with all its attempts
	firstPause     = 100 * time.Millisecond
	maxPause       = 3 * time.Second
)

// errNoAnswer is the cause of a Call's own deadline: it must not look like the end of the caller's context.
var errNoAnswer = errors.New("no answer in time")

// Call runs f, which makes one call of the SDK with the context that it is given, until it succeeds, fails for good, or
// CallTimeout is over. An error wraps ctx.Err() where ctx ended, the service's last word where there was one; [Unclear]
// tells whether an attempt may have been carried out all the same.
func Call[T any](ctx context.Context, f func(context.Context) (T, error)) (T, error) {
	return CallFor(ctx, CallTimeout, f)
}

// CallFor is Call with another limit, for calls that wait by their nature (a long poll).
func CallFor[T any](ctx context.Context, limit time.Duration, f func(context.Context) (T, error)) (T, error) {
	deadline := time.Now().Add(limit)
	inner, cancel := context.WithDeadlineCause(ctx, deadline, errNoAnswer)
	defer cancel()
	var h history
	inner = context.WithValue(inner, historyKey{}, &h)
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		out, err := f(inner)
		if err == nil {
			return out, nil
		}
		if ctx.Err() != nil {
			return out, h.of(ended(ctx, err))
		}
		wait := rand.N(pause)
		if inner.Err() != nil || !again(err) || time.Until(deadline) <= wait {
			return out, h.of(own(inner, limit, err, h.last))
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return out, h.of(ended(ctx, err))
		}
	}
}

// ended says that the caller's context is over, whatever the SDK made of it.
func ended(ctx context.Context, err error) error {
	if errors.Is(err, ctx.Err()) {
		return err
	}
	return fmt.Errorf("%w (%v)", ctx.Err(), err) //nolint:errorlint // a chain through err could look like an answer of the service
}

// own replaces the error of the Call's own deadline by one that is not the caller's.
func own(inner context.Context, limit time.Duration, err, last error) error {
	switch {
	case inner.Err() == nil || !errors.Is(err, inner.Err()):
		return err
	case last != nil && !errors.Is(last, context.Canceled) && !errors.Is(last, context.DeadlineExceeded):
		return fmt.Errorf("%w (%s, with all attempts): %w", errNoAnswer, limit, last)
	default:
		return fmt.Errorf("%w (%s, with all attempts)", errNoAnswer, limit)
	}
}

type historyKey struct{}

// history is what became of the attempts of one Call.
type history struct {
	last    error // of the last attempt that failed
	unclear bool  // an attempt may have been carried out
}

// add takes an attempt's error. Only a refusal with a name says that nothing was done. An attempt that the end of the
// call cut short says less than the one before it.
func (h *history) add(err error) {
	if h.last == nil || !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		h.last = err
	}
	if status := StatusCode(err); ErrorCode(err) == "" || status < 400 || status >= 500 {
		h.unclear = true
	}
}

func (h *history) of(err error) error {
	if h.unclear {
		return &unclearError{err}
	}
	return err
}

// unclearError marks an error of which an attempt may have been carried out.
type unclearError struct{ err error }

func (e *unclearError) Error() string { return e.err.Error() }
func (e *unclearError) Unwrap() error { return e.err }

// Unclear reports whether an attempt behind the error of a Call may have been carried out by the service: a condition
// that does not hold can then be the writer's own earlier attempt.
func Unclear(err error) bool {
	e := (*unclearError)(nil)
	return errors.As(err, &e)
}

// again reports whether a new try may succeed: what the SDK would try again, and what it did not for lack of quota.
func again(err error) bool {
	if quota := (ratelimit.QuotaExceededError{}); errors.As(err, &quota) {
		return true
	}
	return retry.IsErrorRetryables(retryables()).IsErrorRetryable(err) == aws.TrueTernary
}

func retryables() []retry.IsErrorRetryable {
	return append([]retry.IsErrorRetryable{retry.RetryableErrorCode{Codes: throttleCodes}, cutOff}, retry.DefaultRetryables...)
}

// cutOff knows an answer whose connection broke in its middle; the SDK's list knows only those that broke before.
var cutOff = retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return aws.TrueTernary
	}
	return aws.UnknownTernary
})

// throttleCodes are those with which services refuse for a while, beyond the SDK's list.
var throttleCodes = map[string]struct{}{
	"SlowDown":                {}, // S3
	"ThrottledException":      {},
	"KMS.ThrottlingException": {}, // SQS with a key of the customer's
	"KmsThrottled":            {},
	"OverLimit":               {}, // SQS
}

// Throttled reports whether the service refused for a while, and did nothing in any of the attempts.
func Throttled(err error) bool {
	if Unclear(err) {
		return false
	}
	code := ErrorCode(err)
	_, ours := throttleCodes[code]
	_, sdks := retry.DefaultThrottleErrorCodes[code]
	return ours || sdks
}

// ErrorCode is the service's name of the error, "" where the service gave none.
func ErrorCode(err error) string {
	var coded interface{ ErrorCode() string }
	if !errors.As(err, &coded) {
		return ""
	}
	return coded.ErrorCode()
}

// StatusCode is the HTTP status of the answer that err came from, 0 where there was none.
func StatusCode(err error) int {
	var answer interface{ HTTPStatusCode() int }
	if !errors.As(err, &answer) {
		return 0
	}
	return answer.HTTPStatusCode()
}
