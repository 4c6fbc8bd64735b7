package archiver

import (
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/telemetry"
)

// totals are what was done.
type totals struct {
	joined  int64 // entries that have joined a batch
	entries int64 // marked as archived, each time
	objects int64 // written, or found written
	text    int64 // bytes of their lines
	stored  int64 // bytes of the objects
	removed int64 // entries, batches and pages
}

// progress counts what is done between two lines of the log.
type progress struct {
	mu      sync.Mutex
	since   totals
	moves   int64            // grows with whatever gets on
	waiting map[string]int64 // by protocol: entries that the last pass saw and left
	logged  time.Time
	metrics *telemetry.Archiver
}

func (p *progress) add(t totals) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since.joined += t.joined
	p.since.entries += t.entries
	p.moves += t.joined + t.entries
	p.since.objects += t.objects
	p.since.text += t.text
	p.since.stored += t.stored
	p.since.removed += t.removed
	p.metrics.Archived(telemetry.Archived{Joined: t.joined, Entries: t.entries, Objects: t.objects, Text: t.text, Stored: t.stored})
}

// moved is a number that has grown if anything has got on.
func (p *progress) moved() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.moves
}

// left notes how many entries of a protocol wait for their counting.
func (p *progress) left(protocol string, n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting == nil {
		p.waiting = map[string]int64{}
	}
	p.waiting[protocol] = n
}

// log says what was done since the last line, if that was long enough ago and there is anything to be said.
func (p *progress) log(log *zap.Logger, every time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.logged.IsZero() {
		p.logged = now
	}
	if now.Sub(p.logged) < every {
		return
	}
	t, waiting := p.since, int64(0)
	for _, n := range p.waiting {
		waiting += n
	}
	if t != (totals{}) || waiting > 0 {
		log.Info("archived", zap.Int64("joined", t.joined), zap.Int64("entries", t.entries), zap.Int64("objects", t.objects), zap.Int64("text_bytes", t.text),
			zap.Int64("stored_bytes", t.stored), zap.Int64("removed", t.removed), zap.Int64("uncounted", waiting),
			zap.Duration("within", now.Sub(p.logged).Round(time.Second)))
	}
	p.since, p.logged = totals{}, now
}
