package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/entries/sqliteentries"
	"github.com/seed-56345083/reprise/internal/ledger/sqliteledger"
)

// lambdaRuntime is the interface that Lambda gives a function: it hands out events one after the other, then waits, and takes
// the answers (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html).
func lambdaRuntime(t *testing.T, events ...string) (address string, answers <-chan string) {
	t.Helper()
	got := make(chan string, 10)
	given := make(chan string, len(events))
	for _, e := range events {
		given <- e
	}
	end := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/runtime/invocation/next") {
			select {
			case e := <-given:
				w.Header().Set("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
				w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(patience).UnixMilli()))
				w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:123456789012:function:reprise")
				_, _ = io.WriteString(w, e)
			case <-r.Context().Done():
			case <-end:
			}
			return
		}
		body, _ := io.ReadAll(r.Body)
		got <- r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:] + " " + string(body)
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(func() {
		close(end)
		server.CloseClientConnections()
		server.Close()
	})
	return strings.TrimPrefix(server.URL, "http://"), got
}

// TestLambda: without arguments, the binary serves Lambda's runtime.
func TestLambda(t *testing.T) {
	t.Parallel()
	s := newLiveSite(t, "live: {}", "", smallProtocols)
	var records []string
	var list []entries.Entry
	for i, line := range strings.Split(strings.TrimSuffix(smallLog, "\n"), "\n") {
		id := fmt.Sprintf("line-%d", i)
		records = append(records, fmt.Sprintf(`{"eventName":"INSERT","dynamodb":{"SequenceNumber":"10%d","Keys":{"id":{"S":%q}},
			"ApproximateCreationDateTime":%d,
			"NewImage":{"id":{"S":%[2]q},"protocol":{"S":"shop"},"ts":{"S":"2026-03-02T00:00:00Z"},"line":{"S":%[4]q}}}}`,
			i, id, time.Now().Add(-time.Hour).Add(-time.Duration(i)*time.Hour).Unix(), line))
		list = append(list, entries.Entry{ID: id, Protocol: "shop", TS: time.Now(), Line: []byte(line)})
	}
	records = append(records, `{"eventName":"INSERT","dynamodb":{"SequenceNumber":"109","Keys":{"id":{"S":"x"}},"NewImage":{"id":{"S":"x"}}}}`)
	event := `{"Records":[` + strings.Join(records, ",") + `]}`
	address, answers := lambdaRuntime(t, event, event)

	ledger, err := sqliteledger.Open(t.Context(), filepath.Join(s.dir, "state", "ledger.db"))
	if err == nil {
		defer func() { _ = ledger.Close() }()
		var table *sqliteentries.Entries
		if table, err = sqliteentries.Open(t.Context(), ledger); err == nil {
			_, err = table.Put(t.Context(), list)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	s.prepare = func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, "AWS_LAMBDA_RUNTIME_API="+address) }
	function := s.daemon()
	s.prepare = nil
	for range 2 {
		select {
		case got := <-answers:
			if got != `response {"batchItemFailures":[{"itemIdentifier":"109"}]}` {
				t.Errorf("the answer is %s", got)
			}
		case <-time.After(patience):
			t.Fatal("no answer")
		}
	}
	rows := parseCSV(t, s.must("stats", "shop", "orders", "--csv")).rows
	if len(rows) != 5 || rows[2][1] != "de" || rows[2][2] != "2" || rows[2][3] != "9007199254740994" {
		t.Errorf("the rows are %q", rows)
	}
	function.kill()
	checkFunctionsLines(t, function.err.String())
}

// checkFunctionsLines: each event has left a line for CloudWatch, of its youngest record's age, and of what was logged since the
// line before.
func checkFunctionsLines(t *testing.T, log string) {
	t.Helper()
	lines := 0
	for text := range strings.Lines(log) {
		var line struct {
			Meta struct {
				CloudWatchMetrics []struct{ Metrics []struct{ Name string } }
			} `json:"_aws"`
			Stack           string
			Roles           []string
			LiveLag, Errors float64
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if len(line.Meta.CloudWatchMetrics) == 0 {
			continue
		}
		lines++
		if got := fmt.Sprint(line.Meta.CloudWatchMetrics[0].Metrics); got != "[{LiveLag} {Errors} {Throttles}]" {
			t.Errorf("the metrics are %s", got)
		}
		if line.Stack != "reprise" || !slices.Equal(line.Roles, []string{"live"}) || line.Errors < 1 || line.LiveLag < 3600 || line.LiveLag > 7200 {
			t.Errorf("the line is %s", text)
		}
	}
	if lines != 2 {
		t.Errorf("%d lines for CloudWatch, want one of each event", lines)
	}
}
