package replay_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

// twoGenerations has replayed dns twice, the second time with more lines.
func (s *system) twoGenerations() {
	s.t.Helper()
	s.put("logs/dns/1", "a", "b")
	s.replayed("dns")
	s.put("logs/dns/1", "a", "a", "c")
	s.replayed("dns")
}

var firstRows, secondRows = map[string]int{"a": 1, "b": 1}, map[string]int{"a": 2, "c": 1}

func TestRollback(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.twoGenerations()
	d := s.operator(nil)
	for i, want := range []map[string]int{firstRows, secondRows, firstRows} {
		serving := int64(2 - (i+1)%2)
		changed, err := d.Rollback(ctx, []string{"dns", "dns"})
		if err != nil || len(changed) != 1 {
			t.Fatalf("Rollback = %+v, %v", changed, err)
		}
		p := s.protocol("dns")
		if p.Serving != serving || p.Previous != 3-serving || !slices.Equal(p.Gens, []int64{1, 2}) || len(p.Purging) > 0 || p.Since.IsZero() ||
			changed[0].Version != p.Version || changed[0].Serving != p.Serving {
			t.Errorf("rolled back %d times: %+v, returned %+v", i+1, p, changed)
		}
		look(t, d)
		s.wantRows("dns", 0, want)
		s.wantRows("dns", 3-serving, map[string]map[string]int{"1": firstRows, "2": secondRows}[fmt.Sprint(3-serving)])
	}

	// The next replay comes after what serves: the generation that was rolled back goes.
	s.put("logs/dns/1", "d")
	s.replayed("dns")
	until(t, "the purge", func() bool { look(t, d); return len(s.protocol("dns").Purging) == 0 })
	if p := s.protocol("dns"); p.Serving != 3 || p.Previous != 1 || !slices.Equal(p.Gens, []int64{1, 3}) {
		t.Errorf("after the next replay: %+v", p)
	}
	s.wantRows("dns", 0, map[string]int{"d": 1})
	s.wantRows("dns", 1, firstRows)
	s.wantNoRows(2)
}

// TestRollbackAllOrNone: one protocol that cannot be rolled back keeps the others where they are.
func TestRollbackAllOrNone(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	for range 2 {
		s.put("logs/dns/1", "a")
		s.put("logs/ssl/1", "a")
		s.replayed("dns", "ssl")
	}
	s.put("logs/web/1", "a")
	s.replayed("web")
	d := s.operator(nil)
	refused := func(do func(context.Context, []string) ([]ledger.Protocol, error), want error, word string, names ...string) {
		t.Helper()
		dns, ssl := s.protocol("dns"), s.protocol("ssl")
		_, err := do(ctx, names)
		wantError(t, err, want, word)
		if s.protocol("dns").Version != dns.Version || s.protocol("ssl").Version != ssl.Version {
			t.Error("something has changed all the same")
		}
	}
	refused(d.Rollback, replay.ErrState, "web", "dns", "ssl", "web")
	refused(d.Purge, replay.ErrState, "web", "dns", "ssl", "web")
	refused(d.Rollback, replay.ErrUnknown, "nobody", "dns", "nobody")
	refused(d.Purge, replay.ErrUnknown, "nobody", "dns", "nobody")
	r := s.running("ssl")
	refused(d.Rollback, replay.ErrState, r.ID, "dns", "ssl")
	if _, err := d.Cancel(ctx, r.ID); err != nil {
		t.Error(err)
	}
	changed, err := d.Rollback(ctx, []string{"ssl", "dns"})
	if err != nil || len(changed) != 2 || s.protocol("dns").Serving != 1 || s.protocol("ssl").Serving != 1 {
		t.Errorf("both: %+v, %v", changed, err)
	}
}

// TestRollbackReply loses the reply of the write, or takes it for a conflict with itself: it is made once.
func TestRollbackReply(t *testing.T) {
	t.Parallel()
	for name, reply := range map[string]error{"unknown": errCut, "a conflict": ledger.ErrConflict} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprint(name, after), func(t *testing.T) {
				t.Parallel()
				s := newSystem(t)
				ctx := context.Background()
				record := ledger.Protocol{Name: "dns", Epoch: 2, Gens: []int64{1, 2}, Serving: 2, Complete: 2, Previous: 1}
				if err := s.ledger.Write(ctx, ledger.Writes{Protocols: []ledger.Protocol{record}}); err != nil {
					t.Fatal(err)
				}
				for _, step := range []struct {
					do   func(*replay.Driver, context.Context, []string) ([]ledger.Protocol, error)
					want [2]int64
				}{{(*replay.Driver).Rollback, [2]int64{1, 2}}, {(*replay.Driver).Purge, [2]int64{1, 0}}} {
					first := true
					d := s.operator(&tap{hook: func(c call) error {
						if c.name == "Write" && c.after == after && first {
							first = false
							return reply
						}
						return nil
					}})
					changed, err := step.do(d, ctx, []string{"dns"})
					if !after && name == "unknown" { // not made, and said so
						wantError(t, err, errCut)
						changed, err = step.do(d, ctx, []string{"dns"})
					}
					p := s.protocol("dns")
					if err != nil || len(changed) != 1 || changed[0].Version != p.Version || [2]int64{p.Serving, p.Previous} != step.want {
						t.Errorf("%+v, %v; the record is %+v, want %v", changed, err, p, step.want)
					}
				}
			})
		}
	}
}

// TestRollbackRace lets rollbacks, purges and the watcher run at once on two protocols: whatever is served is never what
// is purged, and both protocols change in the same way.
func TestRollbackRace(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	names := []string{"dns", "ssl"}
	outcomes := map[string]int{}
	for round := range 60 {
		var w ledger.Writes
		for _, name := range names {
			p := s.protocol(name)
			w.Protocols = append(w.Protocols, ledger.Protocol{
				Name: name, Epoch: 2, Gens: []int64{1, 2}, Serving: 2, Complete: 2, Previous: 1, Version: p.Version,
			})
		}
		if err := s.ledger.Write(ctx, w); err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		var mu sync.Mutex
		done := map[string]int{}
		for i := range 3 {
			group.Go(func() {
				d := s.driver(fmt.Sprint("operator ", i), jitterTap())
				what, do := "rollback", d.Rollback
				if i == 0 {
					what, do = "purge", d.Purge
				}
				_, err := do(ctx, names)
				if err != nil && !errors.Is(err, replay.ErrState) {
					t.Errorf("%s: %v", what, err)
				}
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					done[what]++
				}
			})
		}
		group.Go(func() { _ = s.driver("watcher", jitterTap()).Look(ctx) })
		group.Wait()
		dns, ssl := s.protocol("dns"), s.protocol("ssl")
		serving := int64(2 - done["rollback"]%2)
		if done["purge"] != 1 || dns.Serving != serving || dns.Previous != 0 || !slices.Equal(dns.Gens, []int64{serving}) || slices.Contains(dns.Purging, serving) {
			t.Fatalf("round %d, %v: %+v", round, done, dns)
		}
		if dns.Serving != ssl.Serving || dns.Previous != ssl.Previous || !slices.Equal(dns.Gens, ssl.Gens) {
			t.Fatalf("round %d: %+v and %+v", round, dns, ssl)
		}
		outcomes[fmt.Sprint(done)]++
	}
	t.Log(outcomes)
	if len(outcomes) < 2 {
		t.Errorf("always the same one is first: %v", outcomes)
	}
}

// TestPurge: the rows of the generation before go, and nothing else.
func TestPurge(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.twoGenerations()
	d := s.operator(nil)
	changed, err := d.Purge(ctx, []string{"dns"})
	if err != nil || len(changed) != 1 || !slices.Equal(changed[0].Purging, []int64{1}) {
		t.Fatalf("Purge = %+v, %v", changed, err)
	}
	_, err = d.Read(ctx, "dns", "queries", 1)
	wantError(t, err, replay.ErrUnknown, "removed")
	until(t, "the purge", func() bool { look(t, d); return len(s.protocol("dns").Purging) == 0 })
	s.wantNoRows(1)
	s.wantRows("dns", 0, secondRows)
	if p := s.protocol("dns"); p.Serving != 2 || p.Previous != 0 || !slices.Equal(p.Gens, []int64{2}) || !p.Since.IsZero() {
		t.Errorf("protocol %+v", p)
	}
	for _, do := range []func(context.Context, []string) ([]ledger.Protocol, error){d.Rollback, d.Purge} {
		_, err := do(ctx, []string{"dns"})
		wantError(t, err, replay.ErrState, "dns", "no generation before")
	}
	s.put("logs/dns/1", "d")
	s.replayed("dns")
	if p := s.protocol("dns"); p.Serving != 3 || p.Previous != 2 || len(p.Purging) > 0 {
		t.Errorf("after the next replay: %+v", p)
	}
	s.wantRows("dns", 2, secondRows)
}
