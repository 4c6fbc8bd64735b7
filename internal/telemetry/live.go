package telemetry

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The metrics of the live side of which alarms are made.
const (
	lagSeconds        = "live_lag_seconds"
	unarchivedEntries = "unarchived_entries"
	unarchivedAge     = "unarchived_age_seconds"
)

// Live is what a consumer of the incoming table's stream reports to. Its methods may be called by any number of goroutines, and on nil.
type Live struct {
	entries, retries, left, bad, swept prometheus.Counter
}

// Live makes what a consumer reports to. lag and shards are asked when somebody reads the metrics: how far the consumer is behind
// the stream, and how many shards it reads. Call it once.
func (m *Metrics) Live(lag func() time.Duration, shards func() int) *Live {
	if m == nil {
		return nil
	}
	m.Lag(lag)
	m.gaugeFunc("live_shards", "Shards of the stream that the process reads.", func() float64 { return float64(shards()) })
	return &Live{
		entries: m.counter("live_entries_total", "Entries that the stream has brought and that were counted, or left to the sweeps."),
		retries: m.counter("live_retries_total", "Entries that were to be counted again because the store had refused them."),
		left:    m.counter("live_left_total", "Entries that the stream has brought and that are left to the sweeps."),
		bad:     m.counter("live_bad_records_total", "Records of the stream that are no entry and were passed over."),
		swept:   m.counter("live_swept_total", "Entries that a sweep has counted because the stream had not brought them."),
	}
}

// Lag makes the one metric of how far a consumer is behind, for those who have no more to tell: Lambda's function. Call it once,
// and not beside Live.
func (m *Metrics) Lag(lag func() time.Duration) {
	if m != nil {
		m.gaugeFunc(lagSeconds, "How far the consumer is behind the stream of the incoming table: the age of the last record read where more wait, or the time since the stream could be read.",
			func() float64 { return lag().Seconds() })
	}
}

// Read says how many entries of the stream were taken, and how many records were none.
func (l *Live) Read(entries, bad int) {
	if l != nil {
		l.entries.Add(float64(entries))
		l.bad.Add(float64(bad))
	}
}

// Again says how many entries are to be counted once more.
func (l *Live) Again(entries int) {
	if l != nil {
		l.retries.Add(float64(entries))
	}
}

// Left says how many entries are left to the sweeps.
func (l *Live) Left(entries int) {
	if l != nil {
		l.left.Add(float64(entries))
	}
}

// Swept says how many entries a sweep has counted.
func (l *Live) Swept(entries int64) {
	if l != nil {
		l.swept.Add(float64(entries))
	}
}

// Archiver is what an archiver reports to. Its methods may be called by any number of goroutines, and on nil.
type Archiver struct {
	joined, archived, objects, text, stored prometheus.Counter
	entries                                 prometheus.Gauge
	oldest                                  atomic.Int64 // when the oldest entry was put, in nanoseconds since 1970; 0: there is none
}

// Archiver makes what an archiver reports to. Call it once.
func (m *Metrics) Archiver() *Archiver {
	if m == nil {
		return nil
	}
	a := &Archiver{
		joined:   m.counter("archiver_joined_total", "Entries that have joined a batch."),
		archived: m.counter("archiver_entries_total", "Entries that were marked as archived."),
		objects:  m.counter("archiver_objects_total", "Batches that were written to the archive as an object, or found written."),
		text:     m.counter("archiver_text_bytes_total", "Bytes of the lines of these objects, with their newlines."),
		stored:   m.counter("archiver_stored_bytes_total", "Bytes of these objects as they are stored."),
		entries:  m.gauge(unarchivedEntries, "Entries of the incoming table that are not archived, as counted once a minute, about up to 1000 of each protocol."),
	}
	m.gaugeFunc(unarchivedAge, "Age of the oldest entry that was not archived when they were counted last; 0 where there was none.", a.age)
	return a
}

func (a *Archiver) age() float64 {
	oldest := a.oldest.Load()
	if oldest == 0 {
		return 0
	}
	return max(time.Since(time.Unix(0, oldest)).Seconds(), 0)
}

// Archived is what an archiver has done.
type Archived struct {
	Joined, Entries, Objects, Text, Stored int64
}

// Archived says what was done.
func (a *Archiver) Archived(d Archived) {
	if a == nil {
		return
	}
	a.joined.Add(float64(d.Joined))
	a.archived.Add(float64(d.Entries))
	a.objects.Add(float64(d.Objects))
	a.text.Add(float64(d.Text))
	a.stored.Add(float64(d.Stored))
}

// Backlog says how many entries wait to be archived, and when the oldest was put; zero: there is none.
func (a *Archiver) Backlog(entries int64, oldest time.Time) {
	if a == nil {
		return
	}
	a.entries.Set(float64(entries))
	if oldest.IsZero() {
		a.oldest.Store(0)
	} else {
		a.oldest.Store(oldest.UnixNano())
	}
}
