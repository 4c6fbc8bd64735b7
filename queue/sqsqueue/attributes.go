package sqsqueue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Attributes are how a queue is set, as far as it matters to Reprise. What the service does not tell is zero.
type Attributes struct {
	URL        string
	ARN        string
	Visibility time.Duration // of receives that do not say otherwise; Reprise says
	Retention  time.Duration // how long a message is kept
	Wait       time.Duration // of receives that do not say otherwise; Reprise says
	Delay      time.Duration // before each message that does not say otherwise, so before each of Reprise's without a delay
	MaxMessage int           // bytes of one message

	DeadLetterARN string // of the dead-letter queue; "": no redrive policy, and messages come back until their retention is over
	MaxReceives   int    // receives until a message goes there
	RedriveAllow  RedriveAllow

	KMSKey     string // encrypts the messages; whoever sends and receives needs it too
	ManagedSSE bool   // encrypted with a key of SQS
}

// RedriveAllow says which queues may have this one as their dead-letter queue. The zero value is all.
type RedriveAllow struct {
	Permission string   `json:"redrivePermission"` // allowAll, denyAll or byQueue
	Sources    []string `json:"sourceQueueArns,omitempty"`
}

// Allows reports whether the queue of this ARN may send its dead letters here.
func (a RedriveAllow) Allows(arn string) bool {
	switch a.Permission {
	case "", "allowAll":
		return true
	case "byQueue":
		return slices.Contains(a.Sources, arn)
	default:
		return false
	}
}

// Encrypted reports whether messages are encrypted at rest.
func (a Attributes) Encrypted() bool { return a.KMSKey != "" || a.ManagedSSE }

// redrivePolicy as SQS writes it. Implementations differ in whether the count is a string.
type redrivePolicy struct {
	DeadLetterARN string      `json:"deadLetterTargetArn"`
	MaxReceives   json.Number `json:"maxReceiveCount"`
}

// Attributes reads how the queue is set. The service may take a minute to tell what was changed.
func (q *Queue) Attributes(ctx context.Context) (Attributes, error) {
	values, err := q.read(ctx, types.QueueAttributeNameAll)
	if err != nil {
		return Attributes{}, q.explain("reading its attributes", err)
	}
	a, err := parse(values)
	a.URL = q.url
	return a, q.explain("reading its attributes", err)
}

func parse(values map[string]string) (Attributes, error) {
	r := reader{values: values}
	a := Attributes{
		ARN:        values[string(types.QueueAttributeNameQueueArn)],
		Visibility: r.seconds(types.QueueAttributeNameVisibilityTimeout),
		Retention:  r.seconds(types.QueueAttributeNameMessageRetentionPeriod),
		Wait:       r.seconds(types.QueueAttributeNameReceiveMessageWaitTimeSeconds),
		Delay:      r.seconds(types.QueueAttributeNameDelaySeconds),
		MaxMessage: r.number(types.QueueAttributeNameMaximumMessageSize),
		KMSKey:     values[string(types.QueueAttributeNameKmsMasterKeyId)],
		ManagedSSE: values[string(types.QueueAttributeNameSqsManagedSseEnabled)] == "true",
	}
	var policy redrivePolicy
	r.json(types.QueueAttributeNameRedrivePolicy, &policy)
	a.DeadLetterARN = policy.DeadLetterARN
	if policy.MaxReceives != "" {
		n, err := policy.MaxReceives.Int64()
		r.note(types.QueueAttributeNameRedrivePolicy, err)
		a.MaxReceives = int(n)
	}
	r.json(types.QueueAttributeNameRedriveAllowPolicy, &a.RedriveAllow)
	return a, r.err
}

// reader reads attributes and remembers what it did not understand.
type reader struct {
	values map[string]string
	err    error
}

func (r *reader) note(name types.QueueAttributeName, err error) {
	if err != nil {
		r.err = errors.Join(r.err, fmt.Errorf("%s = %q: %w", name, r.values[string(name)], err))
	}
}

func (r *reader) number(name types.QueueAttributeName) int {
	value := r.values[string(name)]
	if value == "" {
		return 0
	}
	n, err := strconv.Atoi(value)
	r.note(name, err)
	return n
}

func (r *reader) seconds(name types.QueueAttributeName) time.Duration {
	return time.Duration(r.number(name)) * time.Second
}

func (r *reader) json(name types.QueueAttributeName, into any) {
	if value := r.values[string(name)]; value != "" {
		r.note(name, json.Unmarshal([]byte(value), into))
	}
}
