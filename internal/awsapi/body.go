package awsapi

import (
	"context"
	"fmt"
	"io"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// addPlainBody keeps a race of the SDK from cutting off answers (aws-sdk-go-v2 issues 1825 and 2737). With the headers of
// an answer the SDK closes the request's body, which net/http may not have read to its end yet. A closed body that has
// WriteTo then says io.EOF as an error, and net/http closes the connection under the answer: a call that was carried
// out loses its reply. A body with Read alone just ends.
func addPlainBody(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("PlainBody", plainBody), middleware.After)
}

func plainBody(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
	middleware.DeserializeOutput, middleware.Metadata, error,
) {
	request, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return next.HandleDeserialize(ctx, in)
	}
	if stream, ok := request.GetStream().(io.ReadSeeker); ok {
		plain, err := request.SetStream(struct{ io.ReadSeeker }{stream})
		if err != nil {
			return middleware.DeserializeOutput{}, middleware.Metadata{}, fmt.Errorf("preparing the body of a request: %w", err)
		}
		in.Request = plain
	}
	return next.HandleDeserialize(ctx, in)
}
