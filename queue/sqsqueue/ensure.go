package sqsqueue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/seed-56345083/reprise/internal/awsapi"
	"github.com/seed-56345083/reprise/queue"
)

// Spec is a queue with its dead-letter queue. Zero values mean the defaults.
type Spec struct {
	Work, Dead    string        // names
	Visibility    time.Duration // default 5 minutes
	MaxReceives   int           // receives until a message is dead: 1 to 1000, default 10
	Retention     time.Duration // of the work queue; default 10 days
	DeadRetention time.Duration // at least Retention; default 14 days, the most there is
}

const day = 24 * time.Hour

func (s Spec) withDefaults() Spec {
	s.Visibility = cmp.Or(s.Visibility, 5*time.Minute)
	s.MaxReceives = cmp.Or(s.MaxReceives, 10)
	s.Retention = cmp.Or(s.Retention, 10*day)
	s.DeadRetention = cmp.Or(s.DeadRetention, 14*day)
	return s
}

func (s Spec) validate() error {
	err := errors.Join(checkName(s.Work), checkName(s.Dead))
	switch {
	case err != nil:
		return err
	case s.Work == s.Dead:
		return fmt.Errorf("queue %s is its own dead-letter queue", s.Work)
	case s.Visibility < time.Second || s.Visibility > queue.MaxVisibility:
		return fmt.Errorf("queue %s: a visibility timeout of %s is not between 1s and %s", s.Work, s.Visibility, queue.MaxVisibility)
	case s.MaxReceives < 1 || s.MaxReceives > 1000:
		return fmt.Errorf("queue %s: %d receives until a message is dead, 1 to 1000 are possible", s.Work, s.MaxReceives)
	case s.Retention < time.Minute || s.DeadRetention > 14*day || s.DeadRetention < s.Retention:
		return fmt.Errorf("queue %s: a retention of %s, and %s for dead letters: 1m to 14 days are possible, and dead letters are kept no shorter",
			s.Work, s.Retention, s.DeadRetention)
	}
	return nil
}

// Action is what Ensure did.
type Action string

// The actions.
const (
	Made        Action = "made"        // the queue was not there
	Changed     Action = "changed"     // the setting was put right: nobody can miss what it was
	Found       Action = "found"       // it is as it should be, or better
	Kept        Action = "kept"        // it is set otherwise, and works; whoever did that had a reason
	Refused     Action = "refused"     // it is set otherwise, and Reprise does not work so; see Step.Why
	Unsupported Action = "unsupported" // this implementation of SQS does not know the setting
)

// Step is one thing that Ensure looked at.
type Step struct {
	Queue   string `json:"queue"`
	Setting string `json:"setting,omitempty"` // attribute; "": the queue itself
	Action  Action `json:"action"`
	Have    string `json:"have,omitempty"` // what it is, or was before it was changed
	Want    string `json:"want,omitempty"`
	Why     string `json:"why,omitempty"`
}

// ErrRefused says that a queue is there, and set in a way that does not work; the steps say what.
var ErrRefused = errors.New("a queue is set otherwise")

// Ensure makes the queues of the spec where they are missing, and looks at those that are there: what is missing is added,
// what somebody set otherwise is kept. It is ErrRefused where Reprise would not work so; then nothing is changed of a queue
// that was there. It can be repeated at any time; after an error the steps tell how far it came. It needs sqs:GetQueueUrl,
// GetQueueAttributes, CreateQueue and SetQueueAttributes.
func Ensure(ctx context.Context, client *sqs.Client, s Spec) ([]Step, error) {
	s = s.withDefaults()
	if err := s.validate(); err != nil {
		return nil, err
	}
	e := ensurer{client: client}
	dead, err := e.queue(ctx, s.Dead, map[string]string{
		string(types.QueueAttributeNameMessageRetentionPeriod):        inSeconds(s.DeadRetention),
		string(types.QueueAttributeNameReceiveMessageWaitTimeSeconds): inSeconds(queue.MaxWait),
	})
	if err != nil {
		return e.steps, err
	}
	work, err := e.queue(ctx, s.Work, map[string]string{
		string(types.QueueAttributeNameMessageRetentionPeriod):        inSeconds(s.Retention),
		string(types.QueueAttributeNameVisibilityTimeout):             inSeconds(s.Visibility),
		string(types.QueueAttributeNameReceiveMessageWaitTimeSeconds): inSeconds(queue.MaxWait),
		string(types.QueueAttributeNameRedrivePolicy):                 redriveTo(dead, s.MaxReceives),
	})
	if err != nil {
		return e.steps, err
	}
	return e.steps, e.apply(ctx, []setting{
		retention(work, s.Retention), visibility(work, s.Visibility), redrive(work, dead, s.MaxReceives), delay(work), encryption(work),
		retention(dead, s.DeadRetention), lastStop(dead), redriveAllow(dead, work), encryption(dead),
	})
}

// ensurer makes and changes queues, and notes what it does.
type ensurer struct {
	client *sqs.Client
	steps  []Step
}

// found is a queue as Ensure found or made it.
type found struct {
	*Queue
	have   Attributes
	values map[string]string // the same as the service wrote it
	made   bool
}

// queue finds the queue, or makes it with these attributes.
func (e *ensurer) queue(ctx context.Context, name string, attributes map[string]string) (found, error) {
	f := found{Queue: &Queue{client: e.client, name: name}}
	q, err := Open(ctx, Options{Client: e.client, Name: name})
	switch {
	case err == nil:
		f.Queue = q
	case !errors.Is(err, ErrNotFound):
		return f, err
	default:
		out, err := awsapi.Call(ctx, func(ctx context.Context) (*sqs.CreateQueueOutput, error) {
			return e.client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
		})
		if err != nil {
			return f, f.explain("making it", err)
		}
		f.url, f.made = aws.ToString(out.QueueUrl), true
		e.steps = append(e.steps, Step{Queue: name, Action: Made})
	}
	f.values, err = awsapi.Call(ctx, func(ctx context.Context) (map[string]string, error) {
		out, err := e.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
			QueueUrl: &f.url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
		})
		switch {
		case err != nil && f.made && isNotFound(err):
			return nil, &newQueueError{err} // it takes a second until all servers know it
		case err != nil:
			return nil, err
		}
		return out.Attributes, nil
	})
	if err == nil {
		f.have, err = parse(f.values)
	}
	return f, f.explain("reading its attributes", err)
}

// newQueueError says that a queue that was just made is not known everywhere.
type newQueueError struct{ err error }

func (e *newQueueError) Error() string { return e.err.Error() }
func (e *newQueueError) Unwrap() error { return e.err }

// RetryableError tells awsapi.Call to try again.
func (e *newQueueError) RetryableError() bool { return true }

// apply changes what is to be changed, and notes what became of each setting. Where one is refused, queues that were
// there before stay as they are: their names may be mixed up, or be those of something else.
func (e *ensurer) apply(ctx context.Context, settings []setting) error {
	var refused []error
	untouched := slices.ContainsFunc(settings, func(s setting) bool { return s.action == Refused })
	for _, s := range settings {
		if untouched && s.action == Changed && !s.of.made {
			s.action, s.why = Kept, "it will be changed when nothing is refused any more"
		}
		step := Step{Queue: s.of.name, Setting: string(s.name), Action: s.action, Have: s.of.values[string(s.name)], Want: s.want, Why: s.why}
		switch s.action {
		case Changed:
			err := e.set(ctx, s)
			if isUnsupported(err) {
				step.Action, step.Why = Unsupported, "this implementation of SQS does not know it"
			} else if err != nil {
				return err
			}
		case Refused:
			refused = append(refused, fmt.Errorf("%w: %s of queue %s is %s: %s", ErrRefused, s.name, s.of.name, step.Have, s.why))
		}
		if s.of.made && (step.Action == Changed || step.Action == Found) {
			continue // it belongs to the making
		}
		e.steps = append(e.steps, step)
	}
	return errors.Join(refused...)
}

func (e *ensurer) set(ctx context.Context, s setting) error {
	_, err := awsapi.Call(ctx, func(ctx context.Context) (*sqs.SetQueueAttributesOutput, error) {
		return e.client.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{
			QueueUrl: &s.of.url, Attributes: map[string]string{string(s.name): s.want},
		})
	})
	return s.of.explain("setting "+string(s.name), err)
}

func isUnsupported(err error) bool {
	name := codeOf(err)
	return name == "InvalidAttributeName" || name == "UnsupportedOperation"
}
