package telemetry

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// stalledSeconds is the metric of which an alarm is made.
const stalledSeconds = "replay_stalled_seconds"

// Watcher is what a watcher reports to. Its methods may be called on nil, and by several goroutines.
type Watcher struct {
	replays, objects, messages *prometheus.GaugeVec
	parts, partsDone, listed   prometheus.Gauge
	looks                      *prometheus.CounterVec

	mu      sync.Mutex
	counted map[string]Count // by replay, as counted last
	states  [2][]string      // of replays and of objects
	stands  time.Time        // since when messages are visible and no replay gets on; zero: none waits
}

// Replay is one that is not over, as its record has it.
type Replay struct {
	ID     string
	State  string
	Listed int64
	Parts  int64 // of its fold
}

// Count is what counting a replay's cursors has come to.
type Count struct {
	Objects   map[string]int64 // by state
	PartsDone int64            // of the present fold
}

// The queues, as a label names them.
const (
	QueueWork = "work"
	QueueDead = "dead_letters"
)

// What a role does in turns ends in one of these.
const (
	resultOK     = "ok"
	resultFailed = "failed"
)

// Watcher makes what a watcher reports to. The states are all that a replay, or an object, may be in. Call it once.
func (m *Metrics) Watcher(replayStates, objectStates []string) *Watcher {
	if m == nil {
		return nil
	}
	w := &Watcher{
		replays:   m.gauges("replays", "Replays that are not over, by state.", labelState),
		objects:   m.gauges("objects", "Objects of the replays that are not over, by state, as counted last.", labelState),
		listed:    m.gauge("objects_listed", "Objects that the replays that are not over have listed."),
		parts:     m.gauge("fold_parts", "Parts of the folds of the replays that are not over."),
		partsDone: m.gauge("fold_parts_finished", "Parts of these folds that are finished, as counted last."),
		messages: m.gauges("queue_messages", "Messages of a queue by state: visible, in_flight or delayed. SQS counts roughly.",
			labelQueue, labelState),
		looks:   m.counters("watcher_looks_total", "Looks of the watcher at all replays, by how they ended: ok or failed.", labelResult),
		counted: map[string]Count{}, states: [2][]string{replayStates, objectStates},
	}
	m.gaugeFunc(stalledSeconds, "Time since any replay got on while messages are visible; 0 where none waits.", w.stalled)
	setAll(w.replays, replayStates, nil)
	setAll(w.objects, objectStates, nil)
	for _, r := range []string{resultOK, resultFailed} {
		w.looks.WithLabelValues(r)
	}
	return w
}

// Counted says what counting a replay has come to. It stands until it is counted again, or over.
func (w *Watcher) Counted(id string, c Count) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counted[id] = c
}

// Look says how a look has ended.
func (w *Watcher) Look(err error) {
	switch {
	case w == nil:
	case err != nil:
		w.looks.WithLabelValues(resultFailed).Inc()
	default:
		w.looks.WithLabelValues(resultOK).Inc()
	}
}

// Active says which replays are not over.
func (w *Watcher) Active(active []Replay) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	states, objects, counted := map[string]float64{}, map[string]float64{}, map[string]Count{}
	var listed, parts, done int64
	for _, r := range active {
		states[r.State]++
		listed += r.Listed
		parts += r.Parts
		c, ok := w.counted[r.ID]
		if !ok {
			continue
		}
		counted[r.ID] = c
		done += c.PartsDone
		for state, n := range c.Objects {
			objects[state] += float64(n)
		}
	}
	w.counted = counted
	setAll(w.replays, w.states[0], states)
	setAll(w.objects, w.states[1], objects)
	w.listed.Set(float64(listed))
	w.parts.Set(float64(parts))
	w.partsDone.Set(float64(done))
}

// setAll sets the gauges of all labels; those without a value to 0.
func setAll(v *prometheus.GaugeVec, labels []string, values map[string]float64) {
	for _, label := range labels {
		v.WithLabelValues(label).Set(values[label])
	}
}

// Queue says how many messages a queue has.
func (w *Watcher) Queue(name string, visible, inFlight, delayed int64) {
	if w == nil {
		return
	}
	for state, n := range map[string]int64{"visible": visible, "in_flight": inFlight, "delayed": delayed} {
		w.messages.WithLabelValues(name, state).Set(float64(n))
	}
}

// Stands says since when messages have been visible without a replay getting on; zero: none waits, or one gets on.
func (w *Watcher) Stands(since time.Time) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stands = since
}

func (w *Watcher) stalled() float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stands.IsZero() {
		return 0
	}
	return max(time.Since(w.stands).Seconds(), 0)
}
