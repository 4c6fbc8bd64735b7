package app

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/entries/dynamoentries"
	"github.com/seed-56345083/reprise/internal/telemetry"
)

// LambdaVariable is where Lambda says where its runtime is.
const LambdaVariable = "AWS_LAMBDA_RUNTIME_API"

// InLambda reports whether this process runs as a Lambda function.
func InLambda() bool { return os.Getenv(LambdaVariable) != "" }

// ServeLambda counts what the stream of the incoming table hands this Lambda function. It only returns when it cannot
// begin: Lambda's runtime ends the process. ErrUsage: there is no live side.
func (a *App) ServeLambda(ctx context.Context) error {
	if err := a.needLive("as a Lambda function, reprise counts the incoming table"); err != nil {
		return err
	}
	if err := a.openProtocols(ctx); err != nil {
		return err
	}
	lambda.StartWithOptions(a.function().invoke, lambda.WithContext(ctx))
	return errors.New("lambda's runtime has let go of the function")
}

// function is the live consumer as Lambda calls it, one event after the other.
type function struct {
	app    *App
	emf    *telemetry.EMF
	behind atomic.Int64 // nanoseconds: how old the youngest record of the event was when it came
}

// function makes it. It is for one call in a process.
func (a *App) function() *function {
	f := &function{app: a}
	if w := &a.watched; w.emf {
		w.metrics.Lag(func() time.Duration { return time.Duration(f.behind.Load()) })
		f.emf = w.metrics.EMF(telemetry.EMFOptions{Stack: a.config.Telemetry.Stack, Roles: names([]Role{RoleLive}), Process: a.name, Log: a.log})
	}
	return f
}

// invoke handles an event and writes its line for CloudWatch before it answers: between two events Lambda lets nothing run, and
// it may end the process there.
func (f *function) invoke(ctx context.Context, event events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
	f.behind.Store(int64(age(event.Records)))
	defer f.emf.Write()
	return f.app.streamEvent(ctx, event)
}

// age is that of the youngest record, 0 where none tells; the stream knows it to the second.
func age(records []events.DynamoDBEventRecord) time.Duration {
	var youngest time.Time
	for _, r := range records {
		if at := r.Change.ApproximateCreationDateTime.Time; at.After(youngest) {
			youngest = at
		}
	}
	if youngest.IsZero() {
		return 0
	}
	return max(time.Since(youngest), 0)
}

// replyTime is kept of an invocation's time for its answer: without one Lambda would hand the whole batch out again.
const replyTime = time.Second

// streamEvent counts the entries that were put, and names the records that are to come again. Those of an event that was
// handled before are counted once all the same.
//
// A record that is no entry is named too: Lambda hands it out as often as it is told to, and then moves it where its failures
// go. What waits for something else than a repetition, is not: entries of a protocol that is not configured yet, or of a
// definition that this program is too old for. A sweep finds them when there is somebody to count them.
func (a *App) streamEvent(ctx context.Context, event events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
	if end, ok := ctx.Deadline(); ok {
		var stop context.CancelFunc
		ctx, stop = context.WithDeadline(ctx, end.Add(-replyTime))
		defer stop()
	}
	again := map[string]bool{} // sequence numbers
	var list []entries.Entry
	records := map[string][]string{} // of an entry: its sequence numbers
	for _, r := range event.Records {
		entry, inserted, err := dynamoentries.FromLambda(r)
		switch {
		case err != nil:
			again[r.Change.SequenceNumber] = true
			a.log.Error("a record of the stream is no entry", zap.Error(err))
		case inserted:
			list = append(list, entry)
			records[entry.ID] = append(records[entry.ID], r.Change.SequenceNumber)
		}
	}
	for _, f := range a.side.counter.CountEach(ctx, list) {
		if f.Waits() {
			a.log.Warn("an entry is left uncounted for now", zap.String("id", f.ID), zap.Error(f.Err))
			continue
		}
		a.log.Error("an entry is not counted", zap.String("id", f.ID), zap.Error(f.Err))
		for _, number := range records[f.ID] {
			again[number] = true
		}
	}
	response := events.DynamoDBEventResponse{BatchItemFailures: []events.DynamoDBBatchItemFailure{}}
	for _, r := range event.Records {
		if number := r.Change.SequenceNumber; again[number] {
			response.BatchItemFailures = append(response.BatchItemFailures, events.DynamoDBBatchItemFailure{ItemIdentifier: number})
		}
	}
	return response, nil
}
