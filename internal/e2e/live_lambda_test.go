package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
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
			"NewImage":{"id":{"S":%[2]q},"protocol":{"S":"shop"},"ts":{"S":"2026-03-02T00:00:00Z"},"line":{"S":%[3]q}}}}`, i, id, line))
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
}
