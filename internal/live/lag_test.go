package live

import (
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
)

func TestLagIsTheAgeOfWhatWaits(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	now := time.Now()
	for shard, c := range map[string]entries.Checkpoint{
		"root":  {Closed: true, At: now.Add(-5 * time.Hour), Behind: now.Add(-5 * time.Hour)},
		"left":  {At: now.Add(-time.Minute), Behind: now.Add(-time.Hour)},
		"right": {At: now.Add(-2 * time.Minute)},
	} {
		c.Shard = shard
		if err := s.e.SaveCheckpoint(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	b, err := Lag(t.Context(), &split{Entries: s.e, t: t})
	if err != nil {
		t.Fatal(err)
	}
	if b.Shards != 3 || b.Unread != 1 || !b.Seen.Equal(now.Add(-2*time.Minute)) || b.Lag < time.Hour || b.Lag > 2*time.Hour {
		t.Errorf("behind is %+v", b)
	}
}

func TestAConsumerThatIsBehindSaysSo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	list := s.put(makeLines(200, 20))
	store := &mending{Entries: s.e}
	store.refuse(list[60].ID, list[61].ID) // the second read is never over
	for _, e := range list[60:120] {
		store.ids = append(store.ids, e.ID)
	}
	l, e, written := watched(s.l, store)
	stop := s.start(s.consumer("a", l, e, func(o *ConsumerOptions) { o.Save = time.Nanosecond }))
	until(t, written, "the first read is counted", func() bool { return s.position() == 60 })
	b, err := Lag(t.Context(), s.e)
	if err != nil {
		t.Fatal(err)
	}
	if b.Lag <= 0 || b.Seen.IsZero() || b.Unread != 0 {
		t.Errorf("behind is %+v, and 140 entries wait", b)
	}
	stop()
}
