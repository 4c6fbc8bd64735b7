package cloudformation

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed-56345083/reprise/internal/config"
)

// maxTemplate is the size above which CloudFormation takes a template from no bucket either.
const maxTemplate = 1 << 20

// TestLint: cfn-lint has nothing to say, and nothing in the template keeps it from saying it.
func TestLint(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(templateFile)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "cfn-lint") || len(text) > maxTemplate {
		t.Errorf("the template has %d bytes, or tells cfn-lint what not to see", len(text))
	}
	lint := exec.CommandContext(t.Context(), tool(t, "cfn-lint"), templateFile)
	lint.Env = append(os.Environ(), "PYTHONPATH="+strings.Join([]string{installed("cfn-lint"), os.Getenv("PYTHONPATH")}, string(filepath.ListSeparator)))
	if out, err := lint.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// installed is where `make servers` puts a tool that the machine does not have.
func installed(name string) string {
	root := os.Getenv("REPRISE_SERVERS")
	if root == "" {
		root = "../../bin/servers"
	}
	path, err := filepath.Abs(filepath.Join(root, name))
	if err != nil {
		return ""
	}
	return path
}

// tool finds a program, the machine's or what `make servers` has installed; the test is skipped where there is none, or fails
// where nothing may be skipped.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath(filepath.Join(installed(name), "bin", name))
	}
	if err != nil {
		reason := fmt.Sprintf("%s is not to be had (make servers installs it): %v", name, err)
		if os.Getenv("REPRISE_REQUIRE") == "all" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	return path
}

// TestNames: everything that has a name begins with the prefix, and two stacks have no name in common.
func TestNames(t *testing.T) {
	t.Parallel()
	property := regexp.MustCompile(`^(.*Name|Family)$`)
	shared := []string{ // not names of things of this stack
		"AttributeName", "IndexName", "MetricName", "PolicyName", "ServiceName", "FunctionName", "DeviceName",
	}
	for _, values := range []map[string]any{nil, {"Live": "lambda"}, {"Compute": "EC2"}} {
		s := resolve(t, values)
		for name, r := range s.resources {
			own := 0
			for key, v := range s.of(name) {
				if !property.MatchString(key) || slices.Contains(shared, key) && r["Type"] != "AWS::ECS::Service" && r["Type"] != "AWS::Lambda::Function" {
					continue
				}
				own++
				if !strings.HasPrefix(strings.TrimPrefix(fmt.Sprint(v), "/"), "reprise") {
					t.Errorf("%s: %s is %v", name, key, v)
				}
			}
			if kind := r["Type"].(string); own == 0 && slices.Contains([]string{"AWS::SQS::Queue", "AWS::DynamoDB::Table", "AWS::IAM::Role", "AWS::CloudWatch::Alarm",
				"AWS::Logs::LogGroup", "AWS::ECS::Service"}, kind) {
				t.Errorf("%s, a %s, has no name", name, kind)
			}
		}
	}
}

// TestTablesStay: the truth outlives the stack and can be brought back.
func TestTablesStay(t *testing.T) {
	t.Parallel()
	variants(t, func(t *testing.T, s *stack) {
		tables := s.kind("AWS::DynamoDB::Table")
		if len(tables) != 4 {
			t.Fatalf("tables: %q", tables)
		}
		for _, name := range tables {
			r, p := s.resources[name], s.of(name)
			if r["DeletionPolicy"] != "Retain" || r["UpdateReplacePolicy"] != "Retain" {
				t.Errorf("%s goes with the stack", name)
			}
			if protect := s.parameters["DeletionProtection"] == "true"; p["DeletionProtectionEnabled"] != protect {
				t.Errorf("%s is protected: %v", name, p["DeletionProtectionEnabled"])
			}
		}
	})
}

// TestQueuePolicy: nobody talks to the queues without TLS.
func TestQueuePolicy(t *testing.T) {
	t.Parallel()
	s := resolve(t, nil)
	p := s.of("QueuePolicy")["PolicyDocument"].(object)["Statement"].([]any)[0].(object)
	if p["Effect"] != "Deny" || p["Principal"] != "*" || len(list(p["Resource"])) != 2 || !strings.Contains(fmt.Sprint(p["Condition"]), "aws:SecureTransport:false") {
		t.Errorf("%v", p)
	}
}

// environments are the variables of every container, the function and the instances.
func (s *stack) environments() map[string]map[string]string {
	found := map[string]map[string]string{}
	for _, name := range s.kind("AWS::ECS::TaskDefinition") {
		for _, c := range s.of(name)["ContainerDefinitions"].([]any) {
			env := map[string]string{}
			for _, e := range c.(object)["Environment"].([]any) {
				env[fmt.Sprint(e.(object)["Name"])] = fmt.Sprint(e.(object)["Value"])
			}
			found[fmt.Sprint(c.(object)["Name"])] = env
		}
	}
	for _, name := range s.kind("AWS::Lambda::Function") {
		env := map[string]string{}
		for k, v := range s.of(name)["Environment"].(object)["Variables"].(object) {
			env[k] = fmt.Sprint(v)
		}
		found["function"] = env
	}
	for _, name := range s.kind("AWS::EC2::LaunchTemplate") {
		env := map[string]string{}
		for _, m := range regexp.MustCompile(`(?m)^(REPRISE_\w+)=(.*)$`).FindAllStringSubmatch(fmt.Sprint(s.of(name)["LaunchTemplateData"].(object)["UserData"]), -1) {
			env[m[1]] = m[2]
		}
		found["instance"] = env
	}
	return found
}

// TestEnvironments: the program takes what each of its processes is given, and means the stack by it.
func TestEnvironments(t *testing.T) {
	t.Parallel()
	variants(t, func(t *testing.T, s *stack) {
		environments := s.environments()
		want := 4
		if !s.holds("HasLive") {
			want = 2
		}
		if len(environments) != want {
			t.Errorf("%d environments, want %d", len(environments), want)
		}
		prefix := fmt.Sprint(s.parameters["Prefix"])
		for who, env := range environments {
			vars := []string{"REPRISE_CONFIG_YAML=" + protocols}
			for k, v := range env {
				if k != "REPRISE_CONFIG" {
					vars = append(vars, k+"="+v)
				}
			}
			c, err := config.Load("", vars)
			if err != nil {
				t.Errorf("%s: %v", who, err)
				continue
			}
			if c.Backend != config.BackendAWS || c.AWS.Region != region || c.AWS.Queue != prefix+"-work" || c.AWS.DeadLetterQueue != prefix+"-work-dlq" ||
				c.AWS.Bucket != "my-logs" || c.Archive.Prefix != "logs/" || c.Telemetry.Stack != prefix || c.Live.On != s.holds("HasLive") {
				t.Errorf("%s: %+v", who, c)
			}
			if tables := (config.Tables{Meta: prefix + "-meta", Cursors: prefix + "-cursors", Stats: prefix + "-stats", Incoming: prefix + "-incoming"}); c.AWS.Tables != tables {
				t.Errorf("%s has the tables %+v", who, c.AWS.Tables)
			}
			if got := fmt.Sprintf("%.0fs", c.Worker.VisibilityTimeout.Seconds()); got != fmt.Sprintf("%vs", s.of("WorkQueue")["VisibilityTimeout"]) {
				t.Errorf("%s extends messages by %s, the queue's timeout is another", who, got)
			}
		}
	})
}

const protocols = `
protocols:
  dns:
    format: json
    timestamp: ts
    stats: {queries: {measures: {queries: count}}}
`

// TestContainers: a container that is told to stop has the time that it takes itself, is asked how it is, and is no other's.
func TestContainers(t *testing.T) {
	t.Parallel()
	variants(t, func(t *testing.T, s *stack) {
		for _, task := range s.kind("AWS::ECS::TaskDefinition") {
			listens := map[string]bool{}
			p := s.of(task)
			if p["ExecutionRoleArn"] != s.attribute("ExecutionRole", "Arn") {
				t.Errorf("%s: execution role %v", task, p["ExecutionRoleArn"])
			}
			for _, c := range p["ContainerDefinitions"].([]any) {
				c := c.(object)
				name := fmt.Sprint(c["Name"])
				env := s.environments()[name]
				listen := env["REPRISE_TELEMETRY_LISTEN"]
				if listens[listen] || !strings.HasPrefix(listen, "127.0.0.1:") {
					t.Errorf("%s listens on %q, which others reach, or its neighbour has", name, listen)
				}
				listens[listen] = true
				if fmt.Sprint(c["Command"]) != "["+name+"]" || fmt.Sprint(c["HealthCheck"].(object)["Command"]) != "[CMD reprise health]" {
					t.Errorf("%s runs %v, and is asked by %v", name, c["Command"], c["HealthCheck"])
				}
				if drain := env["REPRISE_WORKER_DRAIN"]; name == "work" && (drain != "100s" || fmt.Sprint(c["StopTimeout"]) != "120") {
					t.Errorf("%s drains for %s and is killed after %v s", name, drain, c["StopTimeout"])
				}
				secret := fmt.Sprint(c["Secrets"].([]any)[0].(object)["ValueFrom"])
				if !slices.Contains(s.grants("ExecutionRole"), "ssm:GetParameters on "+secret) {
					t.Errorf("%s is configured by %s, which ECS may not read", name, secret)
				}
			}
		}
	})
}

// TestInstances: an instance runs the unit that is there, gives it what it reads, and has a log that is fetched.
func TestInstances(t *testing.T) {
	t.Parallel()
	s := resolve(t, map[string]any{"Compute": "EC2", "Ec2PackageBucket": "code", "Ec2PackageKey": "reprise.tgz"})
	text := fmt.Sprint(s.of("LaunchTemplate")["LaunchTemplateData"].(object)["UserData"])
	unit, err := os.ReadFile("../systemd/reprise@.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []string{
		"s3://code/reprise.tgz - | tar -xz -C /\n", "--name /reprise/config ", ">/etc/reprise/reprise.yaml\n", ">/etc/reprise/reprise.env <<'END'\n",
		`"file_path": "/var/log/reprise/work.log", "log_group_name": "/reprise/worker"`, "StandardError=append:/var/log/reprise/work.log",
		"systemctl enable --now reprise@work.service\n",
	} {
		if !strings.Contains(text, w) {
			t.Errorf("no %q in\n%s", w, text)
		}
	}
	for _, w := range []string{"REPRISE_CONFIG=/etc/reprise/reprise.yaml", "EnvironmentFile=-/etc/reprise/reprise.env", "TimeoutStopSec=120"} {
		if !strings.Contains(string(unit), w) {
			t.Errorf("the unit does not say %s", w)
		}
	}
	shell := exec.CommandContext(t.Context(), "bash", "-n")
	shell.Stdin = strings.NewReader(text)
	if out, err := shell.CombinedOutput(); err != nil || !strings.HasPrefix(text, "#!/bin/bash\n") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestTrigger: the function is called with what it counts, and what it reports comes again.
func TestTrigger(t *testing.T) {
	t.Parallel()
	s := resolve(t, map[string]any{"Live": "lambda"})
	p := s.of("LiveTrigger")
	for key, want := range map[string]any{
		"StartingPosition": "TRIM_HORIZON", "FunctionResponseTypes": []any{"ReportBatchItemFailures"}, "BisectBatchOnFunctionError": true,
		"EventSourceArn": s.attribute("IncomingTable", "StreamArn"), "DestinationConfig": object{"OnFailure": object{"Destination": s.attribute("LiveFailedQueue", "Arn")}},
	} {
		if fmt.Sprint(p[key]) != fmt.Sprint(want) {
			t.Errorf("%s is %v, want %v", key, p[key], want)
		}
	}
	var filter struct {
		Names []string `json:"eventName"`
	}
	pattern := p["FilterCriteria"].(object)["Filters"].([]any)[0].(object)["Pattern"].(string)
	if err := json.Unmarshal([]byte(pattern), &filter); err != nil || !slices.Equal(filter.Names, []string{"INSERT"}) {
		t.Errorf("it is called for %s: %v", pattern, err)
	}
	for _, key := range []string{"BatchSize", "MaximumRetryAttempts", "MaximumRecordAgeInSeconds", "ParallelizationFactor"} {
		if p[key] == nil {
			t.Errorf("%s is not said", key)
		}
	}
	if s.resources["LiveTrigger"]["DependsOn"] != "LambdaPolicy" {
		t.Error("the trigger may come before the permission to read the stream")
	}
}
