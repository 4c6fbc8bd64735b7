package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Kinds of work.
const (
	KindObject = "object" // a chunk of an object
	KindFold   = "fold"   // a part of a fold
)

// Results of a commit.
const (
	CommitOK     = "ok"
	CommitFenced = "fenced" // the cursor is somebody else's by now
	CommitFailed = "failed"
)

// Results of extending a message's visibility.
const (
	ExtensionOK     = "ok"
	ExtensionStale  = "stale" // the receipt does not hold the message any more
	ExtensionFailed = "failed"
)

// The upper ends of the buckets, in seconds. A chunk is bounded by worker.chunk_time, a wait by the backlog of a replay.
var (
	chunkBuckets  = []float64{0.01, 0.1, 0.5, 1, 5, 15, 30, 60, 150, 300, 600, 1800}
	commitBuckets = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}
	waitBuckets   = []float64{0.1, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600}
)

// Worker is what a pool of workers reports to. Its methods may be called by any number of goroutines, and on nil.
type Worker struct {
	lines, bytes, objects *prometheus.CounterVec
	chunks, commits       *prometheus.CounterVec
	verdicts, extensions  *prometheus.CounterVec
	chunkTime             *prometheus.HistogramVec
	commitTime, waited    prometheus.Observer
	slots, busy           prometheus.Gauge
}

// linesTotal is the metric that the rate for CloudWatch is made of.
const linesTotal = "lines_total"

// Worker makes what a pool reports to. verdicts are all that there are, so that each is there from the beginning. Call it once.
func (m *Metrics) Worker(verdicts []string) *Worker {
	if m == nil {
		return nil
	}
	w := &Worker{
		lines: m.counters(linesTotal, "Lines read and committed, by what became of them: counted, after_cutoff, rejected or blank.",
			labelProtocol, labelOutcome),
		bytes:   m.counters("bytes_total", "Bytes of the lines read and committed, uncompressed, with their newlines.", labelProtocol),
		objects: m.counters("objects_finished_total", "Objects read to their end and committed.", labelProtocol),
		chunks:  m.counters("chunks_total", "Pieces of work that were claimed and came to an end, of objects and of folds.", labelKind),
		commits: m.counters("commits_total", "Commits of positions and of parts of a fold, by how they ended.", labelResult),
		verdicts: m.counters("verdicts_total", "Messages by their verdict: what became of them.",
			labelVerdict),
		extensions: m.counters("visibility_extensions_total", "Messages whose visibility was to be extended by a heartbeat, by how that ended.", labelResult),
		chunkTime: m.histograms("chunk_duration_seconds", "Time from the claim of a piece of work to its last commit.",
			chunkBuckets, labelKind),
		commitTime: m.histograms("commit_duration_seconds", "Time of a commit, until its outcome was known.", commitBuckets).WithLabelValues(),
		waited: m.histograms("queue_wait_seconds", "Time from the sending of a message to its first receive, by the queue's clock and this one.",
			waitBuckets).WithLabelValues(),
		slots: m.gauge("worker_slots", "Messages that the process works on at once at the most."),
		busy:  m.gauge("worker_slots_busy", "Messages that it works on now."),
	}
	for _, kind := range []string{KindObject, KindFold} {
		w.chunks.WithLabelValues(kind)
		w.chunkTime.WithLabelValues(kind)
	}
	for _, result := range []string{CommitOK, CommitFenced, CommitFailed} {
		w.commits.WithLabelValues(result)
	}
	for _, result := range []string{ExtensionOK, ExtensionStale, ExtensionFailed} {
		w.extensions.WithLabelValues(result)
	}
	for _, v := range verdicts {
		w.verdicts.WithLabelValues(v)
	}
	return w
}

// Slots says how many messages are worked on at once.
func (w *Worker) Slots(n int) {
	if w != nil {
		w.slots.Set(float64(n))
	}
}

// Received says that a message was received for the first time, and how long it had waited. A wait below 0 is that of two clocks.
func (w *Worker) Received(waited time.Duration) {
	if w != nil {
		w.waited.Observe(max(waited.Seconds(), 0))
	}
}

// Begun says that a slot has a message. Every Begun has its Handled.
func (w *Worker) Begun() {
	if w != nil {
		w.busy.Inc()
	}
}

// Handled says what became of a message.
func (w *Worker) Handled(verdict string) {
	if w != nil {
		w.busy.Dec()
		w.verdicts.WithLabelValues(verdict).Inc()
	}
}

// Chunk says that a piece of work that was claimed has come to its end, and how long it took.
func (w *Worker) Chunk(kind string, took time.Duration) {
	if w != nil {
		w.chunks.WithLabelValues(kind).Inc()
		w.chunkTime.WithLabelValues(kind).Observe(took.Seconds())
	}
}

// Commit says how a commit ended, and how long it took.
func (w *Worker) Commit(result string, took time.Duration) {
	if w != nil {
		w.commits.WithLabelValues(result).Inc()
		w.commitTime.Observe(took.Seconds())
	}
}

// Committed is what one commit has added to what is read.
type Committed struct {
	Protocol                              string
	Counted, AfterCutoff, Rejected, Blank int64
	Bytes, Objects                        int64
}

// Committed says what was committed.
func (w *Worker) Committed(c Committed) {
	if w == nil {
		return
	}
	for _, l := range []struct {
		outcome string
		n       int64
	}{{"counted", c.Counted}, {"after_cutoff", c.AfterCutoff}, {"rejected", c.Rejected}, {"blank", c.Blank}} {
		w.lines.WithLabelValues(c.Protocol, l.outcome).Add(float64(max(l.n, 0)))
	}
	w.bytes.WithLabelValues(c.Protocol).Add(float64(max(c.Bytes, 0)))
	w.objects.WithLabelValues(c.Protocol).Add(float64(max(c.Objects, 0)))
}

// Extended says how the extension of some messages' visibility ended.
func (w *Worker) Extended(result string, messages int) {
	if w != nil && messages > 0 {
		w.extensions.WithLabelValues(result).Add(float64(messages))
	}
}
