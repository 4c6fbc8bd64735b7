package worker

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/seed-56345083/reprise/internal/telemetry"
)

// TestLogKeys: every line about a message has the same keys with the same types, whatever became of it, and so has the line of
// progress; docs/telemetry.md has them.
func TestLogKeys(t *testing.T) {
	t.Parallel()
	reference, err := os.ReadFile("../docs/telemetry.md")
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	b := newBed(t)
	b.add("dns/good", text(makeLines(1000, 50)))
	b.add("dns/bad.gz", []byte("\x1f\x8b\x08\x00broken"))
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&log), zapcore.DebugLevel)
	w := b.worker(shortest, func(o *Options) { o.Log = zap.New(core) })
	b.drain(w)
	w.progress.say()

	verdicts := map[string]int{}
	progress := 0
	for line := range bytes.Lines(log.Bytes()) {
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatal(err)
		}
		var texts, numbers []string
		switch m["msg"] {
		case "message":
			texts, numbers = []string{"replay", "object", "verdict"}, []string{"line", "attempt"}
			verdicts[m["verdict"].(string)]++
			if m["replay"] != b.replay.ID || !strings.HasPrefix(m["object"].(string), "dns/") {
				t.Errorf("%s", line)
			}
		case "progress":
			progress++
			texts, numbers = []string{"replay"}, []string{"lines", "bytes", "objects", "chunks", "lines_per_second"}
			if m["lines"] != 1000.0 || m["objects"] != 1.0 {
				t.Errorf("%s", line)
			}
		}
		for _, key := range texts {
			if _, ok := m[key].(string); !ok || !strings.Contains(string(reference), "`"+key+"`") {
				t.Errorf("%s is no text of %s, or not in docs/telemetry.md", key, line)
			}
		}
		for _, key := range numbers {
			if _, ok := m[key].(float64); !ok || !strings.Contains(string(reference), "`"+key+"`") {
				t.Errorf("%s is no number of %s, or not in docs/telemetry.md", key, line)
			}
		}
	}
	if verdicts["done"] != 1 || verdicts["poison"] != 1 || verdicts["hand on"] == 0 || progress != 1 {
		t.Errorf("verdicts %v, %d lines of progress", verdicts, progress)
	}
}

// TestMetrics: what a worker counts is what it has done, over hand-ons and failures.
func TestMetrics(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := makeLines(1000, 50)
	b.add("dns/good", text(lines))
	b.add("dns/bad.gz", []byte("\x1f\x8b\x08\x00broken"))
	m, h := telemetry.New("v"), telemetry.NewHealth()
	w := b.worker(shortest, func(o *Options) {
		o.Metrics, o.Alive = m.Worker(VerdictNames()), h.Pulse("worker", time.Hour)
	})
	b.drain(w)
	page := httptest.NewRecorder()
	m.Handler().ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	want := b.cursor("dns/good").Accounts
	value := func(name string) (v float64) {
		t.Helper()
		for line := range strings.Lines(page.Body.String()) {
			if rest, ok := strings.CutPrefix(line, name+" "); ok {
				if err := json.Unmarshal([]byte(rest), &v); err != nil {
					t.Fatal(err)
				}
				return v
			}
		}
		t.Errorf("there is no %s", name)
		return -1
	}
	handedOn := value(`reprise_verdicts_total{verdict="hand on"}`)
	for name, want := range map[string]float64{
		`reprise_lines_total{outcome="counted",protocol="dns"}`:      float64(want.Counted),
		`reprise_lines_total{outcome="after_cutoff",protocol="dns"}`: float64(want.AfterCutoff),
		`reprise_lines_total{outcome="rejected",protocol="dns"}`:     float64(want.Rejected),
		`reprise_lines_total{outcome="blank",protocol="dns"}`:        float64(want.Blank),
		`reprise_bytes_total{protocol="dns"}`:                        float64(want.Bytes),
		`reprise_objects_finished_total{protocol="dns"}`:             1,
		`reprise_verdicts_total{verdict="done"}`:                     1,
		`reprise_verdicts_total{verdict="poison"}`:                   1,
		`reprise_chunks_total{kind="object"}`:                        2 + handedOn,
		`reprise_commits_total{result="ok"}`:                         1 + handedOn,
		`reprise_commit_duration_seconds_count`:                      1 + handedOn,
		`reprise_queue_wait_seconds_count`:                           2 + handedOn,
		`reprise_worker_slots_busy`:                                  0,
	} {
		if got := value(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if handedOn == 0 || want.Counted == 0 || !h.Ready().OK {
		t.Errorf("%v handed on, %d counted, health %+v", handedOn, want.Counted, h.Ready())
	}
}

// TestTraceIsHandedOn: a worker that traces nothing hands on what the message bears.
func TestTraceIsHandedOn(t *testing.T) {
	t.Parallel()
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	b := newBed(t)
	b.add("dns/a", text(makeLines(1000, 50)))
	w := b.worker(shortest)
	m, _ := b.receive(b.queue, time.Minute)
	m.Trace = trace
	b.handle(b.ctx, w, m)
	if m, ok := b.receive(b.queue, time.Minute); !ok || m.Trace != trace {
		t.Errorf("handed on: %v, with the trace %q", ok, m.Trace)
	}
}
