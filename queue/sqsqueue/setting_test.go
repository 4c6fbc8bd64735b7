package sqsqueue

import (
	"testing"
	"time"
)

// TestParse reads attributes as SQS writes them.
func TestParse(t *testing.T) {
	t.Parallel()
	a, err := parse(map[string]string{
		"QueueArn": "arn:aws:sqs:eu-west-1:1:q", "VisibilityTimeout": "300", "MessageRetentionPeriod": "1209600",
		"ReceiveMessageWaitTimeSeconds": "20", "DelaySeconds": "0", "MaximumMessageSize": "1048576",
		"RedrivePolicy":      `{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:1:d","maxReceiveCount":"10"}`,
		"RedriveAllowPolicy": `{"redrivePermission":"byQueue","sourceQueueArns":["arn:aws:sqs:eu-west-1:1:w"]}`,
		"KmsMasterKeyId":     "alias/mine", "SqsManagedSseEnabled": "false", "Policy": "{}",
	})
	if err != nil || a.ARN != "arn:aws:sqs:eu-west-1:1:q" || a.Visibility != 5*time.Minute || a.Retention != 14*day || a.Wait != 20*time.Second ||
		a.MaxMessage != 1<<20 || a.DeadLetterARN != "arn:aws:sqs:eu-west-1:1:d" || a.MaxReceives != 10 || a.KMSKey != "alias/mine" ||
		a.ManagedSSE || !a.Encrypted() || !a.RedriveAllow.Allows("arn:aws:sqs:eu-west-1:1:w") || a.RedriveAllow.Allows("arn:aws:sqs:eu-west-1:1:x") {
		t.Errorf("parse = %+v, %v", a, err)
	}
	for name, value := range map[string]string{
		"VisibilityTimeout": "5m", "RedrivePolicy": "{", "RedriveAllowPolicy": `[]`,
	} {
		if _, err := parse(map[string]string{name: value}); err == nil {
			t.Errorf("%s = %s was read", name, value)
		}
	}
}

// TestRedriveAllow: no server of the tests gives the policy back.
func TestRedriveAllow(t *testing.T) {
	t.Parallel()
	work := found{have: Attributes{ARN: "w"}}
	for name, c := range map[string]struct {
		policy RedriveAllow
		made   bool
		want   Action
	}{
		"new":           {made: true, want: Changed},
		"older":         {want: Kept},
		"all":           {policy: RedriveAllow{Permission: "allowAll"}, want: Kept},
		"none":          {policy: RedriveAllow{Permission: "denyAll"}, want: Refused},
		"this one":      {policy: RedriveAllow{Permission: "byQueue", Sources: []string{"v", "w"}}, want: Found},
		"another":       {policy: RedriveAllow{Permission: "byQueue", Sources: []string{"v"}}, want: Refused},
		"not known yet": {policy: RedriveAllow{Permission: "later"}, want: Refused},
	} {
		if s := redriveAllow(found{have: Attributes{RedriveAllow: c.policy}, made: c.made}, work); s.action != c.want {
			t.Errorf("%s: %s, want %s", name, s.action, c.want)
		}
	}
}

func TestRedrivePolicy(t *testing.T) {
	t.Parallel()
	dead := found{Queue: &Queue{name: "dead"}, have: Attributes{ARN: "d"}}
	for name, c := range map[string]struct {
		arn      string
		receives int
		want     Action
	}{
		"none": {"", 0, Changed}, "as wanted": {"d", 10, Found}, "more": {"d", 20, Kept}, "fewer": {"d", 3, Kept}, "elsewhere": {"x", 10, Refused},
	} {
		if s := redrive(found{have: Attributes{DeadLetterARN: c.arn, MaxReceives: c.receives}}, dead, 10); s.action != c.want {
			t.Errorf("%s: %s, want %s", name, s.action, c.want)
		}
	}
}
