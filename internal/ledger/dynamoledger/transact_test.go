package dynamoledger_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/realservers"
)

// contested stands before DynamoDB Local, which never lets transactions meet, and cancels as many as refusals says with the
// reasons that DynamoDB gives. It keeps their tokens.
type contested struct {
	mu       sync.Mutex
	refusals int
	reasons  string
	tokens   []string
}

func (c *contested) serve(t *testing.T) string {
	t.Helper()
	target, err := url.Parse(realservers.DynamoDB(t))
	must(t, err)
	forward := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".TransactWriteItems") {
			forward.ServeHTTP(w, r)
			return
		}
		body, _ := io.ReadAll(r.Body)
		var in struct{ ClientRequestToken string }
		_ = json.Unmarshal(body, &in)
		c.mu.Lock()
		c.tokens = append(c.tokens, in.ClientRequestToken)
		refuse := len(c.tokens) <= c.refusals
		c.mu.Unlock()
		if !refuse {
			r.Body = io.NopCloser(bytes.NewReader(body))
			forward.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"cancelled","CancellationReasons":[`+c.reasons+`]}`)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// seen are the tokens so far: the front may still be busy with an attempt that was given up.
func (c *contested) seen() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.tokens)
}

// TestContested: a transaction that meets others is tried again under its first token, and refused in the end.
func TestContested(t *testing.T) {
	t.Parallel()
	const met = `{"Code":"None"},{"Code":"TransactionConflict","Message":"ongoing"}`
	w := ledger.Writes{Protocols: []ledger.Protocol{{Name: "dns", Epoch: 1}}, Replays: []ledger.Replay{{ID: replay}}}
	for name, c := range map[string]struct {
		refusals int
		reasons  string
		want     error
		tries    int
	}{
		"some":            {2, met, nil, 3},
		"always":          {100, met, ledger.ErrThrottled, 8},
		"throttled":       {100, `{"Code":"ThrottlingError"},{"Code":"None"}`, ledger.ErrThrottled, 8},
		"a condition too": {100, `{"Code":"TransactionConflict"},{"Code":"ConditionalCheckFailed"}`, ledger.ErrConflict, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, front := build(t), &contested{refusals: c.refusals, reasons: c.reasons}
			l := openAt(t, s, database(t, front.serve(t)), objects(t, ""))
			err := l.Write(t.Context(), w)
			if c.want == nil {
				must(t, err)
			} else {
				wantErr(t, err, c.want)
			}
			tokens := front.seen()
			if c.want == nil && len(tokens) > c.tries {
				t.Logf("%d tries: a slow machine outlasts an attempt", len(tokens))
			} else {
				equal(t, "tries", len(tokens), c.tries)
			}
			for _, token := range tokens {
				equal(t, "token", token, tokens[0])
			}
			p, err := l.Protocol(t.Context(), "dns")
			must(t, err)
			equal(t, "version", p.Version, map[bool]int64{true: 1}[c.want == nil])
		})
	}
	invalid := &contested{refusals: 1, reasons: `{"Code":"ValidationError","Message":"too large"},{"Code":"None"}`}
	l := openAt(t, build(t), database(t, invalid.serve(t)), objects(t, ""))
	says(t, "invalid", l.Write(t.Context(), w), "record 1", "ValidationError", "too large")
}
