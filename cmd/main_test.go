package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-56345083/reprise/internal/realservers"
)

// TestMain gives this process the credentials of the servers: commands find their own, as in production.
func TestMain(m *testing.M) {
	os.Clearenv()
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, "REPRISE_") && name != "REPRISE_SERVERS" && name != "REPRISE_REQUIRE" {
			continue // a key of somebody's configuration
		}
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	realservers.Main(m)
}

var environ = realservers.Environ()

// call is a command, how it must end, and what its streams must hold.
type call struct {
	args     string
	code     int
	out, err string
}

// site runs commands with one configuration.
type site struct {
	t      *testing.T
	config string // its file
}

func newSite(t *testing.T, text string) site {
	t.Helper()
	s := site{t, filepath.Join(t.TempDir(), "reprise.yaml")}
	text += "\nprotocols: {dns: {format: json, timestamp: ts, stats: {queries: {measures: {queries: count}}}}}\n"
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s site) call(c call) (stdout []byte) {
	s.t.Helper()
	var out, errs bytes.Buffer
	code := run(append([]string{"--config", s.config}, strings.Fields(c.args)...), &out, &errs)
	if code != c.code || !strings.Contains(out.String(), c.out) || !strings.Contains(errs.String(), c.err) {
		s.t.Errorf("reprise %s: exit code %d, want %d with output %q and error %q\n%s\n%s", c.args, code, c.code, c.out, c.err, &out, &errs)
	}
	return out.Bytes()
}

func TestAWS(t *testing.T) {
	t.Parallel()
	queue := realservers.Unique(t, "work")
	s := newSite(t, fmt.Sprintf(`
backend: aws
aws:
  region: %s
  endpoint_url: {sqs: %q, s3: %q, dynamodb: %q}
  queue: %s
  dead_letter_queue: %s-dlq
  bucket: %s
  tables: {meta: %[5]s-meta, cursors: %[5]s-cursors, stats: %[5]s-stats}`,
		realservers.Region, realservers.SQS(t), realservers.S3(t), realservers.DynamoDB(t), queue, queue, realservers.Unique(t, "logs")))
	s.call(call{"config check --live", exitCheck, "queue " + queue, "a check did not hold: 6 of 6"})
	s.call(call{"start", exitFailed, "", "reprise init --aws"})
	s.call(call{"init --aws", exitFailed, "made         queue " + queue, "not everything is as it must be"})
	s.call(call{"init --aws --create-bucket", exitDone, "found        queue " + queue, "config check --live"})
	var steps []struct{ On, Action string }
	if err := json.Unmarshal(s.call(call{"init --aws --json", exitDone, "[", ""}), &steps); err != nil || len(steps) < 6 {
		t.Errorf("init --aws --json: %v, %v", steps, err)
	}
	s.call(call{"config check --live", exitDone, "sqs:SendMessage", ""})
	s.call(call{"config check --live --role watch", exitDone, "s3:DeleteObject", ""})
	var checks []struct {
		On, What, State string
		Roles           []string
	}
	if err := json.Unmarshal(s.call(call{"config check --live --json", exitDone, "[", ""}), &checks); err != nil || len(checks) < 40 {
		t.Errorf("config check --live --json: %v, %v", checks, err)
	}
	s.call(call{"start", exitFailed, "", "logs/"}) // nothing to replay, which the archive itself had to say
}

func TestAWSUsage(t *testing.T) {
	t.Parallel()
	s := newSite(t, "backend: local")
	for _, c := range []call{
		{"init --aws", exitUsage, "", "write backend: aws"},
		{"init --aws other.yaml", exitUsage, "", "name it with --config"},
		{"init --create-bucket", exitUsage, "", "init --aws"},
		{"init --json", exitUsage, "", "init --aws"},
		{"config check --role work", exitUsage, "", "--live"},
		{"lambda", exitUsage, "", "reprise live"},
		{"config check --live --role archivist", exitUsage, "", "archivist"},
	} {
		if out := s.call(c); len(out) != 0 {
			t.Errorf("reprise %s: standard output has %q", c.args, out)
		}
	}
}
