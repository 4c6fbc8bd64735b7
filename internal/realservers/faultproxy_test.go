package realservers_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed-56345083/reprise/internal/realservers"
)

// behind starts a server that counts the requests it sees and answers with a body, and a proxy in front of it.
func behind(t *testing.T, f realservers.Faults) (string, *atomic.Int64) {
	t.Helper()
	var seen atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen.Add(1)
		w.Header().Set("X-Host", r.Host)
		_, _ = w.Write([]byte(strings.Repeat(string(body), 100)))
	}))
	t.Cleanup(server.Close)
	return realservers.Faulty(t, server.URL, f), &seen
}

// post makes one request on a connection of its own, so that Go does not try it again.
func post(ctx context.Context, t *testing.T, base string, header ...string) (status int, body string, err error) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base, strings.NewReader("abc"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range header {
		request.Header.Set(name, "x")
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK && "http://"+response.Header.Get("X-Host") != base {
		t.Errorf("the server saw the host %s behind %s", response.Header.Get("X-Host"), base)
	}
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

func TestFaultyPasses(t *testing.T) {
	t.Parallel()
	base, seen := behind(t, realservers.Faults{LoseReply: 1, Only: func(*http.Request) bool { return false }})
	status, body, err := post(t.Context(), t, base)
	if status != http.StatusOK || body != strings.Repeat("abc", 100) || err != nil || seen.Load() != 1 {
		t.Errorf("got %d, %d bytes, %v", status, len(body), err)
	}
}

func TestFaultyBreaksConnections(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		faults realservers.Faults
		acts   int64
		status int
	}{
		"Reset":     {realservers.Faults{Reset: 1}, 0, 0},
		"LoseReply": {realservers.Faults{LoseReply: 1}, 1, 0},
		"Cut":       {realservers.Faults{Cut: 1}, 1, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var hits atomic.Int64
			c.faults.Hit = func(fault string, _ *http.Request) {
				if fault == name {
					hits.Add(1)
				}
			}
			base, seen := behind(t, c.faults)
			status, body, err := post(t.Context(), t, base)
			if err == nil || status != c.status || len(body) >= 300 || seen.Load() != c.acts || hits.Load() != 1 {
				t.Errorf("got %d, %d bytes, %v; the server saw %d, %d hits", status, len(body), err, seen.Load(), hits.Load())
			}
		})
	}
}

func TestFaultyRefuses(t *testing.T) {
	t.Parallel()
	const requests = 40
	base, seen := behind(t, realservers.Faults{Status500: 1, Seed: 1})
	statuses := map[int]int{}
	for range requests {
		status, _, err := post(t.Context(), t, base)
		if err != nil {
			t.Fatal(err)
		}
		statuses[status]++
	}
	if statuses[500] == 0 || statuses[503] == 0 || statuses[500]+statuses[503] != requests || seen.Load() == 0 || seen.Load() == requests {
		t.Errorf("statuses %v, the server saw %d of %d", statuses, seen.Load(), requests)
	}

	base, seen = behind(t, realservers.Faults{Throttle: 1})
	xmlStatus, inXML, xmlErr := post(t.Context(), t, base)
	jsonStatus, inJSON, jsonErr := post(t.Context(), t, base, "X-Amz-Target")
	if err := errors.Join(xmlErr, jsonErr); err != nil {
		t.Fatal(err)
	}
	if xmlStatus != 503 || !strings.Contains(inXML, "<Code>SlowDown</Code>") || jsonStatus != 400 ||
		!strings.Contains(inJSON, `"__type":"ThrottlingException"`) || seen.Load() != 0 {
		t.Errorf("got %d %s, %d %s", xmlStatus, inXML, jsonStatus, inJSON)
	}
}

// TestFaultyHangs would never end if a request that hangs outlived its client or the test.
func TestFaultyHangs(t *testing.T) {
	t.Parallel()
	hangs := make(chan struct{}, 100)
	base, seen := behind(t, realservers.Faults{Hang: 1, Seed: 1, Hit: func(string, *http.Request) { hangs <- struct{}{} }})
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-hangs; cancel() }()
		if _, _, err := post(ctx, t, base); !errors.Is(err, context.Canceled) {
			t.Errorf("a request that hangs: %v", err)
		}
		cancel()
	}
	if seen.Load() > 20 {
		t.Errorf("the server saw %d of 20", seen.Load())
	}
}

// TestFaultyShares checks the shares roughly: a third each, and a third without a fault.
func TestFaultyShares(t *testing.T) {
	t.Parallel()
	const requests = 300
	var resets, throttles atomic.Int64
	base, seen := behind(t, realservers.Faults{Reset: 0.33, Throttle: 0.33, Seed: 7, Hit: func(fault string, _ *http.Request) {
		if fault == "Reset" {
			resets.Add(1)
		} else {
			throttles.Add(1)
		}
	}})
	for range requests {
		_, _, _ = post(t.Context(), t, base)
	}
	for name, n := range map[string]int64{"resets": resets.Load(), "throttles": throttles.Load(), "served": seen.Load()} {
		if n < requests/4 || n > requests/2 {
			t.Errorf("%s: %d of %d", name, n, requests)
		}
	}
}
