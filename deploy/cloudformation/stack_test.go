package cloudformation

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/realservers"
)

// TestStackByCLI makes the stack as an operator does, and finds with the AWS CLI what is in it.
func TestStackByCLI(t *testing.T) {
	t.Parallel()
	cli := tool(t, "aws")
	s := begin(t)
	run := func(args ...string) string {
		t.Helper()
		c := exec.CommandContext(t.Context(), cli, append([]string{"--endpoint-url", s.gate, "--output", "text"}, args...)...)
		if args[0] != "dynamodb" && args[0] != "sqs" {
			c.Args[2] = s.moto
		}
		c.Env = realservers.Environ()
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("aws %q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	create := []string{"cloudformation", "create-stack", "--stack-name", s.prefix, "--template-body", "file://" + templateFile, "--capabilities", "CAPABILITY_NAMED_IAM", "--parameters"}
	for name, v := range s.chosen() {
		create = append(create, "ParameterKey="+name+",ParameterValue="+strings.ReplaceAll(v, ",", `\,`))
	}
	func() {
		oneAtATime.Lock()
		defer oneAtATime.Unlock()
		run(create...)
	}()
	for _, look := range []struct {
		args []string
		want []string
	}{
		{[]string{"cloudformation", "describe-stacks", "--stack-name", s.prefix, "--query", "Stacks[0].[StackStatus,Outputs[].OutputValue]"}, []string{"CREATE_COMPLETE", s.prefix + "-work-dlq", "role/" + s.prefix + "-operator"}},
		{[]string{"sqs", "list-queues", "--queue-name-prefix", s.prefix}, []string{s.prefix + "-work", s.prefix + "-work-dlq"}},
		{[]string{"dynamodb", "describe-table", "--table-name", s.prefix + "-incoming", "--output", "json"}, []string{"todo", "PROCESSED", "batch", "NEW_IMAGE"}},
		{[]string{"dynamodb", "list-tables"}, []string{s.prefix + "-meta", s.prefix + "-cursors", s.prefix + "-stats", s.prefix + "-incoming"}},
		{[]string{"iam", "list-roles", "--query", "Roles[].RoleName"}, []string{s.prefix + "-worker", s.prefix + "-watch-archive", s.prefix + "-live", s.prefix + "-operator", s.prefix + "-reader", s.prefix + "-execution"}},
		{[]string{"ecs", "describe-services", "--cluster", s.prefix, "--services", s.prefix + "-worker", s.prefix + "-watch-archive", s.prefix + "-live", "--query", "services[].[serviceName,status]"}, []string{s.prefix + "-worker\tACTIVE", s.prefix + "-watch-archive\tACTIVE", s.prefix + "-live\tACTIVE"}},
		{[]string{"ecs", "describe-task-definition", "--task-definition", s.prefix + "-watch-archive", "--query", "taskDefinition.containerDefinitions[].[name,stopTimeout]"}, []string{"watch\t60", "archive\t60"}},
		{[]string{"logs", "describe-log-groups", "--log-group-name-prefix", "/" + s.prefix, "--query", "logGroups[].[logGroupName,retentionInDays]"}, []string{"/worker\t30", "/watch-archive\t30", "/live\t30"}},
		{[]string{"ec2", "describe-vpc-endpoints", "--query", "VpcEndpoints[].[ServiceName,VpcEndpointType]"}, []string{"com.amazonaws.us-east-1.s3\tGateway", "com.amazonaws.us-east-1.dynamodb\tGateway"}},
	} {
		out := run(look.args...)
		for _, w := range look.want {
			if !strings.Contains(out, w) {
				t.Errorf("aws %q lacks %s:\n%s", look.args, w, out)
			}
		}
	}
}

// TestRolesDoTheirJob: each process of the stack does all of its job with its own role, and is refused nothing: lines come in,
// are counted and archived; a replay is started, has a dead letter, is redriven and finished; another is cancelled.
func TestRolesDoTheirJob(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	worker, side, live, operator, reader := s.role(t, "worker"), s.role(t, "watch-archive"), s.role(t, "live"), s.role(t, "operator"), s.role(t, "reader")
	for _, check := range []struct {
		holder    *holder
		container string
		roles     []string
	}{
		{worker, "work", []string{"work"}}, {side, "watch", []string{"watch", "archive"}}, {live, "live", []string{"live"}}, {operator, "watch", []string{"start"}},
	} {
		args := []string{"config", "check", "--live"}
		for _, r := range check.roles {
			args = append(args, "--role", r)
		}
		s.must(t, check.holder, check.container, "", args...)
		s.take(check.holder) // it tries more than a role has, and takes the refusal for an answer
	}

	const line = `{"ts":"2026-03-01T10:00:00Z"}` + "\n"
	s.must(t, operator, "watch", strings.Repeat(line, 20), "ingest", "dns")
	s.must(t, live, "live", "", "live", "--once")
	s.must(t, side, "archive", "", "archive", "--once", "--force")
	s.must(t, operator, "watch", strings.Repeat(line, 3), "ingest", "dns")
	s.put(t, "logs/dns/good.log", strings.Repeat(line, 5))
	s.put(t, "logs/dns/bad.log.gz", "\x1f\x8b\x08 no gzip")
	for _, d := range []struct {
		holder *holder
		name   string
	}{{worker, "work"}, {side, "watch"}} {
		s.daemon(t, d.holder, d.name)
	}
	id := strings.TrimSpace(s.must(t, operator, "watch", "", "start"))
	state := func() (status struct {
		State       string
		DeadLetters int `json:"dead_letters"`
	}, text string,
	) {
		text = s.must(t, reader, "watch", "", "status", "--json", id)
		if err := json.Unmarshal([]byte(text), &status); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		return status, text
	}
	await(t, "the dead letter", func() (bool, string) { s, text := state(); return s.DeadLetters > 0, text })
	s.put(t, "logs/dns/bad.log.gz", line)
	await(t, "the redrive", func() (bool, string) {
		_, _, _ = s.run(t, operator, "watch", "", "redrive", id) // refused while it folds
		st, text := state()
		return st.State == "FINISHED", text
	})
	s.must(t, live, "live", "", "live", "--once")
	if rows := s.must(t, reader, "watch", "", "stats", "dns", "queries", "--csv"); rows != "queries\n29\n" {
		t.Errorf("20 and 3 lines that came in, 5 and 1 of the archive are counted as %q", rows)
	}
	for _, args := range [][]string{{"list"}, {"objects", id}, {"diff", "dns"}, {"certify", id}} {
		s.must(t, reader, "watch", "", args...)
	}
	again := strings.TrimSpace(s.must(t, operator, "watch", "", "start"))
	s.run(t, operator, "watch", "", "pause", again) // it may be over already
	s.run(t, operator, "watch", "", "resume", again)
	s.run(t, operator, "watch", "", "cancel", again)
	s.must(t, operator, "watch", "", "list")
	for _, h := range []*holder{worker, side, live, operator, reader} {
		if refused, asked := s.take(h); len(refused) > 0 || asked == 0 {
			t.Errorf("%s asked %d times and was refused %q", h.name, asked, refused)
		}
	}
}

// daemon runs one of the processes until the end of the test, and stops it as ECS does.
func (s *site) daemon(t *testing.T, h *holder, name string) {
	t.Helper()
	c := s.command(context.WithoutCancel(t.Context()), t, h, name, name)
	var said bytes.Buffer
	c.Stderr = &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		killed := time.AfterFunc(2*time.Minute, func() { _ = c.Process.Kill() })
		defer killed.Stop()
		if err := c.Wait(); err != nil {
			t.Errorf("%s ended with %v\n%s", name, err, said.String())
		}
		if refused, _ := s.take(h); len(refused) > 0 {
			t.Errorf("%s was refused %q", h.name, refused)
		}
	})
}

// await asks again and again until it is so.
func await(t *testing.T, what string, so func() (bool, string)) {
	t.Helper()
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(4 * time.Minute)
	for {
		ok, text := so()
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waiting for %s:\n%s", what, text)
		}
	}
}

// TestCheckIsGreen: the whole stack is as the program wants it.
func TestCheckIsGreen(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	out := s.must(t, nil, "watch", "", "config", "check", "--live", "--json")
	var checks []struct{ On, What, State, Why string }
	if err := json.Unmarshal([]byte(out), &checks); err != nil {
		t.Fatal(err)
	}
	var warnings []string
	for _, c := range checks {
		if c.State != "ok" {
			warnings = append(warnings, c.On+" "+c.What)
		}
	}
	slices.Sort(warnings)
	// moto's CloudFormation leaves the time to live out; TestTablesAreTheProgram's reads it.
	want := []string{fmt.Sprintf("table %s-incoming time to live by expires", s.prefix), fmt.Sprintf("table %s-meta time to live by expires", s.prefix)}
	if len(checks) < 60 || !slices.Equal(warnings, want) {
		t.Errorf("%d checks, not ok: %q", len(checks), warnings)
	}
}
