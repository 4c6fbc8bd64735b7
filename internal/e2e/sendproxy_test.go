package e2e_test

import (
	"bytes"
	"crypto/md5" //nolint:gosec // SQS's checksum of a body
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// sendProxy stands before SQS and meddles with what is sent to one queue.
type sendProxy struct {
	queue   string
	forward *httputil.ReverseProxy

	mu      sync.Mutex
	on      bool
	meddled meddled
}

// meddle puts a proxy in front of the work queue that can meddle with the messages sent to it.
func (c *cloud) meddle(t *testing.T) {
	t.Helper()
	target, err := url.Parse(c.direct.sqs)
	if err != nil {
		t.Fatal(err)
	}
	p := &sendProxy{queue: c.queue, forward: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		// A client that was killed in the middle of a call is no event.
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}}
	server := httptest.NewServer(p)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	c.at.sqs, c.meddler = server.URL, p
}

func (p *sendProxy) start() (stop func() meddled) {
	set := func(on bool) meddled {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.on = on
		return p.meddled
	}
	set(true)
	return func() meddled { return set(false) }
}

// sendBatch is the call that it looks at.
const sendBatch = "AmazonSQS.SendMessageBatch"

type sendEntry struct {
	ID    string `json:"Id"`
	Body  string `json:"MessageBody"`
	Delay int    `json:"DelaySeconds,omitempty"`
}

func (p *sendProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Amz-Target") != sendBatch {
		p.forward.ServeHTTP(w, r)
		return
	}
	var in struct {
		QueueURL string `json:"QueueUrl"`
		Entries  []sendEntry
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	lost := map[string]sendEntry{}
	if strings.HasSuffix(in.QueueURL, "/"+p.queue) {
		in.Entries, lost = p.change(in.Entries)
	}
	answer := []byte("{}")
	if len(in.Entries) > 0 {
		body, err := json.Marshal(in)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r.Header.Set("Content-Length", fmt.Sprint(len(body)))
		got := httptest.NewRecorder()
		p.forward.ServeHTTP(got, r)
		if answer = got.Body.Bytes(); got.Code != http.StatusOK {
			w.WriteHeader(got.Code)
			_, _ = w.Write(answer)
			return
		}
	}
	if answer = pretend(answer, lost); answer == nil {
		http.Error(w, "the answer is no JSON", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	_, _ = w.Write(answer)
}

// change takes out of a batch what shall be lost, and puts in twice what shall come twice.
func (p *sendProxy) change(entries []sendEntry) (kept []sendEntry, lost map[string]sendEntry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	lost = map[string]sendEntry{}
	twice := 0
	for _, e := range entries {
		m := &p.meddled
		m.messages++
		switch {
		case p.on && m.lost < m.messages/20:
			m.lost++
			lost[e.ID] = e
			continue
		case p.on && m.twice < m.messages/10 && len(entries)+twice < 10: // as many as a batch may have
			m.twice++
			twice++
			kept = append(kept, sendEntry{ID: "twice" + e.ID, Body: e.Body, Delay: e.Delay})
		}
		kept = append(kept, e)
	}
	return kept, lost
}

// pretend says of lost messages that they were sent, and nothing of second ones.
func pretend(answer []byte, lost map[string]sendEntry) []byte {
	type sent struct {
		ID        string `json:"Id"`
		MessageID string `json:"MessageId"`
		MD5       string `json:"MD5OfMessageBody"`
	}
	var out struct {
		Successful []sent
		Failed     []json.RawMessage
	}
	if json.Unmarshal(answer, &out) != nil {
		return nil
	}
	out.Successful = slices.DeleteFunc(out.Successful, func(s sent) bool { return strings.HasPrefix(s.ID, "twice") })
	for id, e := range lost {
		sum := md5.Sum([]byte(e.Body)) //nolint:gosec // SQS's checksum of a body
		out.Successful = append(out.Successful, sent{id, "lost", hex.EncodeToString(sum[:])})
	}
	changed, err := json.Marshal(out)
	if err != nil {
		return nil
	}
	return changed
}
