package app

import (
	"fmt"
	"time"

	"github.com/seed-56345083/reprise/internal/config"
	"github.com/seed-56345083/reprise/queue/sqsqueue"
	"github.com/seed-56345083/reprise/worker"
)

// queueSettings are the attributes on which it depends that no work is lost: each with what is, and what to do.
func queueSettings(c config.Config, work, dead sqsqueue.Attributes) []Check {
	onWork, onDead := string(partWork)+" "+c.AWS.Queue, string(partDead)+" "+c.AWS.DeadLetterQueue
	return []Check{
		redrivePolicy(onWork, c, work, dead),
		redriveAllowed(onDead, work, dead),
		lastStop(onDead, dead),
		retention(onDead, work, dead),
		visibility(onWork, c.Worker, work),
		delay(onWork, work),
		encryption(onWork, work),
		encryption(onDead, dead),
	}
}

// setting is a check of a setting: ok, with what is; worse makes it worse.
func setting(on, what, format string, args ...any) Check {
	return Check{On: on, What: what, State: StateOK, Why: fmt.Sprintf(format, args...)}
}

func (c Check) worse(state State, why string) Check {
	c.State, c.Why = state, c.Why+": "+why
	return c
}

// redrivePolicy is the net below the workers, which replace a message by a copy when it has come back often enough. A
// net that is too near takes messages away that only waited for their turn.
func redrivePolicy(on string, c config.Config, work, dead sqsqueue.Attributes) Check {
	const what = "redrive policy"
	mend := fmt.Sprintf("set the dead-letter queue %s with maxReceiveCount 10", c.AWS.DeadLetterQueue)
	if work.DeadLetterARN == "" {
		return setting(on, what, "there is none").worse(StateMissing,
			"what kills workers comes back until its retention is over; reprise init --aws sets it")
	}
	s := setting(on, what, "to %s after %d receives", work.DeadLetterARN, work.MaxReceives)
	switch {
	case work.DeadLetterARN != dead.ARN:
		return s.worse(StateMissing, "that is not the dead-letter queue of the configuration, and nobody looks there; "+mend)
	case work.MaxReceives <= worker.CopyAtReceives:
		return s.worse(StateMissing, fmt.Sprintf(
			"that takes messages away which only waited for their turn (workers replace one by a copy at receive %d); %s", worker.CopyAtReceives, mend))
	case work.MaxReceives < c.Worker.MaxAttempts:
		return s.worse(StateWarning, fmt.Sprintf(
			"worker.max_attempts (%d) is more, so an object that kills workers is dead-lettered and brought back on the way", c.Worker.MaxAttempts))
	}
	return s
}

func redriveAllowed(on string, work, dead sqsqueue.Attributes) Check {
	allow := dead.RedriveAllow.Permission
	if allow == "" {
		allow = "allowAll"
	}
	s := setting(on, "redrive allow policy", "%s", allow)
	if !dead.RedriveAllow.Allows(work.ARN) {
		return s.worse(StateMissing, "it keeps "+work.ARN+" out; add it to sourceQueueArns")
	}
	return s
}

func lastStop(on string, dead sqsqueue.Attributes) Check {
	if dead.DeadLetterARN == "" {
		return setting(on, "no redrive policy of its own", "none")
	}
	return setting(on, "no redrive policy of its own", "to %s after %d receives", dead.DeadLetterARN, dead.MaxReceives).worse(StateMissing,
		"looking at dead letters counts as receiving them, so they would go on from here; remove it")
}

// retention of the dead letters that SQS itself moves counts from when they were first sent.
func retention(on string, work, dead sqsqueue.Attributes) Check {
	s := setting(on, "retention", "%s, the queue's is %s", brief(dead.Retention), brief(work.Retention))
	switch {
	case dead.Retention < work.Retention:
		return s.worse(StateMissing, "a dead letter that SQS moves keeps its age, and is gone at once; set it to 14 days")
	case dead.Retention == work.Retention:
		return s.worse(StateWarning, "a dead letter that SQS moves keeps its age, so an old one is soon gone; set it to 14 days")
	}
	return s
}

// visibility: workers name their own at every receive, and extend it while they work.
func visibility(on string, w config.Worker, work sqsqueue.Attributes) Check {
	s := setting(on, "visibility timeout", "%s, workers ask for %s and extend it every %s, chunks take up to %s",
		brief(work.Visibility), brief(w.VisibilityTimeout), brief(w.Heartbeat()), brief(w.ChunkTime))
	if work.Visibility != w.VisibilityTimeout {
		return s.worse(StateWarning, "the queue's own does not matter to workers, only to who receives by other means")
	}
	return s
}

func delay(on string, work sqsqueue.Attributes) Check {
	s := setting(on, "delivery delay", "%s", work.Delay)
	if work.Delay > 0 {
		return s.worse(StateWarning, "every message waits that long before it is worked on; set DelaySeconds to 0")
	}
	return s
}

func encryption(on string, a sqsqueue.Attributes) Check {
	switch {
	case a.KMSKey != "":
		return setting(on, "encryption", "with the key %s", a.KMSKey).worse(StateWarning,
			"not tried: whoever sends needs kms:GenerateDataKey and kms:Decrypt on it, whoever receives kms:Decrypt")
	case a.ManagedSSE:
		return setting(on, "encryption", "with a key of SQS")
	default:
		return setting(on, "encryption", "none").worse(StateWarning, "messages name objects of the archive; SqsManagedSseEnabled costs nothing")
	}
}

// brief prints a duration as people set it: 14 days, 5m.
func brief(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= day && d%day == 0:
		return fmt.Sprintf("%d days", d/day)
	case d > 0 && d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d > 0 && d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}
