package cloudformation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/seed-56345083/reprise/internal/app"
)

// grants are what the policies of a role allow, as "action on resource", without those of other policies than the named ones.
func (s *stack) grants(role string, only ...string) []string {
	s.t.Helper()
	found := map[string]bool{}
	take := func(name any, document any) {
		if len(only) > 0 && !slices.Contains(only, fmt.Sprint(name)) {
			return
		}
		for _, statement := range list(document.(object)["Statement"]) {
			for _, action := range texts(statement.(object)["Action"]) {
				for _, resource := range texts(statement.(object)["Resource"]) {
					found[action+" on "+resource] = true
				}
			}
		}
	}
	properties := s.of(role)
	for _, p := range list(properties["Policies"]) {
		take(p.(object)["PolicyName"], p.(object)["PolicyDocument"])
	}
	for _, name := range append(s.kind("AWS::IAM::Policy"), s.kind("AWS::IAM::ManagedPolicy")...) {
		if p := s.of(name); slices.Contains(texts(p["Roles"]), fmt.Sprint(properties["RoleName"])) {
			take(p["PolicyName"], p["PolicyDocument"])
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// needed are the permissions of roles of the program as "action on resource".
func (s *stack) needed(roles ...app.Role) []string {
	arns := s.arns()
	found := map[string]bool{}
	for _, role := range roles {
		for _, p := range app.Permissions(role, s.holds("HasLive")) {
			on := p.On
			if p.Action == "s3:ListBucket" { // of a bucket, not of objects
				on = "bucket"
			}
			found[p.Action+" on "+arns[on]] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// arns are the resources by the words of docs/config.md.
func (s *stack) arns() map[string]string {
	prefix := fmt.Sprint(s.parameters["Prefix"])
	queue, table := "arn:aws:sqs:us-east-1:123456789012:"+prefix, "arn:aws:dynamodb:us-east-1:123456789012:table/"+prefix
	return map[string]string{
		"queue": queue + "-work", "dead-letter queue": queue + "-work-dlq",
		"bucket": "arn:aws:s3:::my-logs", "bucket, archive.prefix": "arn:aws:s3:::my-logs/logs/*", "bucket, partials/": "arn:aws:s3:::my-logs/partials/*",
		"table meta": table + "-meta", "table cursors": table + "-cursors", "table stats": table + "-stats", "table incoming": table + "-incoming",
		"table incoming, index todo": table + "-incoming/index/todo", "table incoming, stream": table + "-incoming/stream/*",
	}
}

// TestRolesAreAsNeeded: each role may do what the program says that it needs, and nothing else.
func TestRolesAreAsNeeded(t *testing.T) {
	t.Parallel()
	variants(t, func(t *testing.T, s *stack) {
		side := []app.Role{app.RoleWatch}
		if s.holds("HasLive") {
			side = append(side, app.RoleArchive)
		}
		same(t, "worker", s.grants("WorkerRole", "work"), s.needed(app.RoleWork))
		same(t, "watcher and archiver", s.grants("SideRole", "watch-archive", "live-side"), s.needed(side...))
		same(t, "operator", s.grants("OperatorRole", "start", "live-side"), s.needed(app.RoleStart))
		if s.holds("HasLive") {
			same(t, "live", s.grants("LiveRole", "live"), s.needed(app.RoleLive))
		} else if _, there := s.resources["LiveRole"]; there {
			t.Error("there is a role for a live side that is not there")
		}
		arns := s.arns()
		var reader []string
		for _, on := range []string{"queue", "dead-letter queue"} {
			reader = append(reader, "sqs:GetQueueUrl on "+arns[on], "sqs:GetQueueAttributes on "+arns[on])
		}
		for _, on := range []string{"table meta", "table cursors", "table stats"} {
			reader = append(reader, "dynamodb:GetItem on "+arns[on], "dynamodb:Query on "+arns[on])
		}
		reader = append(reader, "dynamodb:Query on "+arns["table incoming, index todo"], "dynamodb:GetItem on "+arns["table incoming"])
		slices.Sort(reader)
		same(t, "reader", s.grants("ReaderRole", "read"), reader)
	})
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("%s lacks %s", what, w)
		}
	}
	for _, g := range got {
		if !slices.Contains(want, g) {
			t.Errorf("%s has %s, which it does not need", what, g)
		}
	}
}

// TestNoWildcards: no policy names an action by a wildcard, or more than one thing by one, but where there is nothing to name.
func TestNoWildcards(t *testing.T) {
	t.Parallel()
	may := []string{ // the endings that stand for many things of one
		"my-logs/logs/*", "my-logs/partials/*", "-incoming/stream/*", ":*", // log streams of a group
	}
	variants(t, func(t *testing.T, s *stack) {
		roles := s.kind("AWS::IAM::Role")
		if len(roles) < 5 {
			t.Fatalf("roles: %q", roles)
		}
		for _, role := range roles {
			for _, g := range s.grants(role) {
				action, resource, _ := strings.Cut(g, " on ")
				named := !strings.Contains(resource, "*") || slices.ContainsFunc(may, func(end string) bool {
					return strings.HasSuffix(resource, end) && strings.Count(resource, "*") == 1
				})
				if strings.Contains(action, "*") || !named && g != "ecr:GetAuthorizationToken on *" {
					t.Errorf("%s has %s", role, g)
				}
			}
		}
	})
}

// TestTrust: a role is taken by one service alone, and in this account; those of people by whom the parameters name.
func TestTrust(t *testing.T) {
	t.Parallel()
	variants(t, func(t *testing.T, s *stack) {
		ecs, root := "Service ecs-tasks.amazonaws.com", "AWS arn:aws:iam::123456789012:root"
		want := map[string]string{"WorkerRole": ecs, "SideRole": ecs, "LiveRole": ecs, "ExecutionRole": ecs, "OperatorRole": root, "ReaderRole": root}
		if s.holds("OnEc2") {
			want["WorkerRole"] = "Service ec2.amazonaws.com"
		}
		if s.holds("LiveLambda") {
			want["LiveRole"] = "Service lambda.amazonaws.com"
		}
		if s.holds("HasOperator") {
			want["OperatorRole"], want["ReaderRole"] = "AWS arn:aws:iam::123456789012:role/o", "AWS arn:aws:iam::123456789012:role/r"
		}
		for _, role := range s.kind("AWS::IAM::Role") {
			properties := s.of(role)
			statements := properties["AssumeRolePolicyDocument"].(object)["Statement"].([]any)
			statement := statements[0].(object)
			for kind, who := range statement["Principal"].(object) {
				if got := fmt.Sprint(kind, " ", who); got != want[role] || len(statements) != 1 {
					t.Errorf("%s is taken by %s, want %s", role, got, want[role])
				}
			}
			if condition := fmt.Sprint(statement["Condition"]); want[role] == ecs && (!strings.Contains(condition, "aws:SourceArn") || !strings.Contains(condition, account)) {
				t.Errorf("%s is taken from any account: %s", role, condition)
			}
			boundary := ""
			if s.holds("HasBoundary") {
				boundary = "arn:aws:iam::123456789012:policy/b"
			}
			if got, _ := properties["PermissionsBoundary"].(string); got != boundary {
				t.Errorf("%s is bounded by %q, want %q", role, got, boundary)
			}
		}
	})
}

// TestKey: everybody who uses queues and tables may use their key, through the services alone.
func TestKey(t *testing.T) {
	t.Parallel()
	variants(t, func(t *testing.T, s *stack) {
		key := fmt.Sprint(s.parameters["KmsKeyArn"])
		for _, role := range []string{"WorkerRole", "SideRole", "LiveRole", "OperatorRole", "ReaderRole"} {
			if _, there := s.resources[role]; !there {
				continue
			}
			has := slices.Contains(s.grants(role), "kms:Decrypt on "+key) && slices.Contains(s.grants(role), "kms:GenerateDataKey on "+key)
			if has != (key != "") {
				t.Errorf("%s may use the key %q: %v", role, key, has)
			}
		}
		for _, queue := range s.kind("AWS::SQS::Queue") {
			q := s.of(queue)
			if own := q["KmsMasterKeyId"] == key; own != (key != "") || own == (q["SqsManagedSseEnabled"] == true) {
				t.Errorf("%s is encrypted by %v, %v", queue, q["KmsMasterKeyId"], q["SqsManagedSseEnabled"])
			}
		}
		if key != "" && !strings.Contains(fmt.Sprint(s.of("KeyPolicy")["PolicyDocument"]), "kms:ViaService") {
			t.Error("the key can be used by itself")
		}
	})
}
