package e2e_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"
)

// exported is what a collector keeps of a span.
type exported struct {
	name, trace, id, parent, process string
	attributes                       map[string]string
}

// receiver is a collector that keeps what it gets, by OTLP over HTTP.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	spans []exported
	bad   []string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(r.take))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) take(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	var export collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &export)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil || request.URL.Path != "/v1/traces" {
		r.bad = append(r.bad, fmt.Sprint(request.URL, err))
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for _, resource := range export.GetResourceSpans() {
		process := attributes(resource.GetResource().GetAttributes())["service.instance.id"]
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				r.spans = append(r.spans, exported{
					name: s.GetName(), trace: hex.EncodeToString(s.GetTraceId()), id: hex.EncodeToString(s.GetSpanId()),
					parent: hex.EncodeToString(s.GetParentSpanId()), process: process, attributes: attributes(s.GetAttributes()),
				})
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func attributes(list []*common.KeyValue) map[string]string {
	m := map[string]string{}
	for _, kv := range list {
		if text, ok := kv.GetValue().GetValue().(*common.AnyValue_StringValue); ok {
			m[kv.GetKey()] = text.StringValue
		} else {
			m[kv.GetKey()] = fmt.Sprint(kv.GetValue().GetIntValue())
		}
	}
	return m
}

// all are the spans of a name.
func (r *receiver) all(name string) []exported {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.spans), func(s exported) bool { return s.name != name })
}

// TestTraces follows objects from the start that enqueues them, over the queue, to the workers that commit them in another
// process, hand-ons included.
func TestTraces(t *testing.T) {
	t.Parallel()
	const worker, objects = "slots: 2, chunk_time: 1.01ms, reserve: 1ms", 3 // chunks end at the first look at the clock
	for name, newTraced := range map[string]func(*testing.T) *site{
		"local": func(t *testing.T) *site { return newSite(t, "", worker, numbersProtocol) },
		"aws":   func(t *testing.T) *site { return newCloudSite(t, worker, numbersProtocol, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, r := newTraced(t), newReceiver(t)
			set := s.prepare
			s.prepare = func(cmd *exec.Cmd) {
				if set != nil {
					set(cmd)
				}
				cmd.Env = append(cmd.Env, "REPRISE_TELEMETRY_OTLP="+r.URL)
			}
			for i := range objects {
				s.put(fmt.Sprintf("logs/numbers/%d.log", i), numbers(1000))
			}
			id := s.start()
			s.must("run", "--once")
			r.check(t, id, objects)
		})
	}
}

// check: all objects are one trace that an enqueue has begun, every chunk is below the enqueue or below the chunk that has handed
// on, and every commit below its chunk.
func (r *receiver) check(t *testing.T, replay string, objects int) {
	t.Helper()
	if len(r.bad) > 0 {
		t.Errorf("the collector did not understand %q", r.bad)
	}
	byID := map[string]exported{}
	for _, name := range []string{"enqueue", "chunk", "fold part", "commit"} {
		for _, s := range r.all(name) {
			byID[s.id] = s
		}
	}
	handedOn := 0
	ends := map[string]int64{} // by object: where its last chunk has ended
	finished := map[string]bool{}
	for _, s := range append(r.all("chunk"), r.all("fold part")...) {
		parent, ok := byID[s.parent]
		if !ok || parent.trace != s.trace || s.attributes["replay"] != replay || s.process == "" {
			t.Errorf("%+v is below %+v", s, parent)
			continue
		}
		switch parent.name {
		case "enqueue":
			if parent.process == s.process && s.name == "chunk" {
				t.Errorf("start and workers are one process: %s", s.process)
			}
		case "chunk":
			handedOn++
			if parent.attributes["verdict"] != "hand on" || parent.attributes["line_to"] != s.attributes["line_from"] || parent.attributes["object"] != s.attributes["object"] {
				t.Errorf("%+v is below a chunk that has not handed it on: %+v", s, parent)
			}
		default:
			t.Errorf("%+v is below %+v", s, parent)
		}
		finished[s.attributes["object"]] = finished[s.attributes["object"]] || s.attributes["verdict"] == "done"
		ends[s.attributes["object"]]++
	}
	if len(ends) != objects+1 || handedOn == 0 { // and the part of the fold
		t.Errorf("pieces of work by object: %v, %d handed on", ends, handedOn)
	}
	for object := range ends {
		if !finished[object] {
			t.Errorf("no chunk of %s is done", object)
		}
	}
	commits := r.all("commit")
	for _, s := range commits {
		if parent := byID[s.parent]; parent.name != "chunk" && parent.name != "fold part" || parent.trace != s.trace {
			t.Errorf("%+v is below %+v", s, parent)
		}
	}
	if len(commits) < objects+1 {
		t.Errorf("%d commits", len(commits))
	}
}

// TestCollectorHangs: a collector that takes connections and never answers costs nothing but its traces.
func TestCollectorHangs(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // the backlog of the listener takes connections; nobody accepts them
	s := newSite(t, "", "slots: 2", numbersProtocol)
	s.prepare = func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+l.Addr().String())
	}
	for i := range 30 {
		s.put(fmt.Sprintf("logs/numbers/%d.log", i), numbers(10))
	}
	s.start()
	s.must("run", "--once")
	if c := s.finished(); c.Lines.Counted != 300 {
		t.Errorf("counted %d", c.Lines.Counted)
	}
}

// TestPages asks a process that runs for its metrics and its health.
func TestPages(t *testing.T) {
	t.Parallel()
	s := newSite(t, "", "slots: 2", numbersProtocol)
	s.put("logs/numbers/a.log", numbers(100))
	s.prepare = func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, "REPRISE_TELEMETRY_LISTEN=127.0.0.1:0", "REPRISE_TELEMETRY_PPROF=true", "REPRISE_TELEMETRY_EMF=on", "REPRISE_TELEMETRY_STACK=e2e")
	}
	p := s.daemon("run")
	s.until("the process to be ready", func() bool {
		code, _ := p.page("serving telemetry", "/readyz")
		return code == http.StatusOK
	})
	s.start()
	s.finished()
	if code, body := p.page("serving telemetry", "/healthz"); code != http.StatusOK || !strings.Contains(body, `"worker":{"ok":true}`) {
		t.Errorf("/healthz: %d %s", code, body)
	}
	code, body := p.page("serving telemetry", "/metrics")
	for _, want := range []string{`reprise_lines_total{outcome="counted",protocol="numbers"} 100`, `reprise_verdicts_total{verdict="done"} 2`, "go_goroutines "} {
		if code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("/metrics: %d, without %q", code, want)
		}
	}
	if code, _ := p.page("serving telemetry", "/debug/pprof/"); code != http.StatusNotFound {
		t.Errorf("profiles beside the metrics: %d", code)
	}
	if code, body := p.page("serving profiles", "/debug/pprof/goroutine?debug=1"); code != http.StatusOK || !strings.Contains(body, "goroutine profile") {
		t.Errorf("profiles: %d", code)
	}
	p.stop(terminate)
	if log := p.err.String(); !strings.Contains(log, `"_aws":`) || !strings.Contains(log, `"Stack":"e2e"`) {
		t.Errorf("no line for CloudWatch in\n%s", log)
	}
}

// page gets a page of a process, at the address that its log tells; code 0: there is none yet.
func (p *process) page(of, path string) (code int, body string) {
	for line := range bytes.Lines([]byte(p.err.String())) {
		var said struct{ Msg, Address string }
		if json.Unmarshal(line, &said) != nil || said.Msg != of {
			continue
		}
		answer, err := http.Get("http://" + said.Address + path)
		if err != nil {
			return 0, ""
		}
		defer func() { _ = answer.Body.Close() }()
		text, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(text)
	}
	return 0, ""
}

const numbersProtocol = `  numbers:
    format: json
    timestamp: ts
    stats:
      lines: {measures: {lines: count}}
`

func numbers(n int) []byte {
	return bytes.Repeat([]byte(`{"ts":"2026-03-01T00:00:00Z"}`+"\n"), n)
}
