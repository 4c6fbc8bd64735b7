package sqsqueue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/seed-56345083/reprise/internal/awsapi"
	"github.com/seed-56345083/reprise/queue"
)

// Receive implements [queue.Queue]. A poll that got no answer is tried again for what is left of its wait.
func (q *Queue) Receive(ctx context.Context, p queue.ReceiveParams) ([]queue.Message, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	end := time.Now().Add(p.Wait)
	in := sqs.ReceiveMessageInput{
		QueueUrl:            &q.url,
		MaxNumberOfMessages: int32(p.Max),
		VisibilityTimeout:   seconds(p.Visibility),
		WaitTimeSeconds:     seconds(p.Wait),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{
			types.MessageSystemAttributeNameApproximateReceiveCount, types.MessageSystemAttributeNameSentTimestamp,
		},
		MessageAttributeNames: []string{traceAttribute},
	}
	poll := awsapi.WithAttemptTimeout(ctx, time.Duration(in.WaitTimeSeconds)*time.Second+awsapi.AttemptTimeout)
	out, err := awsapi.CallFor(poll, p.Wait+awsapi.CallTimeout, func(ctx context.Context) (*sqs.ReceiveMessageOutput, error) {
		out, err := q.client.ReceiveMessage(ctx, &in, oneAttempt, waitAsSaid)
		in.WaitTimeSeconds = seconds(max(0, time.Until(end)))
		return out, err
	})
	if err != nil {
		return nil, q.explain("receiving", err)
	}
	messages := make([]queue.Message, len(out.Messages))
	for i := range out.Messages {
		if messages[i], err = received(&out.Messages[i]); err != nil {
			return nil, q.explain("receiving", err)
		}
	}
	return messages, nil
}

func received(m *types.Message) (queue.Message, error) {
	receives, err1 := strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
	sent, err2 := strconv.ParseInt(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return queue.Message{}, fmt.Errorf("reading the attributes of message %s: %w", aws.ToString(m.MessageId), err)
	}
	trace := aws.ToString(m.MessageAttributes[traceAttribute].StringValue)
	if !queue.ValidTrace(trace) { // anybody may have sent the message
		trace = ""
	}
	return queue.Message{
		ID:       aws.ToString(m.MessageId),
		Body:     []byte(aws.ToString(m.Body)),
		Receipt:  aws.ToString(m.ReceiptHandle),
		Receives: max(1, receives),
		Sent:     time.UnixMilli(sent),
		Trace:    trace,
	}, nil
}

// oneAttempt leaves trying again to the loop in Receive, which waits no longer than is left.
func oneAttempt(o *sqs.Options) { o.RetryMaxAttempts = 1 }

// waitAsSaid writes a wait of 0 into the request: the SDK leaves zeros out, and the queue's own wait would hold
// (aws-sdk-go-v2 issue 1704).
func waitAsSaid(o *sqs.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Build.Add(middleware.BuildMiddlewareFunc("WaitAsSaid", writeWait), middleware.Before)
	})
}

func writeWait(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (
	middleware.BuildOutput, middleware.Metadata, error,
) {
	request, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return next.HandleBuild(ctx, in)
	}
	body, err := io.ReadAll(request.GetStream())
	fields := map[string]json.RawMessage{}
	if err == nil {
		err = json.Unmarshal(body, &fields)
	}
	if _, there := fields["WaitTimeSeconds"]; err == nil && !there {
		fields["WaitTimeSeconds"] = json.RawMessage("0")
		body, err = json.Marshal(fields)
	}
	if err == nil {
		request, err = request.SetStream(bytes.NewReader(body))
	}
	if err != nil {
		return middleware.BuildOutput{}, middleware.Metadata{}, fmt.Errorf("writing the wait of 0: %w", err)
	}
	in.Request = request
	return next.HandleBuild(ctx, in)
}
