package dynamoentries_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/realservers"
)

// contested stands before DynamoDB Local, which never lets transactions meet and throttles nobody, and answers the calls of one
// name with an error, as often as refusals says. It keeps the tokens of transactions.
type contested struct {
	call     string
	refusals int
	answer   string

	mu     sync.Mutex
	calls  int
	tokens map[string]bool
}

func (c *contested) serve(t *testing.T) string {
	t.Helper()
	target, err := url.Parse(realservers.DynamoDB(t))
	must(t, err)
	forward := httputil.NewSingleHostReverseProxy(target)
	c.tokens = map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+c.call) {
			forward.ServeHTTP(w, r)
			return
		}
		body, _ := io.ReadAll(r.Body)
		var in struct{ ClientRequestToken string }
		_ = json.Unmarshal(body, &in)
		c.mu.Lock()
		c.tokens[in.ClientRequestToken] = true
		c.calls++
		refuse := c.calls <= c.refusals
		c.mu.Unlock()
		if !refuse {
			r.Body = io.NopCloser(bytes.NewReader(body))
			forward.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, c.answer)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// seen is how many calls and tokens there were so far: the front may still be busy with an attempt that was given up.
func (c *contested) seen() (calls, tokens int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls, len(c.tokens)
}

func refusalOf(code, more string) string {
	return `{"__type":"com.amazonaws.dynamodb.v20120810#` + code + `","Message":"said the front"` + more + `}`
}

// TestVerdicts: what a cancelled transaction means.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	cancelled := func(codes ...string) string {
		var reasons []string
		for _, code := range codes {
			reasons = append(reasons, `{"Code":"`+code+`","Message":"too large"}`)
		}
		return refusalOf("TransactionCanceledException", `,"CancellationReasons":[`+strings.Join(reasons, ",")+`]`)
	}
	// One entry and two rows; then the epoch, the batch, the page and one entry.
	for what, c := range map[string]struct {
		count, join string
		want        error
		says        string
	}{
		"the entry":                  {count: cancelled("ConditionalCheckFailed", "None", "None"), want: entries.ErrStale, says: "k0000"},
		"a row":                      {count: cancelled("None", "None", "ConditionalCheckFailed"), want: entries.ErrConflict, says: "row y"},
		"another transaction":        {count: cancelled("None", "TransactionConflict", "None"), want: entries.ErrConflict},
		"the entry, and another":     {count: cancelled("ConditionalCheckFailed", "TransactionConflict", "None"), want: entries.ErrStale},
		"another, and the entry too": {count: cancelled("None", "TransactionConflict", "ConditionalCheckFailed"), want: entries.ErrConflict, says: "row y"},
		"throttled":                  {count: cancelled("ThrottlingError", "None", "None"), want: ledger.ErrThrottled},
		"throttled by provision":     {count: cancelled("None", "ProvisionedThroughputExceeded", "None"), want: ledger.ErrThrottled},
		"invalid":                    {count: cancelled("None", "ValidationError", "None"), says: "item 2 of the transaction: ValidationError: too large"},
		"the epoch":                  {join: cancelled("ConditionalCheckFailed", "None", "None", "None"), want: entries.ErrEpoch},
		"the epoch and the batch":    {join: cancelled("ConditionalCheckFailed", "ConditionalCheckFailed", "None", "ConditionalCheckFailed"), want: entries.ErrEpoch},
		"the batch":                  {join: cancelled("None", "ConditionalCheckFailed", "None", "ConditionalCheckFailed"), want: entries.ErrClosed},
		"a member":                   {join: cancelled("None", "None", "None", "ConditionalCheckFailed"), want: entries.ErrStale, says: "k0000"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			front := &contested{call: "TransactWriteItems", refusals: 1, answer: c.count + c.join}
			_, e := open(t, build(t), front.serve(t))
			var err error
			if c.count != "" {
				err = e.Count(t.Context(), entries.Count{
					Part: part(7, 0), Entries: counted(numbered(1)), Rows: []entries.LiveRow{row("x", "1", "v"), row("y", "1", "v")},
				})
			} else {
				_, err = e.Join(t.Context(), entries.Join{Batch: newBatch("B1"), Gens: []int64{7}, Members: members(numbered(1))})
			}
			says(t, "the error", err, c.says)
			for _, one := range []error{entries.ErrStale, entries.ErrConflict, entries.ErrEpoch, entries.ErrClosed, ledger.ErrThrottled} {
				if errors.Is(err, one) != (one == c.want) { //nolint:errorlint // which of them it is
					t.Errorf("%v; is it %q?", err, one)
				}
			}
			calls, _ := front.seen()
			equal(t, "calls", calls, 1)
		})
	}
}

// TestTokens: each call has a token of its own, the same over its attempts.
func TestTokens(t *testing.T) {
	t.Parallel()
	s := build(t)
	front := &contested{call: "TransactWriteItems", refusals: 2, answer: refusalOf("ThrottlingException", "")}
	_, e := open(t, s, front.serve(t))
	list := numbered(2)
	_, err := e.Put(t.Context(), list)
	must(t, err)
	for n := range list {
		must(t, e.Count(t.Context(), entries.Count{Part: part(7, 0), Entries: counted(list[n : n+1])}))
	}
	calls, tokens := front.seen()
	equal(t, "tokens", tokens, 2)
	if calls < 4 { // more on a slow machine, where an attempt may be given up
		t.Errorf("%d calls, want 4: one is made twice more", calls)
	}
}

// TestMet: a write of one item that meets a transaction is made again, and given up in the end.
func TestMet(t *testing.T) {
	t.Parallel()
	s := build(t)
	l, direct := open(t, s, "")
	begin(t, l, 7)
	must(t, direct.OpenBatch(t.Context(), newBatch("B1")))
	for refusals, want := range map[int]error{3: nil, 100: entries.ErrConflict} {
		front := &contested{call: "UpdateItem", refusals: refusals, answer: refusalOf("TransactionConflictException", "")}
		_, e := open(t, s, front.serve(t))
		b, err := e.ClaimBatch(t.Context(), "B1")
		if want != nil {
			wantErr(t, err, want)
			calls, _ := front.seen()
			equal(t, "calls", calls, 8)
			continue
		}
		must(t, err)
		equal(t, "state", b.State, entries.Claimed)
	}
	// An entry that is being counted is there.
	_, err := direct.Put(t.Context(), numbered(1))
	must(t, err)
	front := &contested{call: "PutItem", refusals: 1, answer: refusalOf("TransactionConflictException", "")}
	_, e := open(t, s, front.serve(t))
	there, err := e.Put(t.Context(), numbered(1))
	must(t, err)
	equal(t, "there", there, 1)
}

// TestThrottled: what DynamoDB refuses until the end of a call is ErrThrottled; nothing was written.
func TestThrottled(t *testing.T) {
	t.Parallel()
	s := build(t)
	front := &contested{call: "UpdateItem", refusals: 1 << 30, answer: refusalOf("ThrottlingException", "")}
	_, e := open(t, s, front.serve(t))
	_, err := e.ClaimBatch(t.Context(), "B1")
	wantErr(t, err, ledger.ErrThrottled)
}

// TestUnprocessed reads entries of which DynamoDB leaves most undone in each answer.
func TestUnprocessed(t *testing.T) {
	t.Parallel()
	s := build(t)
	_, direct := open(t, s, "")
	list := numbered(60)
	_, err := direct.Put(t.Context(), list)
	must(t, err)
	base := realservers.DynamoDB(t)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	var answers atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		undone := map[string]any{}
		var in struct {
			RequestItems map[string]struct {
				Keys           []any
				ConsistentRead bool
			}
		}
		_ = json.Unmarshal(body, &in)
		for table, request := range in.RequestItems {
			if !request.ConsistentRead {
				t.Error("a read is not consistent")
			}
			some := (len(request.Keys) + 2) / 3
			if some < len(request.Keys) {
				undone[table] = map[string]any{"Keys": request.Keys[some:], "ConsistentRead": true}
			}
			request.Keys = request.Keys[:some]
			in.RequestItems[table] = request
		}
		if len(in.RequestItems) > 0 {
			body, _ = json.Marshal(in)
			answers.Add(1)
		}
		out, _ := http.NewRequestWithContext(r.Context(), r.Method, base, bytes.NewReader(body))
		out.Header = r.Header.Clone()
		response, err := transport.RoundTrip(out)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer func() { _ = response.Body.Close() }()
		var answer map[string]any
		_ = json.NewDecoder(response.Body).Decode(&answer)
		if len(undone) > 0 {
			answer["UnprocessedKeys"] = undone
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(response.StatusCode)
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(proxy.Close)
	_, e := open(t, s, proxy.URL)
	found, err := e.Read(t.Context(), names(list))
	must(t, err)
	equal(t, "entries", len(found), 60)
	if answers.Load() < 4 {
		t.Errorf("%d answers", answers.Load())
	}
}
