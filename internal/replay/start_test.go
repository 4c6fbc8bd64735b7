package replay_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

func TestStart(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.put("logs/dns/1", "a")
	s.put("logs/ssl/1", "a")
	d := s.driver("one", nil)
	cutoff := time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("x", 3600))
	p := params("ssl", "dns")
	p.Cutoff = cutoff
	p.Protocols[0].Rejects = 0.25
	r, err := d.Start(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	if p.Protocols[0].Definition.Protocol != "ssl" {
		t.Error("Start has sorted its caller's slice")
	}
	stored := s.replay(r.ID)
	if stored.Version != r.Version || stored.State != ledger.Starting || !stored.Cutoff.Equal(cutoff) || stored.Cutoff.Location() != time.UTC ||
		stored.Prefix != "logs/" || stored.Layout != p.Layout || stored.Tags != "all" || stored.Created.IsZero() {
		t.Errorf("replay %+v", stored)
	}
	want := []ledger.ReplayProtocol{{Name: "dns", Generation: 1, Rule: ledger.RuleCutoff, Rejects: 1}, {Name: "ssl", Generation: 1, Rule: ledger.RuleCutoff, Rejects: 0.25}}
	if !slices.Equal(stored.Protocols, want) {
		t.Errorf("protocols %+v, want %+v", stored.Protocols, want)
	}
	for _, name := range []string{"dns", "ssl"} {
		record := s.protocol(name)
		if record.Epoch != 1 || record.Building != 1 || record.Serving != 0 || !slices.Equal(record.Gens, []int64{1}) ||
			!record.Cutoff.Equal(cutoff) || record.Replay != r.ID {
			t.Errorf("protocol %+v", record)
		}
		g, err := s.ledger.Generation(ctx, name, 1)
		def := definition(name)
		if err != nil || string(g.Definition) != string(def.Encode()) || g.Hash != def.Hash() || g.Replay != r.ID || g.Base != 0 || g.Side {
			t.Errorf("generation %+v, %v", g, err)
		}
	}
}

func TestStartNow(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.put("logs/dns/1", "a")
	before := time.Now()
	r, err := s.driver("one", nil).Start(context.Background(), params("dns"))
	if err != nil || r.Cutoff.Before(before.Round(0)) || r.Cutoff.After(time.Now()) || !s.protocol("dns").Cutoff.Equal(r.Cutoff) {
		t.Errorf("cutoff %v, %v, want now", r.Cutoff, err)
	}
}

// TestStartAllOrNone has one of three protocols busy: the other two are not touched.
func TestStartAllOrNone(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	for _, p := range []string{"dns", "http", "ssl"} {
		s.put("logs/"+p+"/1", "a")
	}
	d := s.driver("one", nil)
	first, err := d.Start(ctx, params("http"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Start(ctx, params("ssl", "dns", "http"))
	wantError(t, err, replay.ErrBusy, first.ID, "http")
	all, err := s.ledger.Replays(ctx)
	if err != nil || len(all) != 1 {
		t.Errorf("%d replays, %v, want the first alone", len(all), err)
	}
	for _, name := range []string{"dns", "ssl"} {
		if p := s.protocol(name); p.Version != 0 {
			t.Errorf("protocol %+v was touched", p)
		}
		if _, err := s.ledger.Generation(ctx, name, 1); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("a generation of %s was opened: %v", name, err)
		}
	}
	if _, err := d.Start(ctx, params("ssl", "dns")); err != nil {
		t.Errorf("the others are free: %v", err)
	}
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.put("logs/dns/1", "a")
	s.put("logs/ssl", "fits no layout")
	s.put("other/ssl/1", "not below the prefix")
	broken := params("dns")
	broken.Protocols[0].Definition.Stats[0].Measures[0].Func = "coumt"
	layout := params("dns")
	layout.Layout = "{rest}"
	for name, c := range map[string]struct {
		p     replay.StartParams
		want  error
		words string
	}{
		"no object of one":  {p: params("dns", "ssl"), want: replay.ErrNothing, words: "ssl"},
		"no object of many": {p: params("dns", "ssl", "x"), want: replay.ErrNothing, words: "ssl, x"},
		"no protocol":       {p: params(), want: replay.ErrNothing},
		"twice the same":    {p: params("dns", "dns"), words: "twice"},
		"definition":        {p: broken, words: "coumt"},
		"layout":            {p: layout, words: "{protocol} is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := s.driver("one", nil).Start(context.Background(), c.p)
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.words) {
				t.Errorf("Start = %v, want %v with %q", err, c.want, c.words)
			}
			if p := s.protocol("dns"); p.Version != 0 {
				t.Errorf("protocol %+v was touched", p)
			}
		})
	}
}

// TestStartRace starts overlapping sets from several goroutines: no protocol gets two replays, and one at least wins.
func TestStartRace(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	for _, p := range []string{"a", "b", "c"} {
		s.put("logs/"+p+"/1", "x")
	}
	sets := [][]string{{"a", "b"}, {"b", "c"}, {"c", "a"}, {"a", "b", "c"}} // any two overlap: exactly one can win
	for round := range 5 {
		var won []ledger.Replay
		var mu sync.Mutex
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				r, err := s.driver("starter", nil).Start(ctx, params(sets[i%len(sets)]...))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won = append(won, r)
				} else if !errors.Is(err, replay.ErrBusy) {
					t.Errorf("Start = %v, want ErrBusy", err)
				}
			})
		}
		group.Wait()
		if len(won) != 1 {
			t.Fatalf("round %d: %d replays were started, want exactly one", round, len(won))
		}
		var free ledger.Writes // for the next round
		for _, part := range won[0].Protocols {
			p := s.protocol(part.Name)
			if p.Replay != won[0].ID || p.Building != part.Generation || p.Epoch != part.Generation {
				t.Errorf("protocol %+v is not of the winner", p)
			}
			p.Replay, p.Building = "", 0
			free.Protocols = append(free.Protocols, p)
		}
		if err := s.ledger.Write(ctx, free); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStartLostReply loses the reply of the write that opens a replay: it is open, and Start says so.
func TestStartLostReply(t *testing.T) {
	t.Parallel()
	for name, reply := range map[string]error{"unknown": errCut, "a conflict with itself": ledger.ErrConflict} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			s.put("logs/dns/1", "a")
			d := s.driver("one", &tap{hook: func(c call) error {
				if c.name == "Write" && c.after {
					return reply
				}
				return nil
			}})
			r, err := d.Start(context.Background(), params("dns"))
			if err != nil || s.protocol("dns").Replay != r.ID || s.replay(r.ID).Version != r.Version {
				t.Errorf("Start = %+v, %v, want the replay that is open", r, err)
			}
		})
	}
}
