package cloudformation

import (
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/seed-56345083/reprise/internal/app"
	"github.com/seed-56345083/reprise/internal/entries/dynamoentries"
	"github.com/seed-56345083/reprise/internal/ledger/dynamoledger"
)

// sabotage is something that somebody does to a stack, and what `reprise config check --live` then says.
type sabotage struct {
	do    func(t *testing.T, s *site)
	role  string // whose credentials are tried; "": an administrator's
	roles []string
	on    string // what is red, after the prefix
	what  string
	says  []string
	state string // default "missing"
}

// sabotages by their names.
func sabotages() map[string]sabotage {
	return map[string]sabotage{
		"redrive policy removed": {
			do: attribute("-work", "RedrivePolicy", ""), on: "-work", what: "redrive policy", says: []string{"there is none", "init --aws"},
		},
		"redrive policy too near": {
			do: redrivePolicy("-work", "-work-dlq", "3"), on: "-work", what: "redrive policy", says: []string{"after 3 receives", "maxReceiveCount 10"},
		},
		"redrive policy to a queue where nobody looks": {
			do: func(t *testing.T, s *site) {
				_, err := s.sqs(t, nil).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(s.prefix + "-x")})
				must(t, err)
				redrivePolicy("-work", "-x", "10")(t, s)
			},
			on: "-work", what: "redrive policy", says: []string{"not the dead-letter queue of the configuration"},
		},
		"dead letters with a redrive policy of their own": {
			do: redrivePolicy("-work-dlq", "-work", "10"), on: "-work-dlq", what: "no redrive policy of its own", says: []string{"remove it"},
		},
		"dead letters kept shorter than messages": {
			do: attribute("-work-dlq", "MessageRetentionPeriod", "345600"), on: "-work-dlq", what: "retention", says: []string{"4 days", "10 days", "set it to 14 days"},
		},
		// Not red: every receive of a worker names its own timeout, so that nothing is lost by the queue's.
		"visibility shorter than the budget": {
			do: attribute("-work", "VisibilityTimeout", "30"), on: "-work", what: "visibility timeout", says: []string{"30s", "5m"}, state: "warning",
		},
		"no dead-letter queue": {
			do: func(t *testing.T, s *site) {
				_, err := s.sqs(t, nil).DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: s.queue("-work-dlq")})
				must(t, err)
			},
			on: "-work-dlq", what: "exists", says: []string{"there is none in us-east-1", "aws.dead_letter_queue"},
		},
		"index missing": {
			do: remade("-incoming", func(in *dynamodb.CreateTableInput) {
				in.GlobalSecondaryIndexes, in.AttributeDefinitions = nil, in.AttributeDefinitions[:1]
			}),
			on: "-incoming", what: "key id", says: []string{"no index todo", "add it"},
		},
		"index without what it is read for": {
			do: remade("-incoming", func(in *dynamodb.CreateTableInput) {
				in.GlobalSecondaryIndexes[0].Projection = &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly}
			}),
			on: "-incoming", what: "key id", says: []string{"does not include PROCESSED"},
		},
		"stream off": {
			do: remade("-incoming", func(in *dynamodb.CreateTableInput) { in.StreamSpecification = nil }),
			on: "-incoming", what: "key id", says: []string{"it has no stream", "NEW_IMAGE"},
		},
		"stream of keys": {
			do: remade("-incoming", func(in *dynamodb.CreateTableInput) {
				in.StreamSpecification.StreamViewType = types.StreamViewTypeKeysOnly
			}),
			on: "-incoming", what: "key id", says: []string{"KEYS_ONLY", "turn it off, then on"},
		},
		"wrong key": {
			do: remade("-cursors", func(in *dynamodb.CreateTableInput) {
				in.AttributeDefinitions[0].AttributeName, in.KeySchema[0].AttributeName = aws.String("key"), aws.String("key")
			}),
			on: "-cursors", what: "keys pk and sk", says: []string{"key (HASH, S)", "pk (HASH, S)"},
		},
		"table missing": {
			do: func(t *testing.T, s *site) {
				_, err := s.dynamo(t, nil).DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: aws.String(s.prefix + "-stats")})
				must(t, err)
			},
			on: "-stats", what: "exists", says: []string{"there is none in us-east-1", "aws.tables.stats"},
		},
		"bucket missing": {
			do: func(t *testing.T, s *site) {
				_, err := s.s3(t, nil).DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: s.bucket()})
				must(t, err)
			},
			on: "bucket", what: "exists", says: []string{"there is none in us-east-1", "aws.bucket"},
		},
		"no permission on tags": {
			do: without("worker", "work", "s3:PutObjectTagging"), role: "worker", roles: []string{"work"},
			on: "logs/*", what: "s3:PutObjectTagging", says: []string{"denied", "allow it to these roles"},
		},
		"no permission to receive": {
			do: without("worker", "work", "sqs:ReceiveMessage"), role: "worker", roles: []string{"work"},
			on: "-work", what: "sqs:ReceiveMessage", says: []string{"denied"},
		},
		"no permission on the index": {
			do: without("live", "live", "dynamodb:Query"), role: "live", roles: []string{"live"},
			on: "index todo", what: "dynamodb:Query", says: []string{"denied"},
		},
	}
}

// TestCheckIsRed: after each sabotage the check says what is wrong, on what, and what to do; before it, it is green.
func TestCheckIsRed(t *testing.T) {
	t.Parallel()
	for name, b := range sabotages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			b.do(t, s)
			var h *holder
			if b.role != "" {
				h = s.role(t, b.role)
			}
			args := []string{"config", "check", "--live", "--json"}
			for _, r := range b.roles {
				args = append(args, "--role", r)
			}
			out, all, code := s.run(t, h, "watch", "", args...)
			var checks []struct{ On, What, State, Why string }
			if err := json.Unmarshal([]byte(out), &checks); err != nil {
				t.Fatalf("%v\n%s", err, all)
			}
			state := cmp.Or(b.state, "missing")
			found := false
			for _, c := range checks {
				if c.State == "ok" || !strings.Contains(c.What, b.what) || !strings.Contains(c.On, b.on) {
					continue
				}
				found = c.State == state && !slices.ContainsFunc(b.says, func(w string) bool { return !strings.Contains(c.Why, w) })
				if found {
					break
				}
			}
			if red := map[bool]int{true: 3, false: 0}[state == "missing"]; !found || code != red {
				t.Errorf("exit code %d, want %d, and %s of %s: %s with %q\n%s", code, red, b.what, b.on, state, b.says, all)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *site) queue(name string) *string {
	return aws.String(s.moto + "/" + account + "/" + s.prefix + name)
}

// attribute sets one of a queue.
func attribute(queue, name, value string) func(*testing.T, *site) {
	return func(t *testing.T, s *site) {
		_, err := s.sqs(t, nil).SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: s.queue(queue), Attributes: map[string]string{name: value}})
		must(t, err)
	}
}

func redrivePolicy(from, to, receives string) func(*testing.T, *site) {
	return func(t *testing.T, s *site) {
		arn := "arn:aws:sqs:" + region + ":" + account + ":" + s.prefix + to
		attribute(from, "RedrivePolicy", `{"deadLetterTargetArn":"`+arn+`","maxReceiveCount":"`+receives+`"}`)(t, s)
	}
}

// remade replaces a table by one that is made as the template says, but for a change.
func remade(table string, change func(*dynamodb.CreateTableInput)) func(*testing.T, *site) {
	return func(t *testing.T, s *site) {
		db := s.dynamo(t, nil)
		name := aws.String(s.prefix + table)
		d, err := db.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: name})
		must(t, err)
		_, err = db.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: name})
		must(t, err)
		in := &dynamodb.CreateTableInput{
			TableName: name, BillingMode: types.BillingModePayPerRequest, AttributeDefinitions: d.Table.AttributeDefinitions,
			KeySchema: d.Table.KeySchema, StreamSpecification: d.Table.StreamSpecification,
		}
		for _, i := range d.Table.GlobalSecondaryIndexes {
			in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{IndexName: i.IndexName, KeySchema: i.KeySchema, Projection: i.Projection})
		}
		change(in)
		_, err = db.CreateTable(t.Context(), in)
		must(t, err)
	}
}

// without takes an action out of one of a role's policies.
func without(role, name, action string) func(*testing.T, *site) {
	return func(t *testing.T, s *site) {
		p := s.policy(t, s.prefix+"-"+role, name)
		for i := range p.Statement {
			p.Statement[i].Action = slices.DeleteFunc(texts(p.Statement[i].Action), func(a string) bool { return a == action })
		}
		p.Statement = slices.DeleteFunc(p.Statement, func(s statement) bool { return len(s.Action.([]string)) == 0 })
		text, err := json.Marshal(p)
		must(t, err)
		s.query(t, "iam", url.Values{
			"Action": {"PutRolePolicy"}, "Version": {"2010-05-08"}, "RoleName": {s.prefix + "-" + role}, "PolicyName": {name}, "PolicyDocument": {string(text)},
		})
	}
}

// TestStackIsTheProgramsOwn: `reprise init --aws` finds everything in the stack, and has nothing to make, to change or to refuse, but
// what moto's CloudFormation leaves out; that is held to the template.
func TestStackIsTheProgramsOwn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	text := s.must(t, nil, "watch", "", "init", "--aws", "--json")
	var steps []app.Step
	must(t, json.Unmarshal([]byte(text), &steps))
	leftOut := map[string]bool{}
	for _, step := range steps {
		switch what := strings.TrimSpace(step.On + " " + step.Setting); {
		case step.Action == app.ActionFound:
		case slices.Contains([]string{
			"queue " + s.prefix + "-work-dlq RedriveAllowPolicy", "time to live in table " + s.prefix + "-meta", "time to live in table " + s.prefix + "-incoming",
			"point-in-time recovery of table " + s.prefix + "-meta", "point-in-time recovery of table " + s.prefix + "-cursors",
			"point-in-time recovery of table " + s.prefix + "-stats", "point-in-time recovery of table " + s.prefix + "-incoming",
		}, what):
			leftOut[what] = true
		default:
			t.Errorf("init: %s %s, %q instead of %q", step.Action, what, step.Have, step.Want)
		}
	}
	if len(leftOut) != 7 {
		t.Errorf("moto leaves out %v: hold the rest to moto, and not to the template", leftOut)
	}
	s.likeInit(t)
}

// likeInit compares the template with what init makes from nothing.
func (s *site) likeInit(t *testing.T) {
	t.Helper()
	var allow struct {
		Permission string   `json:"redrivePermission"`
		Sources    []string `json:"sourceQueueArns"`
	}
	text, err := json.Marshal(s.of("DeadLetterQueue")["RedriveAllowPolicy"])
	must(t, err)
	must(t, json.Unmarshal(text, &allow))
	if want := []string{"arn:aws:sqs:" + region + ":" + account + ":" + s.prefix + "-work"}; allow.Permission != "byQueue" || !slices.Equal(allow.Sources, want) {
		t.Errorf("dead letters come from %+v, want %q", allow, want)
	}
	other := begin(t)
	db := other.dynamo(t, nil)
	tables := dynamoledger.Tables{Meta: other.prefix + "-meta", Cursors: other.prefix + "-cursors", Stats: other.prefix + "-stats"}
	_, err = dynamoledger.Ensure(t.Context(), db, tables, dynamoledger.EnsureOptions{})
	must(t, err)
	_, err = dynamoentries.Ensure(t.Context(), db, other.prefix+"-incoming", dynamoledger.EnsureOptions{})
	must(t, err)
	for table, logical := range map[string]string{"-meta": "MetaTable", "-cursors": "CursorsTable", "-stats": "StatsTable", "-incoming": "IncomingTable"} {
		if stack, init := s.shape(t, table), other.shape(t, table); stack != init {
			t.Errorf("%s is in the stack\n%s\nand made by init\n%s", table, stack, init)
		}
		p := s.of(logical)
		backups, err := db.DescribeContinuousBackups(t.Context(), &dynamodb.DescribeContinuousBackupsInput{TableName: aws.String(other.prefix + table)})
		must(t, err)
		recovered := backups.ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus == types.PointInTimeRecoveryStatusEnabled
		if got := p["PointInTimeRecoverySpecification"].(object)["PointInTimeRecoveryEnabled"]; got != recovered {
			t.Errorf("%s can be recovered: %v, by init %v", logical, got, recovered)
		}
		ttl, err := db.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: aws.String(other.prefix + table)})
		must(t, err)
		expires, _ := p["TimeToLiveSpecification"].(object)
		if got, _ := expires["AttributeName"].(string); got != aws.ToString(ttl.TimeToLiveDescription.AttributeName) || got != "" && expires["Enabled"] != true {
			t.Errorf("%s expires by %q, by init %q", logical, got, aws.ToString(ttl.TimeToLiveDescription.AttributeName))
		}
	}
}

// shape is what a table is made of, without its name and its age.
func (s *site) shape(t *testing.T, table string) string {
	t.Helper()
	out, err := s.dynamo(t, nil).DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String(s.prefix + table)})
	must(t, err)
	d := out.Table
	slices.SortFunc(d.AttributeDefinitions, func(a, b types.AttributeDefinition) int { return strings.Compare(*a.AttributeName, *b.AttributeName) })
	for i := range d.GlobalSecondaryIndexes {
		d.GlobalSecondaryIndexes[i].IndexArn = nil
	}
	text, err := json.MarshalIndent([]any{
		d.AttributeDefinitions, d.KeySchema, d.GlobalSecondaryIndexes, d.StreamSpecification, d.BillingModeSummary.BillingMode,
	}, "", " ")
	must(t, err)
	return string(text)
}
