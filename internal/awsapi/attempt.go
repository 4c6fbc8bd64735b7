package awsapi

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/smithy-go/middleware"
)

type attemptKey struct{}

type attempt struct {
	timeout time.Duration
	body    bool
}

// WithAttemptTimeout gives the attempts of calls under ctx another deadline than AttemptTimeout.
func WithAttemptTimeout(ctx context.Context, d time.Duration) context.Context {
	return context.WithValue(ctx, attemptKey{}, attempt{timeout: d})
}

// WithBody says that the calls under ctx answer with a body that is read later: an attempt's deadline is then over with
// the headers, and whoever reads the body watches it.
func WithBody(ctx context.Context) context.Context {
	return context.WithValue(ctx, attemptKey{}, attempt{timeout: AttemptTimeout, body: true})
}

// addAttemptTimeout puts the deadline of an attempt below the SDK's retries, so that a request which nobody answers is
// sent again.
func addAttemptTimeout(stack *middleware.Stack) error {
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("AttemptTimeout", limitAttempt), "Retry", middleware.After)
}

func limitAttempt(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	middleware.FinalizeOutput, middleware.Metadata, error,
) {
	a, ok := ctx.Value(attemptKey{}).(attempt)
	if !ok {
		a = attempt{timeout: AttemptTimeout}
	}
	limited, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(a.timeout, cancel)
	out, meta, err := next.HandleFinalize(limited, in)
	// Stop reports false also where the answer came with the last tick: its body would be cut off.
	late := !timer.Stop()
	if a.body && err == nil && !late {
		context.AfterFunc(ctx, cancel) // the body ends with the caller's context, not with this attempt
		return out, meta, nil
	}
	cancel()
	if late && ctx.Err() == nil && (err != nil || a.body) {
		err = &attemptError{after: a.timeout}
	}
	if h, ok := ctx.Value(historyKey{}).(*history); ok && err != nil {
		h.add(err)
	}
	return out, meta, err
}

// attemptError says that one attempt got no answer in time. It has no chain: the SDK would find a cancelled context at
// its end, and not try again.
type attemptError struct{ after time.Duration }

func (e *attemptError) Error() string { return fmt.Sprintf("no answer within %s", e.after) }

// RetryableError tells the SDK to try again.
func (e *attemptError) RetryableError() bool { return true }
