package awsapi

import (
	"context"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
)

// Observer is told how each attempt of a request has ended: the service and the operation by the SDK's names, and one of the
// results below. It may be called by any number of goroutines.
type Observer func(service, operation, result string)

// How an attempt of a request has ended.
const (
	ResultOK        = "ok"
	ResultThrottled = "throttled" // refused for a while
	ResultRefused   = "refused"   // the service's answer to what was asked: a condition that does not hold, a missing object, no permission
	ResultFailed    = "failed"    // an error of the service, or no answer
)

// addObserver tells of each attempt below the SDK's retries.
func addObserver(tell Observer) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("Observer", func(
			ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
		) (middleware.FinalizeOutput, middleware.Metadata, error) {
			out, meta, err := next.HandleFinalize(ctx, in)
			tell(awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx), resultOf(err))
			return out, meta, err
		}), "Retry", middleware.After)
	}
}

func resultOf(err error) string {
	switch status := StatusCode(err); {
	case err == nil:
		return ResultOK
	case Throttled(err):
		return ResultThrottled
	case ErrorCode(err) != "" && status >= 400 && status < 500, status == 304, status == 412:
		return ResultRefused
	default:
		return ResultFailed
	}
}
