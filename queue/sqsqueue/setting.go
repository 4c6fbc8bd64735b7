package sqsqueue

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// setting is one attribute of a queue, and what to do about it. Each function below judges one; the rule is that a value
// which nobody chose is put right, and one that somebody chose stays, even where Reprise then refuses the queue.
type setting struct {
	of     found
	name   types.QueueAttributeName
	want   string
	action Action
	why    string
}

// defaultRetention is what a queue has that nobody set: 4 days.
const defaultRetention = 4 * day

func retention(f found, want time.Duration) setting {
	s := setting{of: f, name: types.QueueAttributeNameMessageRetentionPeriod, want: inSeconds(want), action: Found}
	switch {
	case f.have.Retention >= want:
	case f.have.Retention == defaultRetention:
		s.action = Changed
	default:
		s.action, s.why = Kept, "messages that are older are gone; work is sent again, dead letters are not"
	}
	return s
}

func visibility(f found, want time.Duration) setting {
	s := setting{of: f, name: types.QueueAttributeNameVisibilityTimeout, want: inSeconds(want), action: Found}
	if f.have.Visibility != want {
		s.action, s.why = Kept, "it does not matter: every receive names its own"
	}
	return s
}

func redrive(f, dead found, maxReceives int) setting {
	s := setting{of: f, name: types.QueueAttributeNameRedrivePolicy, want: redriveTo(dead, maxReceives), action: Found}
	switch {
	case f.have.DeadLetterARN == "":
		s.action = Changed
	case f.have.DeadLetterARN != dead.have.ARN:
		s.action, s.why = Refused, "dead letters go to another queue than "+dead.name+", where nobody looks for them"
	case f.have.MaxReceives > maxReceives:
		s.action, s.why = Kept, "messages are tried more often"
	case f.have.MaxReceives < maxReceives:
		s.action, s.why = Kept, "messages that only waited for their turn may be dead-lettered, and are then brought back"
	}
	return s
}

// lastStop: looking at dead letters counts as receiving them, so a redrive policy would take them away.
func lastStop(dead found) setting {
	s := setting{of: dead, name: types.QueueAttributeNameRedrivePolicy, action: Found}
	if dead.have.DeadLetterARN != "" {
		s.action, s.why = Refused, "dead letters go on from here when they were looked at often enough"
	}
	return s
}

// redriveAllow is set where the queue is new: others may use one that was there before.
func redriveAllow(dead, work found) setting {
	s := setting{
		of: dead, name: types.QueueAttributeNameRedriveAllowPolicy, action: Found,
		want: inJSON(RedriveAllow{Permission: "byQueue", Sources: []string{work.have.ARN}}),
	}
	switch allow := dead.have.RedriveAllow; {
	case !allow.Allows(work.have.ARN):
		s.action, s.why = Refused, "it does not allow "+work.have.ARN
	case allow.Permission == "byQueue":
	case dead.made:
		s.action = Changed
	default:
		s.action, s.why = Kept, "any queue of the account may send its dead letters here"
	}
	return s
}

func delay(f found) setting {
	s := setting{of: f, name: types.QueueAttributeNameDelaySeconds, want: "0", action: Found}
	if f.have.Delay > 0 {
		s.action, s.why = Kept, "every message waits that long before it is worked on"
	}
	return s
}

func encryption(f found) setting {
	s := setting{of: f, name: types.QueueAttributeNameSqsManagedSseEnabled, want: "true", action: Found}
	if f.have.KMSKey != "" {
		s.want = ""
	} else if !f.have.ManagedSSE {
		s.action = Changed
	}
	return s
}

func redriveTo(dead found, maxReceives int) string {
	return inJSON(redrivePolicy{DeadLetterARN: dead.have.ARN, MaxReceives: json.Number(strconv.Itoa(maxReceives))})
}

func inSeconds(d time.Duration) string { return strconv.Itoa(int(seconds(d))) }

func inJSON(policy any) string {
	text, err := json.Marshal(policy)
	if err != nil { // strings and numbers always marshal
		panic(err)
	}
	return string(text)
}
