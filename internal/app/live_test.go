package app_test

import (
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/seed-56345083/reprise/internal/app"
	"github.com/seed-56345083/reprise/internal/config"
	"github.com/seed-56345083/reprise/internal/realservers"
)

type sqsName = sqstypes.QueueAttributeName

func checkLive(t *testing.T, c config.Config, roles ...app.Role) []app.Check {
	t.Helper()
	checks, err := app.CheckLive(t.Context(), c, "test", roles)
	if err != nil {
		t.Fatal(err)
	}
	return checks
}

// bad are the checks that do not hold, "on: what", and the warnings but for the clock's, of which a loaded machine is no judge.
func bad(checks []app.Check) (failed, warned []string) {
	for _, c := range checks {
		switch {
		case !c.Holds():
			failed = append(failed, c.On+": "+c.What)
		case c.State == app.StateWarning && c.On != "clock":
			warned = append(warned, c.On+": "+c.What)
		}
	}
	slices.Sort(failed)
	slices.Sort(warned)
	return failed, warned
}

// TestCheckLive: what init makes is enough, and looking at it leaves nothing behind.
func TestCheckLive(t *testing.T) {
	t.Parallel()
	c := withLive(site(t, nil))
	provision(t, c, true)
	checks := checkLive(t, c)
	failed, warned := bad(checks)
	same(t, "failed", failed, nil)
	// fauxqs knows no encryption.
	same(t, "warned", warned, []string{"queue " + c.AWS.Queue + ": encryption", "dead-letter queue " + c.AWS.DeadLetterQueue + ": encryption"})

	queues, db := clients(t, c)
	for _, table := range []string{c.AWS.Tables.Meta, c.AWS.Tables.Cursors, c.AWS.Tables.Stats, c.AWS.Tables.Incoming} {
		out, err := db.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table})
		if err != nil || len(out.Items) != 0 {
			t.Errorf("table %s has %v, %v afterwards", table, out, err)
		}
	}
	for _, name := range []string{c.AWS.Queue, c.AWS.DeadLetterQueue} {
		if n := count(t, queues, name); n != "0" {
			t.Errorf("queue %s has %s messages afterwards", name, n)
		}
	}
}

func count(t *testing.T, client *sqs.Client, queue string) string {
	t.Helper()
	out, err := client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: address(t, client, queue), AttributeNames: []sqsName{"ApproximateNumberOfMessages"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Attributes["ApproximateNumberOfMessages"]
}

func address(t *testing.T, client *sqs.Client, queue string) *string {
	t.Helper()
	out, err := client.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &queue})
	if err != nil {
		t.Fatal(err)
	}
	return out.QueueUrl
}

// TestCheckLiveNothing: everything that is missing is named once, with the key of the configuration.
func TestCheckLiveNothing(t *testing.T) {
	t.Parallel()
	c := withLive(site(t, nil))
	checks := checkLive(t, c)
	failed, _ := bad(checks)
	a := c.AWS
	same(t, "missing", failed, []string{
		"queue " + a.Queue + ": exists", "dead-letter queue " + a.DeadLetterQueue + ": exists", "bucket " + a.Bucket + ": exists",
		"table " + a.Tables.Meta + ": exists", "table " + a.Tables.Cursors + ": exists", "table " + a.Tables.Stats + ": exists",
		"table " + a.Tables.Incoming + ": exists",
	})
	for _, k := range checks {
		if !strings.Contains(k.Why, "reprise init --aws") || !strings.Contains(k.Why, "correct aws.") {
			t.Errorf("%s: %q does not say what to do", k.On, k.Why)
		}
	}
}

// TestCheckLiveSpoilt: settings that somebody has changed.
func TestCheckLiveSpoilt(t *testing.T) {
	t.Parallel()
	c := site(t, nil)
	queues, db := clients(t, c)
	spoilQueues(t, queues, c)
	spoilTable(t, db, c.AWS.Tables.Cursors)
	_, _ = app.Provision(t.Context(), c, "test", true) // the rest
	work, dead := "queue "+c.AWS.Queue, "dead-letter queue "+c.AWS.DeadLetterQueue
	expect := func(state app.State, on, what, why string) {
		t.Helper()
		for _, k := range checkLive(t, c) {
			if k.On == on && k.What == what {
				if k.State != state || !strings.Contains(k.Why, why) {
					t.Errorf("%s, %s is %s: %q; want %s: %q", on, what, k.State, k.Why, state, why)
				}
				return
			}
		}
		t.Errorf("no check of %s, %s", on, what)
	}
	set := func(queue, name, value string) {
		t.Helper()
		_, err := queues.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: address(t, queues, queue), Attributes: map[string]string{name: value}})
		if err != nil {
			t.Fatal(err)
		}
	}
	redrive := func(from, to string, receives string) {
		t.Helper()
		set(from, "RedrivePolicy", `{"deadLetterTargetArn":"arn:aws:sqs:`+realservers.Region+`:000000000000:`+to+`","maxReceiveCount":`+receives+`}`)
	}
	expect(app.StateMissing, work, "redrive policy", "not the dead-letter queue of the configuration")
	expect(app.StateMissing, "table "+c.AWS.Tables.Cursors, "keys pk and sk, no index", "id (HASH, S)")
	redrive(c.AWS.Queue, c.AWS.DeadLetterQueue, "8")
	expect(app.StateMissing, work, "redrive policy", "receive 8")
	redrive(c.AWS.Queue, c.AWS.DeadLetterQueue, "9")
	expect(app.StateOK, work, "redrive policy", "after 9 receives")
	c.Worker.MaxAttempts = 20
	expect(app.StateWarning, work, "redrive policy", "worker.max_attempts (20)")

	redrive(c.AWS.DeadLetterQueue, c.AWS.Queue, "9")
	expect(app.StateMissing, dead, "no redrive policy of its own", "remove it")
	set(c.AWS.DeadLetterQueue, "MessageRetentionPeriod", "345600")
	set(c.AWS.Queue, "MessageRetentionPeriod", "345600")
	expect(app.StateWarning, dead, "retention", "4 days, the queue's is 4 days")
	set(c.AWS.DeadLetterQueue, "MessageRetentionPeriod", "3600")
	expect(app.StateMissing, dead, "retention", "1h, the queue's is 4 days")
	set(c.AWS.Queue, "DelaySeconds", "7")
	expect(app.StateWarning, work, "delivery delay", "7s")
	set(c.AWS.Queue, "VisibilityTimeout", "45")
	expect(app.StateWarning, work, "visibility timeout", "45s, workers ask for 5m")

	expect(app.StateWarning, "table "+c.AWS.Tables.Meta, "time to live by expires", "it is off")
}

// TestCheckLiveDenied refuses one permission after the other: exactly that one is named, with its roles and what AWS said.
func TestCheckLiveDenied(t *testing.T) {
	t.Parallel()
	direct := withLive(site(t, nil))
	provision(t, direct, true)
	places := map[string]struct {
		on     func(string) bool
		checks string
	}{
		"queue":    {is(direct.AWS.Queue), "queue " + direct.AWS.Queue},
		"dead":     {is(direct.AWS.DeadLetterQueue), "dead-letter queue " + direct.AWS.DeadLetterQueue},
		"archive":  {below("logs/"), "bucket " + direct.AWS.Bucket + ", logs/*"},
		"partials": {below("partials/"), "bucket " + direct.AWS.Bucket + ", partials/*"},
		"meta":     {is(direct.AWS.Tables.Meta), "table " + direct.AWS.Tables.Meta},
		"cursors":  {is(direct.AWS.Tables.Cursors), "table " + direct.AWS.Tables.Cursors},
		"stats":    {is(direct.AWS.Tables.Stats), "table " + direct.AWS.Tables.Stats},
		"incoming": {is(direct.AWS.Tables.Incoming), "table " + direct.AWS.Tables.Incoming},
		"index":    {is(direct.AWS.Tables.Incoming + "/todo"), "table " + direct.AWS.Tables.Incoming + ", index todo"},
		"stream":   {is(theStream), "table " + direct.AWS.Tables.Incoming + ", stream"},
	}
	tried := 0
	for _, place := range slices.Sorted(maps.Keys(places)) {
		p := places[place]
		for _, k := range checkLive(t, direct) {
			action, _, other := strings.Cut(k.What, " ")
			if k.On != p.checks || len(k.Roles) == 0 || other {
				continue
			}
			tried++
			t.Run(place+"/"+action, func(t *testing.T) {
				t.Parallel()
				c := direct
				front := gate(t, func(r request) bool { return r.action == action && p.on(r.on) }, nil)
				c.AWS.EndpointURL = config.Endpoints{
					SQS: front(direct.AWS.EndpointURL.SQS), S3: front(direct.AWS.EndpointURL.S3), DynamoDB: front(direct.AWS.EndpointURL.DynamoDB),
				}
				found := false
				for _, got := range checkLive(t, c) {
					if got.Holds() {
						continue
					}
					if got.On != p.checks || !strings.HasPrefix(got.What, action) || got.State != app.StateMissing || !slices.Equal(got.Roles, k.Roles) && got.What == action {
						t.Errorf("%+v does not hold", got)
					}
					if !strings.Contains(got.Why, "the user of the test is not authorized") {
						t.Errorf("%s: %q does not say what AWS said", got.What, got.Why)
					}
					found = true
				}
				if !found {
					t.Errorf("%s on %s is denied, and no check says so", action, p.checks)
				}
			})
		}
	}
	if tried < 49 {
		t.Errorf("%d permissions were denied, there are more", tried)
	}
}

func is(name string) func(string) bool { return func(on string) bool { return on == name } }
func below(prefix string) func(string) bool {
	return func(on string) bool { return strings.HasPrefix(on, prefix) }
}

// TestCheckLiveRoles: a worker's credentials are held to what a worker needs.
func TestCheckLiveRoles(t *testing.T) {
	t.Parallel()
	direct := site(t, nil)
	provision(t, direct, true)
	// What an operator alone may do, or what drives a replay.
	front := gate(t, func(r request) bool {
		return strings.HasPrefix(r.action, "dynamodb:Describe") || r.action == "s3:DeleteObject" || r.action == "dynamodb:DeleteItem" ||
			r.action == "dynamodb:PutItem" && r.on == direct.AWS.Tables.Cursors || r.action == "sqs:ReceiveMessage" && r.on == direct.AWS.DeadLetterQueue
	}, nil)
	c := direct
	c.AWS.EndpointURL = config.Endpoints{
		SQS: front(direct.AWS.EndpointURL.SQS), S3: front(direct.AWS.EndpointURL.S3), DynamoDB: front(direct.AWS.EndpointURL.DynamoDB),
	}
	checks := checkLive(t, c, app.RoleWork)
	failed, warned := bad(checks)
	same(t, "a worker lacks", failed, nil)
	for _, table := range []string{c.AWS.Tables.Meta, c.AWS.Tables.Cursors, c.AWS.Tables.Stats} {
		if want := "table " + table + ": keys pk and sk, no index"; !slices.Contains(warned, want) {
			t.Errorf("warnings %q, which lack %q", warned, want)
		}
	}
	for _, k := range checks {
		if len(k.Roles) > 0 && !slices.Equal(k.Roles, []app.Role{app.RoleWork}) {
			t.Errorf("%s on %s is told for %v", k.What, k.On, k.Roles)
		}
	}
	failed, _ = bad(checkLive(t, c, app.RoleWatch))
	if len(failed) != 5 { // the cursors' and dead letters', and three deletions
		t.Errorf("a watcher lacks %q", failed)
	}
}

// TestCheckLiveClock: a clock that is off is a warning. (By a quarter of an hour and more, requests are refused.)
func TestCheckLiveClock(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{-time.Minute, time.Minute} {
		c := site(t, gate(t, nil, func(h http.Header) {
			h.Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
		}))
		provision(t, c, true)
		checks := checkLive(t, c)
		want := map[bool]string{true: "ahead of", false: "behind"}[off < 0]
		if k := checks[0]; k.On != "clock" || k.State != app.StateWarning || !strings.Contains(k.Why, want) {
			t.Errorf("a service whose clock is %s off: %+v", off, k)
		}
	}
}

// TestCheckLiveUnreachable: a service without an answer is told once.
func TestCheckLiveUnreachable(t *testing.T) {
	t.Parallel()
	c := site(t, nil)
	c.Live.On = true
	c.AWS.EndpointURL = config.Endpoints{SQS: "http://127.0.0.1:1", S3: "http://127.0.0.1:1", DynamoDB: "http://127.0.0.1:1"}
	checks := checkLive(t, c)
	if len(checks) != 3 {
		t.Errorf("%d checks: %+v", len(checks), checks)
	}
	for _, k := range checks {
		if k.State != app.StateUnknown || !strings.Contains(k.Why, "127.0.0.1:1") {
			t.Errorf("%+v", k)
		}
	}
}

// TestCheckLiveSide: the roles of a live side are held to what they need, and there are none without one.
func TestCheckLiveSide(t *testing.T) {
	t.Parallel()
	c := site(t, nil)
	provision(t, c, true)
	for _, k := range checkLive(t, c) {
		if slices.Contains(k.Roles, app.RoleLive) || strings.Contains(k.On, c.AWS.Tables.Incoming) {
			t.Errorf("without a live side: %+v", k)
		}
	}
	for _, role := range []app.Role{app.RoleLive, app.RoleArchive} {
		if _, err := app.CheckLive(t.Context(), c, "test", []app.Role{role}); !errors.Is(err, app.ErrUsage) {
			t.Errorf("role %s without a live side: %v", role, err)
		}
	}
	c = withLive(c)
	front := gate(t, func(r request) bool {
		return r.action == "s3:PutObject" || r.on == theStream || r.action == "dynamodb:ConditionCheckItem" || r.action == "dynamodb:DescribeTimeToLive"
	}, nil)
	c.AWS.EndpointURL = config.Endpoints{SQS: front(c.AWS.EndpointURL.SQS), S3: front(c.AWS.EndpointURL.S3), DynamoDB: front(c.AWS.EndpointURL.DynamoDB)}
	table := "table " + c.AWS.Tables.Incoming
	lacks := map[app.Role][]string{
		app.RoleLive:    {table + ", stream: dynamodb:DescribeStream"},
		app.RoleArchive: {"bucket " + c.AWS.Bucket + ", logs/*: s3:PutObject", "table " + c.AWS.Tables.Meta + ": dynamodb:ConditionCheckItem"},
	}
	for role, want := range lacks {
		failed, _ := bad(checkLive(t, c, role))
		same(t, string(role)+" lacks", failed, want)
	}
}

// TestCheckLiveIncoming: an incoming table that somebody made otherwise.
func TestCheckLiveIncoming(t *testing.T) {
	t.Parallel()
	c := withLive(site(t, nil))
	_, db := clients(t, c)
	spoilTable(t, db, c.AWS.Tables.Incoming)
	_, _ = app.Provision(t.Context(), c, "test", true)
	var why []string
	for _, k := range checkLive(t, c) {
		if k.On == "table "+c.AWS.Tables.Incoming && k.State == app.StateMissing {
			why = append(why, k.Why)
		}
	}
	if len(why) != 2 || !strings.Contains(why[0], "no index todo") || !strings.Contains(why[1], "no stream") {
		t.Errorf("what is missing: %q", why)
	}
}

func TestCheckLiveLocal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := load(t, "local: {dir: "+filepath.Join(dir, "state")+", archive: "+filepath.Join(dir, "logs")+"}"+protocols)
	failed, _ := bad(checkLive(t, c))
	if len(failed) != 1 {
		t.Errorf("without the folder of the archive: %q", failed)
	}
	log := filepath.Join(dir, "logs", "logs", "dns", "1.log")
	if err := os.MkdirAll(filepath.Dir(log), 0o750); err != nil {
		t.Fatal(err)
	}
	failed, warned := bad(checkLive(t, c))
	same(t, "with an empty archive", failed, nil)
	if len(warned) != 1 || !strings.Contains(warned[0], "objects below logs/") {
		t.Errorf("with an empty archive: warnings %q", warned)
	}
	if err := os.WriteFile(log, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	checks := checkLive(t, c)
	failed, warned = bad(checks)
	if len(failed)+len(warned) != 0 || !strings.Contains(checks[len(checks)-1].Why, "logs/dns/1.log") {
		t.Errorf("with an object: %+v", checks)
	}
	left, err := filepath.Glob(filepath.Join(dir, "state", ".check-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}
