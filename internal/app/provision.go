package app

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-56345083/reprise/internal/archive/s3archive"
	"github.com/seed-56345083/reprise/internal/config"
	"github.com/seed-56345083/reprise/internal/entries/dynamoentries"
	"github.com/seed-56345083/reprise/internal/ledger/dynamoledger"
	"github.com/seed-56345083/reprise/queue/sqsqueue"
)

// ErrRefused says that something could not be made, or is there and cannot be used as it is; the steps say what.
var ErrRefused = errors.New("not everything is as it must be")

// Step is one thing that Provision made or looked at.
type Step struct {
	On      string `json:"on"`                // "queue reprise-work", …
	Setting string `json:"setting,omitempty"` // "": the thing itself
	Action  Action `json:"action"`
	Have    string `json:"have,omitempty"` // what it is, or was before it was changed
	Want    string `json:"want,omitempty"`
	Why     string `json:"why,omitempty"`
}

// Action is what became of a step.
type Action string

// The actions.
const (
	ActionMade        Action = "made"
	ActionChanged     Action = "changed"     // a setting that nobody had chosen
	ActionFound       Action = "found"       // as it should be
	ActionKept        Action = "kept"        // somebody chose otherwise, and it works
	ActionRefused     Action = "refused"     // it could not be made, or does not work as it is
	ActionUnsupported Action = "unsupported" // this implementation of the service does not have it
)

// Provision makes what the aws backend needs and what is missing: queues, tables, with createBucket the bucket. What is
// there stays as it is, but for settings that nobody chose. It goes on after what is refused, and ends in ErrRefused then;
// the steps tell how far it came, whatever the error. It can be repeated at any time.
func Provision(ctx context.Context, c config.Config, version string, createBucket bool) ([]Step, error) {
	if c.Backend != config.BackendAWS {
		return nil, fmt.Errorf("%w: the configuration says backend: %s, where nothing needs to be made; write backend: aws, with aws.bucket and aws.region",
			ErrUsage, c.Backend)
	}
	clients, err := newAWSClients(ctx, c, version, nil)
	if err != nil {
		return nil, err
	}
	if err := clients.identify(ctx); err != nil {
		return nil, err
	}
	steps := slices.Concat(provisionQueues(ctx, c, clients), provisionTables(ctx, c, clients), provisionIncoming(ctx, c, clients),
		provisionBucket(ctx, c, clients, createBucket))
	refused := 0
	for _, s := range steps {
		if s.Action == ActionRefused {
			refused++
		}
	}
	switch {
	case ctx.Err() != nil:
		return steps, ctx.Err()
	case refused > 0:
		return steps, fmt.Errorf("%w: %d refused", ErrRefused, refused)
	}
	return steps, nil
}

func provisionQueues(ctx context.Context, c config.Config, clients awsClients) []Step {
	made, err := sqsqueue.Ensure(ctx, clients.sqs, sqsqueue.Spec{
		Work: c.AWS.Queue, Dead: c.AWS.DeadLetterQueue, Visibility: c.Worker.VisibilityTimeout,
	})
	seen := map[string]bool{}
	var steps []Step
	for _, s := range made {
		on := "queue " + s.Queue
		if s.Setting != "" && !seen[s.Queue] { // one that was made says so first
			steps = append(steps, Step{On: on, Action: ActionFound})
		}
		seen[s.Queue] = true
		if s.Setting != "" && s.Action == sqsqueue.Found {
			continue // the queue's own step says it
		}
		steps = append(steps, Step{On: on, Setting: s.Setting, Action: Action(s.Action), Have: s.Have, Want: s.Want, Why: s.Why})
	}
	if err != nil && !errors.Is(err, sqsqueue.ErrRefused) {
		steps = append(steps, refusal("queues", err))
	}
	return steps
}

func provisionTables(ctx context.Context, c config.Config, clients awsClients) []Step {
	t := tables(c.AWS.Tables)
	made, err := dynamoledger.Ensure(ctx, clients.dynamo, t, dynamoledger.EnsureOptions{})
	var steps []Step
	for _, what := range made {
		steps = append(steps, Step{On: what, Action: ActionMade})
	}
	if err != nil {
		return append(steps, refusal("tables", err))
	}
	for _, name := range []string{t.Meta, t.Cursors, t.Stats} {
		if on := "table " + name; !slices.Contains(made, on) {
			steps = append(steps, Step{On: on, Action: ActionFound})
		}
	}
	return steps
}

// provisionIncoming makes the incoming table, with and without a live side: so that one can be switched on at any time.
func provisionIncoming(ctx context.Context, c config.Config, clients awsClients) []Step {
	table := c.AWS.Tables.Incoming
	on := "table " + table
	made, err := dynamoentries.Ensure(ctx, clients.dynamo, table, dynamoledger.EnsureOptions{})
	unused := ""
	if !c.Live.On {
		unused = "for a live side; nothing uses it while the configuration says live: none"
	}
	var steps []Step
	for _, what := range made {
		steps = append(steps, Step{On: what, Action: ActionMade})
	}
	if len(steps) > 0 {
		steps[0].Why = unused
	}
	switch {
	case err != nil:
		return append(steps, refusal(on, err))
	case !slices.Contains(made, on):
		return append(steps, Step{On: on, Action: ActionFound, Why: unused})
	}
	return steps
}

func provisionBucket(ctx context.Context, c config.Config, clients awsClients, create bool) []Step {
	on := "bucket " + c.AWS.Bucket
	a, err := s3archive.New(s3archive.Options{Client: clients.s3, Bucket: c.AWS.Bucket})
	if err != nil {
		return []Step{refusal(on, err)}
	}
	report, err := a.Ensure(ctx, create)
	var steps []Step
	for _, what := range report.Made {
		steps = append(steps, Step{On: what, Action: ActionMade})
	}
	for _, what := range report.Left {
		steps = append(steps, Step{On: what, Action: ActionUnsupported, Why: "this implementation of S3 does not have it"})
	}
	switch {
	case errors.Is(err, s3archive.ErrNoBucket):
		steps = append(steps, Step{On: on, Action: ActionRefused, Why: fmt.Sprintf(
			"there is none in %s: correct aws.bucket, or have it made with --create-bucket", clients.region)})
	case err != nil:
		steps = append(steps, refusal(on, err))
	case len(steps) == 0:
		steps = append(steps, Step{On: on, Action: ActionFound})
	}
	return steps
}

func refusal(on string, err error) Step {
	return Step{On: on, Action: ActionRefused, Why: err.Error()}
}
