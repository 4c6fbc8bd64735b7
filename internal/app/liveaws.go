package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/seed-56345083/reprise/internal/archive/s3archive"
	"github.com/seed-56345083/reprise/internal/awsapi"
	"github.com/seed-56345083/reprise/internal/config"
	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/internal/ledger/dynamoledger"
	"github.com/seed-56345083/reprise/queue/sqsqueue"
)

const (
	credentialsTime = 15 * time.Second // to find credentials: an instance role is asked for over the network
	maxSkew         = 5 * time.Second  // between two clocks, before it is worth a word
)

// liveAWS looks at the aws backend.
type liveAWS struct {
	config  config.Config
	clients awsClients
	roles   []Role
}

func checkAWS(ctx context.Context, c config.Config, version string, roles []Role) ([]Check, error) {
	clients, err := newAWSClients(ctx, c, version, nil)
	if err != nil {
		return nil, err
	}
	if err := clients.identify(ctx); err != nil {
		return nil, err
	}
	l := &liveAWS{config: c, clients: clients, roles: roles}
	looks := []func(context.Context) []Check{l.clock, l.queues, l.bucket, l.tables, l.incoming}
	results := make([][]Check, len(looks))
	var group sync.WaitGroup // a service that does not answer keeps none of the others waiting
	for i, look := range looks {
		group.Go(func() { results[i] = look(ctx) })
	}
	group.Wait()
	return grouped(slices.Concat(results...)), ctx.Err()
}

// grouped brings the checks of one thing together, in the order in which they came.
func grouped(checks []Check) []Check {
	first := map[string]int{}
	for i, c := range checks {
		if _, seen := first[c.On]; !seen {
			first[c.On] = i
		}
	}
	slices.SortStableFunc(checks, func(a, b Check) int { return cmp.Compare(first[a.On], first[b.On]) })
	return checks
}

// identify finds the credentials, so that their lack is told once, and not by every call.
func (c awsClients) identify(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, credentialsTime)
	defer cancel()
	if _, err := c.sqs.Options().Credentials.Retrieve(ctx); err != nil {
		return fmt.Errorf("finding AWS credentials (environment, profile, ECS task role, EC2 instance role): %w", err)
	}
	return nil
}

// tried is the check of a permission; none where none of the roles needs it.
func (l *liveAWS) tried(p part, on, action string, err error) []Check {
	roles := rolesOf(p, action, l.roles, l.config.Live.On)
	if len(roles) == 0 {
		return nil
	}
	c := Check{On: on, What: action, Roles: roles, State: StateOK}
	switch {
	case err == nil:
	case awsapi.Denied(err) || errors.Is(err, s3archive.ErrDenied):
		c.State, c.Why = StateMissing, "denied: allow it to these roles"
		if said := awsapi.Message(err); said != "" {
			c.Why += "; AWS says: " + said
		}
	default:
		c.State, c.Why = StateUnknown, err.Error()
	}
	return []Check{c}
}

// takes reports whether one of the roles needs a permission.
func (l *liveAWS) takes(p part, action string) bool {
	return len(rolesOf(p, action, l.roles, l.config.Live.On)) > 0
}

// clock compares this machine's clock with SQS's. Claims and leases hold by the clocks of those who take them, so a
// difference costs work done twice, and never a line. An answer that took long is no difference.
func (l *liveAWS) clock(ctx context.Context) []Check {
	asked := time.Now()
	out, err := awsapi.Call(ctx, func(ctx context.Context) (*sqs.GetQueueUrlOutput, error) {
		return l.clients.sqs.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(l.config.AWS.Queue)})
	})
	if err != nil {
		return nil // the queue's own check tells why
	}
	theirs, ok := awsmiddleware.GetServerTime(out.ResultMetadata)
	if !ok {
		return nil
	}
	c := Check{On: "clock", What: "agrees with SQS's", State: StateOK}
	const off = "this machine's clock is %s %s it: cutoffs and tags are off by that, and work may be done twice; let NTP set it"
	if ahead := asked.Sub(theirs); ahead > maxSkew {
		c.State, c.Why = StateWarning, fmt.Sprintf(off, ahead.Round(time.Second), "ahead of")
	} else if behind := time.Until(theirs); behind > maxSkew {
		c.State, c.Why = StateWarning, fmt.Sprintf(off, behind.Round(time.Second), "behind")
	}
	return []Check{c}
}

// queues looks at both queues: they are there, may be used, and are set so that no message is lost.
func (l *liveAWS) queues(ctx context.Context) []Check {
	work, checks := l.queue(ctx, partWork, "aws.queue", l.config.AWS.Queue)
	if work == nil && len(checks) > 0 && checks[0].State == StateUnknown {
		return checks // no answer: the other queue would have none either
	}
	dead, more := l.queue(ctx, partDead, "aws.dead_letter_queue", l.config.AWS.DeadLetterQueue)
	checks = append(checks, more...)
	if work == nil || dead == nil {
		return checks
	}
	return append(checks, queueSettings(l.config, *work, *dead)...)
}

// queue tries one queue, and reads its attributes where that is allowed.
func (l *liveAWS) queue(ctx context.Context, p part, key, name string) (*sqsqueue.Attributes, []Check) {
	on := string(p) + " " + name
	q, err := sqsqueue.Open(ctx, sqsqueue.Options{Client: l.clients.sqs, Name: name})
	if errors.Is(err, sqsqueue.ErrNotFound) {
		return nil, []Check{{On: on, What: "exists", State: StateMissing, Why: fmt.Sprintf(
			"there is none in %s: make it with reprise init --aws, or correct %s", l.clients.region, key)}}
	}
	if err != nil {
		return nil, l.tried(p, on, sqsqueue.ActionURL, err)
	}
	var checks []Check
	for _, f := range q.Check(ctx) {
		checks = append(checks, l.tried(p, on, f.Action, f.Err)...)
	}
	a, err := q.Attributes(ctx)
	if err != nil {
		return nil, checks
	}
	return &a, checks
}

// bucket tries the archive's prefix and that of the partials.
func (l *liveAWS) bucket(ctx context.Context) []Check {
	c := l.config
	on := "bucket " + c.AWS.Bucket
	a, err := s3archive.New(s3archive.Options{Client: l.clients.s3, Bucket: c.AWS.Bucket})
	if err != nil {
		return []Check{{On: on, What: "exists", State: StateMissing, Why: err.Error()}}
	}
	var checks []Check
	for _, area := range []struct {
		part   part
		params s3archive.CheckParams
	}{
		{partArchive, s3archive.CheckParams{Prefix: c.Archive.Prefix, Tags: c.Archive.Tags != config.TagsOff, Write: l.takes(partArchive, "s3:PutObject")}},
		{partPartials, s3archive.CheckParams{Prefix: dynamoledger.DefaultPrefix, Write: true, Delete: true}},
	} {
		findings, err := a.Check(ctx, area.params)
		switch {
		case errors.Is(err, s3archive.ErrNoBucket):
			return []Check{{On: on, What: "exists", State: StateMissing, Why: fmt.Sprintf(
				"there is none in %s: correct aws.bucket, or make it with reprise init --aws --create-bucket", l.clients.region)}}
		case err != nil && len(findings) == 0:
			return []Check{{On: on, What: "can be reached", State: StateUnknown, Why: err.Error()}}
		}
		for _, f := range findings {
			checks = append(checks, l.tried(area.part, on+", "+area.params.Prefix+"*", f.Action, f.Err)...)
		}
	}
	return checks
}

// tables looks at the keys of the tables and tries what is done with them.
func (l *liveAWS) tables(ctx context.Context) []Check {
	t := tables(l.config.AWS.Tables)
	parts := map[string]part{t.Meta: partMeta, t.Cursors: partCursors, t.Stats: partStats}
	keys := map[string]string{t.Meta: "aws.tables.meta", t.Cursors: "aws.tables.cursors", t.Stats: "aws.tables.stats"}
	var checks []Check
	gone := map[string]bool{}
	for _, f := range dynamoledger.Look(ctx, l.clients.dynamo, t) {
		on := "table " + f.Table
		switch {
		case errors.Is(f.Err, dynamo.ErrNoTable):
			gone[f.Table] = true
			checks = append(checks, Check{On: on, What: "exists", State: StateMissing, Why: fmt.Sprintf(
				"there is none in %s: make it with reprise init --aws, or correct %s", l.clients.region, keys[f.Table])})
		case f.Err != nil && awsapi.StatusCode(f.Err) == 0:
			return append(checks, Check{On: on, What: "can be reached", State: StateUnknown, Why: f.Err.Error()})
		default:
			checks = append(checks, l.tried(parts[f.Table], on, f.Action, f.Err)...)
			checks = append(checks, tableSetting(on, f))
		}
	}
	for _, table := range []string{t.Meta, t.Cursors, t.Stats} {
		if gone[table] {
			continue
		}
		for _, f := range dynamoledger.TryTable(ctx, l.clients.dynamo, t, table) {
			action := f.Action
			if f.By != "" {
				action += " in " + f.By
			}
			checks = append(checks, l.tried(parts[table], "table "+table, action, f.Err)...)
		}
	}
	return checks
}

// tableSetting is what was seen of a table.
func tableSetting(on string, f dynamo.Finding) Check {
	c := Check{On: on, What: "keys pk and sk, no index", State: StateOK}
	wrong, mend := StateMissing, ""
	if f.Action == dynamo.ActionDescribeTTL {
		c.What, wrong, mend = "time to live by expires", StateWarning, "; reprise init --aws turns it on"
	}
	switch {
	case f.Err != nil:
		c.State, c.Why = StateWarning, "these credentials may not look at it; those of an operator may"
	case f.Wrong != nil:
		c.State, c.Why = wrong, f.Wrong.Error()+mend
	}
	return c
}
