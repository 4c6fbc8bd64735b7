package telemetry_test

import (
	"bytes"
	"errors"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/seed-56345083/reprise/internal/telemetry"
)

// everything is a process with all roles, each of whose metrics has a value.
func everything() *telemetry.Metrics {
	m := telemetry.New("v1.2.3")
	w := m.Worker([]string{"done", "hand on"})
	w.Slots(4)
	w.Begun()
	w.Received(-time.Second)
	w.Chunk(telemetry.KindObject, time.Second)
	w.Commit(telemetry.CommitOK, time.Millisecond)
	w.Committed(telemetry.Committed{Protocol: "dns", Counted: 5, Bytes: 100, Objects: 1})
	w.Extended(telemetry.ExtensionOK, 3)
	w.Handled("done")
	watcher := m.Watcher([]string{"RUNNING", "FOLDING"}, []string{"PENDING", "FINISHED"})
	watcher.Queue(telemetry.QueueWork, 1, 2, 3)
	watcher.Counted("r", telemetry.Count{Objects: map[string]int64{"PENDING": 2}, PartsDone: 1})
	watcher.Active([]telemetry.Replay{{ID: "r", State: "RUNNING", Listed: 5, Parts: 2}})
	watcher.Look(errors.New("x"))
	l := m.Live(func() time.Duration { return time.Second }, func() int { return 2 })
	l.Read(5, 1)
	l.Again(1)
	l.Left(1)
	l.Swept(1)
	a := m.Archiver()
	a.Archived(telemetry.Archived{Joined: 1, Entries: 1, Objects: 1, Text: 10, Stored: 5})
	a.Backlog(1, time.Now())
	m.Request("S3", "GetObject", "ok")
	return m
}

// TestReference compares the table of docs/telemetry.md with the registry.
func TestReference(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/telemetry.md")
	must(t, err)
	documented := map[string]string{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) == 6 && strings.HasPrefix(line, "| `reprise_") {
			documented[strings.Trim(cells[1], " `")] = strings.TrimSpace(cells[2]) + " " + strings.ReplaceAll(strings.Trim(cells[3], " "), "`", "")
		}
	}
	families, err := everything().Gather()
	must(t, err)
	registered := map[string]string{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), telemetry.Namespace+"_") {
			continue
		}
		labels := map[string]bool{}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = true
			}
		}
		registered[f.GetName()] = strings.ToLower(f.GetType().String()) + " " + strings.Join(slices.Sorted(maps.Keys(labels)), ", ")
	}
	for name, what := range registered {
		if strings.TrimSpace(documented[name]) != strings.TrimSpace(what) {
			t.Errorf("docs/telemetry.md has %q for %s, the registry %q", documented[name], name, what)
		}
	}
	for name := range documented {
		if registered[name] == "" {
			t.Errorf("docs/telemetry.md has %s, which there is not", name)
		}
	}
	if len(registered) < 30 {
		t.Errorf("only %d metrics", len(registered))
	}
}

// TestPromtool lets Prometheus's own linter look at all of it.
func TestPromtool(t *testing.T) {
	t.Parallel()
	tool, err := promtool()
	if err != nil {
		reason := "promtool is not to be had (make servers installs it): " + err.Error()
		if os.Getenv("REPRISE_REQUIRE") == "all" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	page := httptest.NewRecorder()
	everything().Handler().ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	if page.Code != 200 || !strings.Contains(page.Body.String(), `reprise_lines_total{outcome="counted",protocol="dns"} 5`) {
		t.Fatalf("the page is %d\n%s", page.Code, page.Body)
	}
	lint := exec.Command(tool, "check", "metrics")
	lint.Stdin = bytes.NewReader(page.Body.Bytes())
	if out, err := lint.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

func promtool() (string, error) {
	installed := filepath.Join("..", "..", "bin", "servers", "promtool", "promtool")
	if _, err := os.Stat(installed); err == nil {
		return installed, nil
	}
	return exec.LookPath("promtool")
}

// TestActive: what is told of replays goes with them.
func TestActive(t *testing.T) {
	t.Parallel()
	m := telemetry.New("v")
	w := m.Watcher([]string{"RUNNING"}, []string{"PENDING"})
	w.Counted("a", telemetry.Count{Objects: map[string]int64{"PENDING": 2}, PartsDone: 1})
	w.Counted("b", telemetry.Count{Objects: map[string]int64{"PENDING": 5}})
	w.Active([]telemetry.Replay{{ID: "a", State: "RUNNING", Listed: 7, Parts: 3}, {ID: "b", State: "RUNNING", Listed: 5}})
	expect(t, m, map[string]float64{
		"reprise_replays": 2, "reprise_objects": 7, "reprise_objects_listed": 12, "reprise_fold_parts": 3, "reprise_fold_parts_finished": 1,
	})
	w.Active([]telemetry.Replay{{ID: "b", State: "RUNNING", Listed: 5}})
	expect(t, m, map[string]float64{"reprise_replays": 1, "reprise_objects": 5, "reprise_objects_listed": 5, "reprise_fold_parts": 0, "reprise_fold_parts_finished": 0})
	w.Active(nil)
	expect(t, m, map[string]float64{"reprise_replays": 0, "reprise_objects": 0, "reprise_objects_listed": 0})
}

// expect compares the sums of metrics.
func expect(t *testing.T, m *telemetry.Metrics, want map[string]float64) {
	t.Helper()
	families, err := m.Gather()
	must(t, err)
	for _, f := range families {
		value, ok := want[f.GetName()]
		if !ok {
			continue
		}
		sum := 0.0
		for _, one := range f.GetMetric() {
			sum += one.GetGauge().GetValue() + one.GetCounter().GetValue()
		}
		if sum != value {
			t.Errorf("%s is %g, want %g", f.GetName(), sum, value)
		}
	}
}

// TestLogCounted: the lines are written as before, and those that tell of trouble are counted whether they are written or not.
func TestLogCounted(t *testing.T) {
	t.Parallel()
	var out lines
	m := telemetry.New("v")
	log := m.CountLog(logger(&out, zapcore.ErrorLevel))
	log.Info("no")
	log.Warn("no, but counted")
	log.With().Named("x").Error("yes")
	if got := out.all(); len(got) != 1 || !strings.Contains(got[0], `"msg":"yes"`) {
		t.Errorf("written: %q", got)
	}
	expect(t, m, map[string]float64{"reprise_log_messages_total": 2})
}

// TestNobody: all of it may be nil.
func TestNobody(t *testing.T) {
	t.Parallel()
	var m *telemetry.Metrics
	w := m.Worker(nil)
	w.Slots(1)
	w.Begun()
	w.Received(0)
	w.Chunk("", 0)
	w.Commit("", 0)
	w.Committed(telemetry.Committed{})
	w.Extended("", 1)
	w.Handled("")
	watcher := m.Watcher(nil, nil)
	watcher.Queue("", 0, 0, 0)
	watcher.Counted("", telemetry.Count{})
	watcher.Active(nil)
	watcher.Look(nil)
	watcher.Stands(time.Now())
	l := m.Live(nil, nil)
	l.Read(0, 0)
	l.Again(0)
	l.Left(0)
	l.Swept(0)
	a := m.Archiver()
	a.Archived(telemetry.Archived{})
	a.Backlog(0, time.Now())
	m.Request("", "", "")
	m.EMF(telemetry.EMFOptions{}).Run(t.Context())
	var h *telemetry.Health
	h.Need("", "")
	h.Answered("")
	h.Drain()
	p := h.Pulse("", 0)
	p.Beat()
	p.Allow(0)
	p.End()
	var tracer *telemetry.Tracer
	ctx, span := tracer.Continue(t.Context(), "", "")
	span.Rename("")
	span.Text("", "")
	span.Number("", 0)
	span.End(nil)
	if ctx != t.Context() || tracer.Trace(ctx) != "" {
		t.Error("a tracer of nobody changes the context")
	}
	tracer.Close()
}
